package dev.fathom.cli;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** In what type a model keeps keys and values. */
final class KeyValueOption {
    @Option(
            names = "--kv",
            paramLabel = "auto|f32|bf16|q8",
            description =
                    "Type of kept keys and values. auto: as attention computes here, bf16 where it does, else f32; q8: eight bits, half"
                            + " the memory of bf16, slower in long contexts.")
    private @Nullable String type;

    /** Opens what computes, its attention with the type that was asked for. */
    Engine open(EngineOptions options) {
        DType keyValues = type();
        Engine engine = options.open();
        if (keyValues == null) {
            return engine;
        }
        try {
            return engine.withKeyValues(keyValues);
        } catch (IllegalArgumentException e) {
            engine.close();
            throw e;
        }
    }

    /** The option as words of a command line. */
    List<String> words() {
        return type == null ? List.of() : List.of("--kv", type);
    }

    private @Nullable DType type() {
        return switch (type == null ? "auto" : type.toLowerCase(Locale.ROOT)) {
            case "auto" -> null;
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            case "q8" -> DType.I8;
            default ->
                throw new CommandException(ExitCode.USAGE, "--kv must be auto, f32, bf16 or q8, was \"" + type + "\".");
        };
    }
}
