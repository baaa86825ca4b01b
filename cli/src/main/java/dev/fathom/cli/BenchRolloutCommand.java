package dev.fathom.cli;

import dev.fathom.bench.ReportText;
import dev.fathom.bench.RolloutBenchmark;
import dev.fathom.bench.Workload;
import dev.fathom.engine.Engine;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench rollout}: sampling many responses at once. */
@Command(
        name = "rollout",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Measure rollouts: new tokens per second of hundreds of sequences sampled together.")
final class BenchRolloutCommand implements Callable<Integer> {
    private static final Pattern RANGE = Pattern.compile("(\\d{1,6})-(\\d{1,6})");

    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description = "w3 or tiny (docs/performance.md says what they are). Default: ${DEFAULT-VALUE}.",
            defaultValue = "w3")
    private String workload;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description = "Runs before any is timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "10")
    private int warmup;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Runs that are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "5")
    private int runs;

    @Option(
            names = "--lengths",
            paramLabel = "A-B",
            description = "Measure also responses of random length between A and B tokens beside equally many of their"
                    + " mean length.")
    private @Nullable String lengths;

    @Option(
            names = "--requests-per-slot",
            paramLabel = "N",
            description = "With --lengths: responses sampled for each sequence under way. Default: ${DEFAULT-VALUE}.",
            defaultValue = "4")
    private int requestsPerSlot;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        if (lengths == null) {
            BenchCommand.refuse(spec, List.of("--requests-per-slot"), "goes with --lengths");
        }
        Workload found = Workload.rollout(workload);
        RolloutBenchmark.Options options =
                new RolloutBenchmark.Options(warmup, runs, lengths == null ? null : range(lengths), requestsPerSlot);
        try (Engine engine = engineOptions.open()) {
            RolloutBenchmark.Result result = RolloutBenchmark.run(found, engine, options);
            bench.print(spec, json, result, ReportText.of(result));
        }
        return ExitCode.OK;
    }

    private static RolloutBenchmark.Lengths range(String text) {
        Matcher matcher = RANGE.matcher(text);
        if (!matcher.matches()) {
            throw new CommandException(
                    ExitCode.USAGE, "--lengths must be two numbers such as 10-500, was \"" + text + "\".");
        }
        return new RolloutBenchmark.Lengths(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }
}
