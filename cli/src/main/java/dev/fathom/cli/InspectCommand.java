package dev.fathom.cli;

import dev.fathom.engine.DType;
import dev.fathom.learn.Json;
import dev.fathom.model.Architecture;
import dev.fathom.model.inspect.ModelSummary;
import dev.fathom.model.inspect.ModelSummary.Storage;
import dev.fathom.model.inspect.ModelSummary.TokenizerSummary;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom inspect}: what a model on disk is. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Show what a model on disk is: architecture, parameters, tensors by type, tokenizer, chat template, the memory it will need."
                        + " Only headers are read.")
final class InspectCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A GGUF file (of a split one, the first part) or a Hugging Face model directory.")
    private Path path;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        Screen screen = main.screen(spec);
        ModelSummary summary = ModelSummary.of(path);
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(toJson(summary)));
            return ExitCode.OK;
        }
        line(screen, "model", summary.path().toString());
        if (summary.name() != null) {
            line(screen, "name", summary.name());
        }
        line(screen, "format", summary.format());
        line(screen, "architecture", summary.architecture());
        String active = summary.activeParameters() == summary.parameters()
                ? ""
                : " (" + number(summary.activeParameters()) + " active per token)";
        line(screen, "parameters", number(summary.parameters()) + active);
        line(screen, "tensors", number(summary.tensors()) + ", " + size(summary.bytes()));
        for (Storage type : summary.types()) {
            line(
                    screen,
                    "  " + type.type(),
                    number(type.tensors()) + ", " + number(type.elements()) + " elements, " + size(type.bytes()));
        }
        TokenizerSummary tokenizer = summary.tokenizer();
        line(
                screen,
                "tokenizer",
                tokenizer == null ? "none" : tokenizer.kind() + ", " + number(tokenizer.tokens()) + " tokens");
        line(screen, "chat template", summary.hasChatTemplate() ? "yes" : "none");
        Architecture.Kept kept = summary.kept();
        if (kept != null) {
            line(
                    screen,
                    "memory",
                    size(summary.bytes()) + " of weights, mapped, and " + number(kept.bytesPerToken(DType.BF16))
                            + " bytes of keys and values (bf16; q8 " + number(kept.bytesPerToken(DType.I8)) + ", f32 "
                            + number(kept.bytesPerToken(DType.F32)) + ") for each token of context");
        }
        if (summary.notRun() != null) {
            line(screen, "not run", summary.notRun());
        }
        return ExitCode.OK;
    }

    private static void line(Screen screen, String label, String value) {
        screen.line("%-14s %s".formatted(label, value));
    }

    private static String number(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    private static String size(long bytes) {
        if (bytes < 1 << 20) {
            return number(bytes) + " bytes";
        }
        boolean large = bytes >= 1 << 30;
        return String.format(
                Locale.ROOT, "%,.2f %s", bytes / (double) (large ? 1 << 30 : 1 << 20), large ? "GiB" : "MiB");
    }

    private static ObjectNode toJson(ModelSummary summary) {
        ObjectNode object = Json.MAPPER.createObjectNode();
        object.put("model", summary.path().toString())
                .put("name", summary.name())
                .put("format", summary.format())
                .put("architecture", summary.architecture())
                .put("parameters", summary.parameters())
                .put("activeParameters", summary.activeParameters())
                .put("tensors", summary.tensors())
                .put("bytes", summary.bytes());
        ArrayNode types = object.putArray("types");
        for (Storage type : summary.types()) {
            types.addObject()
                    .put("type", type.type())
                    .put("tensors", type.tensors())
                    .put("elements", type.elements())
                    .put("bytes", type.bytes());
        }
        TokenizerSummary tokenizer = summary.tokenizer();
        if (tokenizer == null) {
            object.putNull("tokenizer");
        } else {
            object.putObject("tokenizer").put("kind", tokenizer.kind()).put("tokens", tokenizer.tokens());
        }
        object.put("chatTemplate", summary.hasChatTemplate());
        ObjectNode memory = object.putObject("memory");
        memory.put("weightBytes", summary.bytes());
        Architecture.Kept kept = summary.kept();
        ObjectNode keyValues = memory.putObject("keyValueBytesPerToken");
        if (kept != null) {
            keyValues
                    .put("f32", kept.bytesPerToken(DType.F32))
                    .put("bf16", kept.bytesPerToken(DType.BF16))
                    .put("q8", kept.bytesPerToken(DType.I8));
        }
        return object.put("notRun", summary.notRun());
    }
}
