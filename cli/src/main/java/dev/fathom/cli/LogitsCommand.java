package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.learn.Json;
import dev.fathom.model.NextTokens;
import dev.fathom.model.NextTokens.Candidate;
import dev.fathom.model.ReleasedModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom logits}. */
@Command(
        name = "logits",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Show which tokens a released model expects after some tokens: for comparison with other engines.")
final class LogitsCommand implements Callable<Integer> {
    private static final int MOST = 1 << 20;

    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file or a Hugging Face model directory.")
    private Path path;

    @Option(
            names = "--ids",
            paramLabel = "1,2,3",
            required = true,
            description = "Token ids, with commas between them.")
    private String ids;

    @Option(
            names = "--top",
            paramLabel = "N",
            defaultValue = "20",
            description = "How many of the most probable. Default: ${DEFAULT-VALUE}.")
    private int top;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (top < 1 || top > MOST) {
            throw new CommandException(ExitCode.USAGE, "--top must be between 1 and " + MOST + ", was " + top + ".");
        }
        int[] tokens = tokens();
        Screen screen = main.screen(spec);
        try (Engine engine = keyValueOption.open(engineOptions)) {
            ReleasedModel released = ReleasedModel.open(path, engine, ReleasedModel.Options.DEFAULT);
            int vocabulary = released.model().vocabSize();
            int longest = released.model().maxPositionEmbeddings();
            for (int token : tokens) {
                if (token >= vocabulary) {
                    throw new CommandException(
                            ExitCode.USAGE,
                            "--ids must be below " + vocabulary + ", the vocabulary; found " + token + ".");
                }
            }
            if (tokens.length > longest) {
                throw new CommandException(
                        ExitCode.USAGE, "--ids: found " + tokens.length + " tokens, the model takes " + longest + ".");
            }
            List<Candidate> candidates = NextTokens.after(released.model(), tokens, top);
            if (json) {
                screen.line(Json.MAPPER.writeValueAsString(toJson(tokens, candidates, released, engine)));
                return ExitCode.OK;
            }
            for (Candidate candidate : candidates) {
                screen.line(String.format(
                        Locale.ROOT,
                        "%8d  %12.6f  %10.6f %%  %s",
                        candidate.token(),
                        candidate.logit(),
                        100 * candidate.probability(),
                        spelling(released, candidate.token())));
            }
            return ExitCode.OK;
        }
    }

    private int[] tokens() {
        try {
            return Arrays.stream(ids.split(",", -1))
                    .map(String::strip)
                    .mapToInt(Integer::parseUnsignedInt)
                    .peek(id -> {
                        if (id < 0) {
                            throw new NumberFormatException();
                        }
                    })
                    .toArray();
        } catch (NumberFormatException e) {
            throw new CommandException(ExitCode.USAGE, "--ids must be token ids such as 1,2,3, was \"" + ids + "\".");
        }
    }

    private static String spelling(ReleasedModel released, int token) {
        return token < released.tokenizer().vocabularySize()
                ? released.tokenizer().token(token)
                : "";
    }

    private static ObjectNode toJson(int[] tokens, List<Candidate> candidates, ReleasedModel released, Engine engine) {
        ObjectNode object = Json.MAPPER.createObjectNode();
        object.put("model", released.path().toString());
        object.put("kernels", engine.describe());
        ArrayNode ids = object.putArray("ids");
        Arrays.stream(tokens).forEach(ids::add);
        ArrayNode top = object.putArray("top");
        for (Candidate candidate : candidates) {
            top.addObject()
                    .put("id", candidate.token())
                    .put("token", spelling(released, candidate.token()))
                    .put("logit", candidate.logit())
                    .put("probability", candidate.probability());
        }
        return object;
    }
}
