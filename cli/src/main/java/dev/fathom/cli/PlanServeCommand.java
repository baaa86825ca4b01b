package dev.fathom.cli;

import dev.fathom.plan.InferenceCalibration;
import dev.fathom.plan.PublishedJob;
import dev.fathom.plan.ServingPlanner;
import dev.fathom.plan.ServingPlanner.Workload;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.report.Quantity;
import dev.fathom.plan.report.ServingReport;
import dev.fathom.plan.shape.ModelShape;
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

/** {@code fathom plan serve}: what serving a model takes. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "What serving takes: tokens per second and node for prompts and answers, cache, time per output token,"
                        + " dollars. The defaults are DeepSeek's 24 hours of February 2025.")
final class PlanServeCommand implements Callable<Integer> {
    @ParentCommand
    private PlanCommand plan;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PlanOptions options;

    @Parameters(index = "0", paramLabel = "MODEL", description = PlanOptions.MODEL)
    private String model;

    @Option(
            names = "--prefill-gpus",
            paramLabel = "N",
            description =
                    "GPUs of a unit that reads prompts. Default: 32 with experts, else as few as the weights fit into.")
    private @Nullable Integer prefill;

    @Option(
            names = "--decode-gpus",
            paramLabel = "N",
            description =
                    "GPUs of a unit that writes answers. Default: 144 with experts, else as few as the weights fit into.")
    private @Nullable Integer decode;

    @Option(
            names = "--context",
            paramLabel = "N",
            description = "Mean tokens in a sequence's cache. Default: ${DEFAULT-VALUE}.",
            defaultValue = "4989")
    private double context;

    @Option(
            names = "--cache-hits",
            paramLabel = "SHARE",
            description = "Share of prompt tokens found in a cache. Default: ${DEFAULT-VALUE}.",
            defaultValue = "0.563")
    private double hits;

    @Option(
            names = "--tokens-per-second",
            paramLabel = "N",
            description = "What a user sees. Default: ${DEFAULT-VALUE}.",
            defaultValue = "21")
    private double speed;

    @Option(
            names = "--input-per-day",
            paramLabel = "N",
            description = "Prompt tokens per day. Default: ${DEFAULT-VALUE}.",
            defaultValue = "608B")
    private String input;

    @Option(
            names = "--output-per-day",
            paramLabel = "N",
            description = "Answer tokens per day. Default: ${DEFAULT-VALUE}.",
            defaultValue = "168B")
    private String output;

    @Override
    public Integer call() {
        ModelShape shape = PlanOptions.shape(model);
        Hardware hardware = Objects.requireNonNull(
                options.hardware(PublishedJob.of(model).map(PublishedJob::gpu).orElse("h800")));
        Precision asked = options.precision();
        Precision precision = asked != null
                ? asked
                : shape.experts() != null && hardware.has(Precision.FP8) ? Precision.FP8 : hardware.reference();
        boolean experts = shape.experts() != null;
        ServingPlanner planner = new ServingPlanner(shape, hardware, precision, InferenceCalibration.PUBLISHED);
        Workload work = new Workload(
                prefill != null ? prefill : experts ? 32 : planner.denseUnit(),
                decode != null ? decode : experts ? 144 : planner.denseUnit(),
                context,
                hits,
                speed,
                ServingPlanner.redundant(shape),
                Quantity.parse("--input-per-day", input),
                Quantity.parse("--output-per-day", output));
        options.print(plan.screen(spec), new ServingReport(shape, hardware, planner.plan(work)), spec);
        return ExitCode.OK;
    }
}
