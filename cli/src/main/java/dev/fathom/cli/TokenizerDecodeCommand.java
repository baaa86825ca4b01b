package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom tokenizer decode}. */
@Command(
        name = "decode",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Print the text of the token ids on standard input, special tokens written out.")
final class TokenizerDecodeCommand implements Callable<Integer> {
    @ParentCommand
    private TokenizerCommand parent;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A run, a model directory with tokenizer.json, or a GGUF file.")
    private Path model;

    @Option(names = "--json", description = "Print one JSON object with the text.")
    private boolean json;

    @Override
    public Integer call() {
        Tokenizer tokenizer = TokenizerCommand.open(model);
        int[] ids = Arrays.stream(TokenizerCommand.standardInput().split("[\\s,]+", -1))
                .filter(word -> !word.isEmpty())
                .mapToInt(TokenizerDecodeCommand::id)
                .toArray();
        String text = tokenizer.decode(ids);
        Screen screen = parent.screen(spec);
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(
                    Json.MAPPER.createObjectNode().put("text", text)));
        } else {
            screen.text(text); // nothing behind it: decode gives back what encode took
        }
        return ExitCode.OK;
    }

    private static int id(String word) {
        try {
            return Integer.parseInt(word);
        } catch (NumberFormatException e) {
            throw new CommandException(
                    ExitCode.USAGE,
                    "standard input: found \"" + word + "\", expected token ids separated by spaces or commas.",
                    e);
        }
    }
}
