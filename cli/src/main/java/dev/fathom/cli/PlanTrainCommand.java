package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.PlanException;
import dev.fathom.plan.PublishedJob;
import dev.fathom.plan.Recomputation;
import dev.fathom.plan.Scaling;
import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.TrainingPlanner;
import dev.fathom.plan.TrainingRequest;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.report.Quantity;
import dev.fathom.plan.report.TrainingReport;
import dev.fathom.plan.schedule.ScheduleKind;
import java.nio.file.Path;
import java.util.Locale;
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

/** {@code fathom plan train}: what a training takes. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "What a training takes: FLOPs, memory, step time by phase, MFU, GPU hours, dollars, and a picture of the"
                        + " pipeline. Whatever is left out is as published, or searched for.")
final class PlanTrainCommand implements Callable<Integer> {
    static final String THIS_MACHINE = "this-machine";

    @ParentCommand
    private PlanCommand plan;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PlanOptions options;

    @Mixin
    private LayoutOptions layout;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "MODEL",
            description = PlanOptions.MODEL + " With --device this-machine by default the recipe's model.")
    private @Nullable String model;

    @Option(names = "--gpus", paramLabel = "N", description = "How many. Default: as published.")
    private @Nullable String gpus;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            description = "Tokens to train on, such as 300B or 14.8T. Default: as published.")
    private @Nullable String tokens;

    @Option(names = "--batch", paramLabel = "N", description = "Sequences per step. Default: as published, or 1024.")
    private @Nullable Integer batch;

    @Option(
            names = "--sequence-length",
            paramLabel = "N",
            description = "Tokens per sequence. Default: as published, or 4096.")
    private @Nullable Integer sequenceLength;

    @Option(
            names = "--device",
            paramLabel = THIS_MACHINE,
            description =
                    "this-machine: train some steps of the recipe here for ten seconds, and plan for this machine.")
    private @Nullable String device;

    @Option(
            names = "--recipe",
            paramLabel = "NAME|FILE",
            description = "With --device: the recipe whose steps are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "r1-zero")
    private String recipe;

    @Option(
            names = "--grow-to",
            paramLabel = "N",
            description = "Also say what breaks first when the cluster grows to so many GPUs, such as 1M.")
    private @Nullable String growTo;

    @Mixin
    private Measurement measurement;

    @Override
    public Integer call() {
        Screen screen = plan.screen(spec);
        if (device != null) {
            return onThisMachine(screen);
        }
        if (model == null) {
            throw PlanException.of("MODEL", "nothing", "a model, or --device " + THIS_MACHINE);
        }
        Hardware published = PublishedJob.of(model)
                .map(PublishedJob::gpu)
                .map(options::hardware)
                .orElse(null);
        TrainingRequest request = new TrainingRequest(
                model,
                PlanOptions.shape(model),
                options.hardware(null),
                gpus == null ? null : Math.round(Quantity.parse("--gpus", gpus)),
                tokens == null ? null : Double.valueOf(Quantity.parse("--tokens", tokens)),
                batch,
                sequenceLength,
                layout.choice(options.precision()));
        TrainingPlanner planner = new TrainingPlanner(Calibration.PUBLISHED);
        TrainingPlan made = request.plan(planner, published);
        options.print(screen, new TrainingReport(made, Calibration.PUBLISHED, growth(planner, made), null), spec);
        return ExitCode.OK;
    }

    private Scaling.@Nullable Result growth(TrainingPlanner planner, TrainingPlan made) {
        return growTo == null
                ? null
                : Scaling.grow(
                        planner,
                        made.job().shape(),
                        made.job().cluster().hardware(),
                        made.job().layout(),
                        made.job().phases().getFirst(),
                        Math.round(Quantity.parse("--grow-to", growTo)));
    }

    /** Times real steps of the recipe and plans with the rates they reached. */
    private int onThisMachine(Screen screen) {
        if (!THIS_MACHINE.equals(device)) {
            throw PlanException.of("--device", "\"" + device + "\"", THIS_MACHINE + "; for a GPU use --gpu");
        }
        if (gpus != null
                || options.gpu != null
                || growTo != null
                || !layout.choice(options.precision()).equals(TrainingRequest.Choice.NONE)) {
            throw PlanException.of(
                    "--device " + THIS_MACHINE,
                    "a cluster or a layout beside it",
                    "it alone: this machine is one device");
        }
        Recipe used = recipe.endsWith(".json") || recipe.contains("/")
                ? Recipe.read(Path.of(recipe))
                : Recipe.builtIn(recipe);
        screen.note("timing real training steps of recipe " + used.name() + " for " + measurement.seconds()
                + " seconds ...");
        try (Engine opened = measurement.open()) {
            ThisMachine machine = ThisMachine.measure(used, opened, measurement.seconds());
            TrainingPlanner planner = new TrainingPlanner(machine.calibration());
            TrainingPlan made = machine.plan(
                    planner,
                    model == null ? null : PlanOptions.shape(model),
                    tokens == null ? null : Double.valueOf(Quantity.parse("--tokens", tokens)));
            options.print(screen, new TrainingReport(made, machine.calibration(), null, machine.takes(made)), spec);
            return ExitCode.OK;
        }
    }

    /** The layout, as far as the user fixes it. */
    static final class LayoutOptions {
        @Option(names = "--pp", paramLabel = "N", description = "Pipeline ranks.")
        private @Nullable Integer pipeline;

        @Option(names = "--ep", paramLabel = "N", description = "Devices that share the experts of a layer.")
        private @Nullable Integer expert;

        @Option(names = "--tp", paramLabel = "N", description = "Devices that share every matrix.")
        private @Nullable Integer tensor;

        @Option(
                names = "--schedule",
                paramLabel = "NAME",
                description = "1f1b, interleaved, zb1p, dualpipe or dualpipev.")
        private @Nullable String schedule;

        @Option(names = "--interleave", paramLabel = "N", description = "Stages per rank of schedule interleaved.")
        private @Nullable Integer interleave;

        @Option(names = "--micro-batch", paramLabel = "N", description = "Sequences per micro-batch.")
        private @Nullable Integer microBatch;

        @Option(
                names = "--zero",
                paramLabel = "0|1",
                description = "1: shard the optimizer's state over data-parallel devices.")
        private @Nullable Integer zero;

        @Option(
                names = "--recompute",
                paramLabel = "none|selective|full",
                description = "What the forward pass does not keep.")
        private @Nullable String recompute;

        TrainingRequest.Choice choice(dev.fathom.plan.hardware.@Nullable Precision precision) {
            if (zero != null && zero != 0 && zero != 1) {
                throw PlanException.of("--zero", zero, "0 or 1");
            }
            return new TrainingRequest.Choice(
                    pipeline,
                    expert,
                    tensor,
                    schedule == null ? null : ScheduleKind.of(schedule),
                    interleave,
                    microBatch,
                    zero,
                    recompute == null ? null : recomputation(recompute),
                    precision);
        }

        private static Recomputation recomputation(String name) {
            for (Recomputation value : Recomputation.values()) {
                if (value.key().equals(name.toLowerCase(Locale.ROOT))) {
                    return value;
                }
            }
            throw PlanException.of("--recompute", "\"" + name + "\"", "none, selective or full");
        }
    }

    /** How this machine is measured. */
    static final class Measurement {
        @Option(
                names = "--threads",
                paramLabel = "N",
                description = "With --device: threads to train with. Default: one per processor.")
        private @Nullable Integer threads;

        @Option(
                names = "--seconds",
                paramLabel = "N",
                description = "With --device: how long to train. A machine whose pace changes shows more of it in 30."
                        + " Default: ${DEFAULT-VALUE}.",
                defaultValue = "10")
        private int seconds;

        int seconds() {
            if (seconds < 1 || seconds > 3600) {
                throw PlanException.of("--seconds", seconds, "1 to 3600");
            }
            return seconds;
        }

        Engine open() {
            int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
            if (count < 1 || count > 1024) {
                throw PlanException.of("--threads", count, "1 to 1024");
            }
            return Engine.open(Engine.PrecisionChoice.AUTO, "auto", count);
        }
    }
}
