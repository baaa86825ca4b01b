package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.quant.BlockEncoder;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.convert.ModelConverter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom convert}. */
@Command(
        name = "convert",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Write a model in the other format or with other types: safetensors and GGUF, both ways."
                + " The result appears when it is complete.")
final class ConvertCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file or a Hugging Face model directory.")
    private Path source;

    @Parameters(
            index = "1",
            paramLabel = "TARGET",
            description = "A new file ending in .gguf, or a new directory for safetensors.")
    private Path target;

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "Type of the matrices: f32, f16, bf16; in GGUF also q8_0, q4_0, q4_k. Default: as they are."
                    + " Norms, biases and routers of a GGUF file are f32; rows that blocks do not divide become q8_0.")
    private @Nullable String type;

    @Override
    public Integer call() {
        if (Files.exists(target)) {
            throw new CommandException(ExitCode.USAGE, target + " exists already; nothing was written.");
        }
        QuantizedType wanted = type == null ? null : type(type);
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            ModelConverter.convert(source, target, wanted, engine);
        }
        main.screen(spec).line("wrote " + target);
        return ExitCode.OK;
    }

    private static QuantizedType type(String name) {
        return BlockEncoder.TYPES.stream()
                .filter(type -> type.name().toLowerCase(Locale.ROOT).equals(name.toLowerCase(Locale.ROOT)))
                .findAny()
                .orElseThrow(() -> new CommandException(
                        ExitCode.USAGE, "--type must be one of " + BlockEncoder.TYPES + ", was \"" + name + "\"."));
    }
}
