package dev.fathom.cli;

import dev.fathom.plan.Calibration;
import dev.fathom.plan.Cluster;
import dev.fathom.plan.InferenceCalibration;
import dev.fathom.plan.PlanException;
import dev.fathom.plan.PublishedJob;
import dev.fathom.plan.ReinforcementPlanner;
import dev.fathom.plan.ReinforcementPlanner.ReinforcementPlan;
import dev.fathom.plan.ReinforcementPlanner.Stage;
import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.TrainingPlanner;
import dev.fathom.plan.TrainingRequest;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.report.Quantity;
import dev.fathom.plan.report.ReinforcementReport;
import dev.fathom.plan.shape.ModelShape;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom plan rl}: what reinforcement learning takes. */
@Command(
        name = "rl",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "What reinforcement learning takes: rollouts, scoring, training. The recipes are R1-Zero's and R1's; --steps"
                        + " plans a stage of your own.")
final class PlanRlCommand implements Callable<Integer> {
    @ParentCommand
    private PlanCommand plan;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PlanOptions options;

    @Parameters(index = "0", paramLabel = "MODEL", description = PlanOptions.MODEL)
    private String model;

    @Option(
            names = "--recipe",
            paramLabel = "r1-zero|r1",
            description = "Whose stages. Default: ${DEFAULT-VALUE}.",
            defaultValue = "r1-zero")
    private String recipe;

    @Option(
            names = "--gpus",
            paramLabel = "N",
            description = "How many. Default: ${DEFAULT-VALUE}.",
            defaultValue = "512")
    private String gpus;

    @Option(names = "--steps", paramLabel = "N", description = "A stage of your own, of so many optimizer steps.")
    private @Nullable Integer steps;

    @Option(
            names = "--responses-per-step",
            paramLabel = "N",
            description = "With --steps. Default: ${DEFAULT-VALUE}.",
            defaultValue = "512")
    private int responses;

    @Option(
            names = "--responses-per-rollout",
            paramLabel = "N",
            description = "With --steps. Default: ${DEFAULT-VALUE}.",
            defaultValue = "8192")
    private int perRollout;

    @Option(
            names = "--mean-tokens",
            paramLabel = "N",
            description = "With --steps: mean length of a response. Default: ${DEFAULT-VALUE}.",
            defaultValue = "5000")
    private double mean;

    @Option(
            names = "--longest-tokens",
            paramLabel = "N",
            description = "With --steps: limit of a response. Default: ${DEFAULT-VALUE}.",
            defaultValue = "32768")
    private double longest;

    @Option(
            names = "--first-stage-steps",
            paramLabel = "N",
            description = "With --recipe r1: steps of its first stage, which are not published. Default: "
                    + ReinforcementPlanner.FIRST_STAGE_STEPS + ", one pass over the published prompts.")
    private @Nullable Integer firstStage;

    @Override
    public Integer call() {
        ModelShape shape = PlanOptions.shape(model);
        Hardware published = PublishedJob.of(model)
                .map(PublishedJob::gpu)
                .map(options::hardware)
                .orElse(null);
        Hardware hardware = Objects.requireNonNullElse(
                options.hardware(null),
                Objects.requireNonNullElseGet(published, () -> Objects.requireNonNull(options.hardware("h800"))));
        Cluster cluster = new Cluster(hardware, Math.round(Quantity.parse("--gpus", gpus)));
        // Training runs in the layout it has on its own cluster; its speed per device is what counts here.
        TrainingPlan training = new TrainingRequest(
                        model,
                        shape,
                        hardware,
                        PublishedJob.of(model).map(PublishedJob::devices).orElse(cluster.devices()),
                        1e9,
                        null,
                        null,
                        TrainingRequest.Choice.NONE)
                .plan(new TrainingPlanner(Calibration.PUBLISHED), published);
        double perToken = training.step().seconds()
                * training.job().cluster().devices()
                / training.step().tokens();
        ReinforcementPlan made = new ReinforcementPlanner(InferenceCalibration.PUBLISHED)
                .plan(shape, cluster, training.job().layout().precision(), perToken, stages());
        options.print(plan.screen(spec), new ReinforcementReport(shape, made), spec);
        return ExitCode.OK;
    }

    private List<Stage> stages() {
        if (steps != null) {
            return List.of(new Stage("reinforcement learning", steps, responses, perRollout, mean, longest, 0, ""));
        }
        if (firstStage != null && !recipe.equals("r1")) {
            throw PlanException.of("--first-stage-steps", firstStage, "only with --recipe r1");
        }
        int first = firstStage != null ? firstStage : ReinforcementPlanner.FIRST_STAGE_STEPS;
        if (first < 1) {
            throw PlanException.of("--first-stage-steps", first, "at least 1");
        }
        return switch (recipe) {
            case "r1-zero" -> ReinforcementPlanner.r1Zero();
            case "r1" -> ReinforcementPlanner.r1(first);
            default -> throw PlanException.of("--recipe", "\"" + recipe + "\"", "r1-zero or r1");
        };
    }
}
