package dev.fathom.cli;

import dev.fathom.bench.Comparison;
import dev.fathom.bench.Contest;
import dev.fathom.bench.InferenceBenchmark;
import dev.fathom.bench.ModelComparison;
import dev.fathom.bench.ReportText;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench compare}: Fathom in turns with PyTorch on a workload, or with llama.cpp on a released model. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = {
            "Run Fathom and another engine in turns, each time in a process of its own, and print the ratio of each pair.",
            "Workloads are compared with PyTorch and need a Python with torch: python3, or the one that"
                    + " FATHOM_TORCH_PYTHON names.",
            "A released model (--model) is compared with llama.cpp and needs Node.js and the package node-llama-cpp, in"
                    + " the folder that FATHOM_LLAMA_NODE names."
        })
final class BenchCompareCommand implements Callable<Integer> {
    private static final String PYTHON = "FATHOM_TORCH_PYTHON";

    /** Names the folder with node_modules/node-llama-cpp. */
    static final String LLAMA = "FATHOM_LLAMA_NODE";

    /** Options that say something about one kind of comparison only. */
    private static final List<String> OF_WORKLOADS = List.of("--workload", "--steps", "--script", "--peer-variant");

    private static final List<String> OF_MODELS = List.of("--prompt-tokens", "--new-tokens", "--warmup", "--runs");

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

    @Option(names = "--model", paramLabel = "FILE", description = "A GGUF file, to compare with llama.cpp.")
    private @Nullable Path model;

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
            description = "Seconds after which a run of the other engine is given up. Default: ${DEFAULT-VALUE}.",
            defaultValue = "600")
    private long timeout;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "N",
            description = "With --model: length of the prompt. Default: ${DEFAULT-VALUE}.",
            defaultValue = "512")
    private int promptTokens;

    @Option(
            names = "--new-tokens",
            paramLabel = "N",
            description = "With --model: tokens after the first. Default: ${DEFAULT-VALUE}.",
            defaultValue = "128")
    private int newTokens;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description =
                    "With --model: prompts and responses of a process before any is timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int warmup;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "With --model: prompts and responses of a process that are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int runs;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        if (model == null) {
            BenchCommand.refuse(spec, OF_MODELS, "goes with --model");
            compareWorkload();
        } else {
            BenchCommand.refuse(spec, OF_WORKLOADS, "does not go with --model");
            compareModel(model);
        }
        return ExitCode.OK;
    }

    private Contest contest() {
        return new Contest(Main.class.getName(), engineOptions.words(), engineOptions.threads(), pairs, timeout);
    }

    private void compareModel(Path file) {
        ModelComparison.Options options = new ModelComparison.Options(
                file,
                contest(),
                new InferenceBenchmark.Options(promptTokens, newTokens, warmup, runs),
                "node",
                System.getenv(LLAMA));
        ModelComparison.Result result = ModelComparison.run(options, bench.screen(spec, json)::line);
        bench.print(spec, json, result, ReportText.of(result));
    }

    private void compareWorkload() {
        Comparison.Options options = new Comparison.Options(
                workload,
                contest(),
                steps,
                System.getenv(PYTHON),
                script == null ? BenchCommand.shared("bench", "train_torch.py") : script,
                variant);
        Comparison.Result result = Comparison.run(options, bench.screen(spec, json)::line);
        bench.print(spec, json, result, ReportText.of(result));
    }
}
