package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom tokenizer encode}. */
@Command(
        name = "encode",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Print the token ids of the text on standard input, separated by spaces.")
final class TokenizerEncodeCommand implements Callable<Integer> {
    @ParentCommand
    private TokenizerCommand parent;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A run, a model directory with tokenizer.json, or a GGUF file.")
    private Path model;

    @Option(
            names = "--document",
            description = "With the tokens that the model expects around a text, such as one that begins it.")
    private boolean document;

    @Option(names = "--json", description = "Print one JSON object with the ids and the tokens as they are spelled.")
    private boolean json;

    @Override
    public Integer call() {
        Tokenizer tokenizer = TokenizerCommand.open(model);
        String text = TokenizerCommand.standardInput();
        int[] ids = document ? tokenizer.encodeDocument(text) : tokenizer.encode(text);
        Screen screen = parent.screen(spec);
        if (json) {
            ObjectNode object = Json.MAPPER.createObjectNode();
            ArrayNode idArray = object.putArray("ids");
            ArrayNode tokens = object.putArray("tokens");
            for (int id : ids) {
                idArray.add(id);
                tokens.add(tokenizer.token(id));
            }
            screen.line(Json.MAPPER.writeValueAsString(object));
        } else {
            screen.line(Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" ")));
        }
        return ExitCode.OK;
    }
}
