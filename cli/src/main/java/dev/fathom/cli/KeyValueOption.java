package dev.fathom.cli;

import dev.fathom.engine.DType;
import dev.fathom.model.ReleasedModel;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** How a released model is opened. */
final class KeyValueOption {
    @Option(
            names = "--kv",
            paramLabel = "auto|f32|bf16",
            description =
                    "Type of kept keys and values. auto: as attention computes here, bf16 where it does, else f32.")
    private @Nullable String type;

    ReleasedModel.Options options() {
        DType keyValues = switch (type == null ? "auto" : type.toLowerCase(Locale.ROOT)) {
            case "auto" -> null;
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default ->
                throw new CommandException(ExitCode.USAGE, "--kv must be auto, f32 or bf16, was \"" + type + "\".");
        };
        return new ReleasedModel.Options(keyValues);
    }
}
