package dev.fathom.cli;

import dev.fathom.bench.ReportText;
import dev.fathom.bench.TrainingBenchmark;
import dev.fathom.bench.Workload;
import dev.fathom.engine.Engine;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench train}: training steps of a workload. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Measure training: tokens per second of the median step, and where the time of a step goes.")
final class BenchTrainCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description =
                    "w1, w2, odd, gpt2, nanogpt or tiny (docs/performance.md says what they are). Default: ${DEFAULT-VALUE}.",
            defaultValue = "w2")
    private String workload;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description =
                    "Steps before any is timed: the JVM compiles for the first 20 seconds, about as many steps of w1."
                            + " Default: ${DEFAULT-VALUE}.",
            defaultValue = "" + TrainingBenchmark.WARMUP)
    private int warmup;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Steps that are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "20")
    private int steps;

    @Option(
            names = "--sequences-per-pass",
            paramLabel = "N",
            description =
                    "Sequences that go through the model together; 0 for all of a step. Default: ${DEFAULT-VALUE}.",
            defaultValue = "4")
    private int sequencesPerPass;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        Workload found = Workload.training(workload);
        TrainingBenchmark.Options options = new TrainingBenchmark.Options(warmup, steps, sequencesPerPass);
        try (Engine engine = engineOptions.open()) {
            TrainingBenchmark.Result result = TrainingBenchmark.run(found, engine, options);
            bench.print(spec, json, result, ReportText.of(result));
        }
        return ExitCode.OK;
    }
}
