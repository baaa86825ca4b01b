package dev.fathom.cli;

import dev.fathom.bench.InferenceBenchmark;
import dev.fathom.bench.ReportText;
import dev.fathom.engine.Engine;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench decode}: how fast a released model writes. */
@Command(
        name = "decode",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Measure generation of a released model: tokens per second of one greedy response, after a prompt.")
final class BenchDecodeCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file or a Hugging Face directory.")
    private Path path;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "N",
            description = "Length of the prompt. Default: ${DEFAULT-VALUE}.",
            defaultValue = "512")
    private int promptTokens;

    @Option(
            names = "--new-tokens",
            paramLabel = "N",
            description = "Tokens after the first, at least 1. Default: ${DEFAULT-VALUE}.",
            defaultValue = "128")
    private int newTokens;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description = "Runs before any is timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int warmup;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Runs that are timed. Default: ${DEFAULT-VALUE}.",
            defaultValue = "3")
    private int runs;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    @Override
    public Integer call() {
        InferenceBenchmark.Options options = new InferenceBenchmark.Options(promptTokens, newTokens, warmup, runs);
        try (Engine engine = keyValueOption.open(engineOptions)) {
            InferenceBenchmark.Result result = InferenceBenchmark.run(path, engine, options);
            bench.print(spec, json, result, ReportText.of(result));
        }
        return ExitCode.OK;
    }
}
