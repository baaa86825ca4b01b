package dev.fathom.cli;

import dev.fathom.bench.Comparison;
import dev.fathom.bench.ReportText;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench compare}: Fathom and PyTorch in turns. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = {
            "Run Fathom and PyTorch in turns on the same workload and print the ratio of each pair. Needs a Python with"
                    + " torch: python3, or the one that FATHOM_TORCH_PYTHON names."
        })
final class BenchCompareCommand implements Callable<Integer> {
    private static final String PYTHON = "FATHOM_TORCH_PYTHON";

    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description = "w1, w2 or w3. Default: ${DEFAULT-VALUE}.",
            defaultValue = "w2")
    private String workload;

    @Option(
            names = "--pairs",
            paramLabel = "N",
            description = "Runs of each side, each a process of its own. Default: ${DEFAULT-VALUE}.",
            defaultValue = "5")
    private int pairs;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Steps, or rollouts, of a run that are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "10")
    private int steps;

    @Option(
            names = "--script",
            paramLabel = "PATH",
            description = "PyTorch's side. Default: shared/bench/train_torch.py beside Fathom's folder.")
    private @Nullable Path script;

    @Option(
            names = "--peer-variant",
            paramLabel = "NAME",
            description = "eager-f32, eager-bf16, compile-f32 or compile-bf16. Default: the best of a first round.")
    private @Nullable String variant;

    @Option(
            names = "--peer-timeout",
            paramLabel = "S",
            description = "Seconds after which a run of PyTorch is given up. Default: ${DEFAULT-VALUE}.",
            defaultValue = "600")
    private long timeout;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        Comparison.Options options = new Comparison.Options(
                workload,
                Main.class.getName(),
                engineOptions.words(),
                engineOptions.threads(),
                pairs,
                steps,
                System.getenv(PYTHON),
                script == null ? BenchCommand.shared("bench", "train_torch.py") : script,
                variant,
                timeout);
        Comparison.Result result = Comparison.run(options, bench.screen(spec, json)::line);
        bench.print(spec, json, result, ReportText.of(result));
        return ExitCode.OK;
    }
}
