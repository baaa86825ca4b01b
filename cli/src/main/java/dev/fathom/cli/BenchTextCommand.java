package dev.fathom.cli;

import dev.fathom.bench.ReportText;
import dev.fathom.bench.TextBenchmark;
import dev.fathom.bench.TextBenchmark.Model;
import dev.fathom.bench.UpdateRule;
import dev.fathom.engine.Engine;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench text}: how well and how fast a small model learns a text. */
@Command(
        name = "text",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Train on a text character by character, in nanoGPT's setting for CPUs, and report the validation loss"
                        + " and the wall time.")
final class BenchTextCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "NAME",
            description =
                    "gpt2, or v3 for DeepSeek's architecture at the same cost per step. Default: ${DEFAULT-VALUE}.",
            defaultValue = "gpt2")
    private String model;

    @Option(
            names = "--optimizer",
            paramLabel = "NAME",
            description =
                    "adamw, as nanoGPT has it, or muon for matrices between hidden states. Default: ${DEFAULT-VALUE}.",
            defaultValue = "adamw")
    private String optimizer;

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description = "Default: shared/data/text/tinyshakespeare.txt beside Fathom's folder.")
    private @Nullable Path text;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "The learning rate falls until the last. Default: ${DEFAULT-VALUE}.",
            defaultValue = "2000")
    private int steps;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Of the first weights and of what is trained on. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private long seed;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        Path file = text == null ? BenchCommand.shared("data", "text", "tinyshakespeare.txt") : text;
        try (Engine engine = engineOptions.open()) {
            TextBenchmark.Result result = TextBenchmark.run(
                    found("--model", model, Model.values(), Model::key),
                    found("--optimizer", optimizer, UpdateRule.values(), UpdateRule::key),
                    file,
                    steps,
                    seed,
                    engine,
                    bench.screen(spec, json)::line);
            bench.print(spec, json, result, ReportText.of(result));
        }
        return ExitCode.OK;
    }

    /** The one of {@code all} that an option names. */
    private static <T> T found(String option, String value, T[] all, Function<T, String> key) {
        return Stream.of(all)
                .filter(known -> key.apply(known).equals(value.toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> new CommandException(
                        ExitCode.USAGE,
                        option + " must be " + Stream.of(all).map(key).collect(Collectors.joining(" or ")) + ", was \""
                                + value + "\"."));
    }
}
