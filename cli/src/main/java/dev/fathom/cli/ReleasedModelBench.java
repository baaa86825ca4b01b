package dev.fathom.cli;

import dev.fathom.bench.InferenceBenchmark;
import dev.fathom.bench.ReportText;
import dev.fathom.engine.Engine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** What {@code bench prefill} and {@code bench decode} share: they differ in how much of a response is written. */
final class ReleasedModelBench {
    @Mixin
    private BenchedModel model;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "N",
            description = "Length of the prompt. Default: ${DEFAULT-VALUE}.",
            defaultValue = "512")
    private int promptTokens;

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

    /** @param newTokens after the first */
    void run(BenchCommand bench, CommandSpec spec, int newTokens) {
        InferenceBenchmark.Options options = new InferenceBenchmark.Options(promptTokens, newTokens, warmup, runs);
        try (Engine engine = model.open()) {
            InferenceBenchmark.Result result = InferenceBenchmark.run(model.path(), engine, options);
            bench.print(spec, model.json(), result, ReportText.of(result));
        }
    }
}
