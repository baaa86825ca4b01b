package dev.fathom.cli;

import dev.fathom.bench.Contest;
import dev.fathom.bench.LlamaStreams;
import dev.fathom.bench.ReportText;
import dev.fathom.bench.StreamsBenchmark;
import dev.fathom.engine.Engine;
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

/** {@code fathom bench streams}: how fast a released model answers many at once. */
@Command(
        name = "streams",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Measure a released model that answers many requests at once: new tokens per second of all together. With"
                        + " --compare, in turns with llama.cpp's parallel sequences: needs Node.js and a folder with"
                        + " node_modules/node-llama-cpp, named by FATHOM_LLAMA_NODE.")
final class BenchStreamsCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Mixin
    private BenchedModel model;

    @Option(
            names = "--streams",
            paramLabel = "N",
            description = "Requests at the same time. Default: ${DEFAULT-VALUE}.",
            defaultValue = "16")
    private int streams;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "N",
            description = "Length of each prompt. Default: ${DEFAULT-VALUE}.",
            defaultValue = "32")
    private int promptTokens;

    @Option(
            names = "--new-tokens",
            paramLabel = "N",
            description = "Length of each response, at least 2. Default: ${DEFAULT-VALUE}.",
            defaultValue = "64")
    private int newTokens;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Runs that are timed, after one that is not. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int runs;

    @Option(
            names = "--compare",
            arity = "0..1",
            paramLabel = "PAIRS",
            fallbackValue = "3",
            description =
                    "Compare with llama.cpp, each run a process of its own. Pairs without a number: ${FALLBACK-VALUE}.")
    private @Nullable Integer pairs;

    @Option(
            names = "--peer-timeout",
            paramLabel = "S",
            description = "Seconds after which a run of llama.cpp is given up. Default: ${DEFAULT-VALUE}.",
            defaultValue = "600")
    private long timeout;

    @Override
    public Integer call() {
        if (pairs == null) {
            BenchCommand.refuse(spec, List.of("--peer-timeout"), "goes with --compare");
        }
        StreamsBenchmark.Options options = new StreamsBenchmark.Options(streams, promptTokens, newTokens, runs);
        if (pairs != null) {
            LlamaStreams.Options comparison = new LlamaStreams.Options(
                    model.path(),
                    new Contest(Main.class.getName(), model.engineWords(), model.threads(), pairs, timeout),
                    options,
                    "node",
                    System.getenv(BenchCompareCommand.LLAMA));
            LlamaStreams.Result result = LlamaStreams.run(comparison, bench.screen(spec, model.json())::line);
            bench.print(spec, model.json(), result, ReportText.of(result));
            return ExitCode.OK;
        }
        try (Engine engine = model.open()) {
            StreamsBenchmark.Result result = StreamsBenchmark.run(model.path(), engine, options);
            bench.print(spec, model.json(), result, ReportText.of(result));
        }
        return ExitCode.OK;
    }
}
