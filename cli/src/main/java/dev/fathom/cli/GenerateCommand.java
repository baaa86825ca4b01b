package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.Fathom;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.Reply;
import dev.fathom.infer.SampledToken;
import dev.fathom.infer.Sampling;
import dev.fathom.infer.Usage;
import dev.fathom.learn.Json;
import dev.fathom.model.chat.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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

/** {@code fathom generate}: one response. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Let a model answer one prompt, thinking apart from answer; with --raw, continue a text as it is.")
final class GenerateCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A GGUF file, a Hugging Face model directory, or a run (its newest checkpoint).")
    private Path path;

    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "What to answer or continue.")
    private String prompt;

    @Option(names = "--system", paramLabel = "TEXT", description = "Instructions that come before the prompt.")
    private @Nullable String system;

    @Option(
            names = "--raw",
            description = "Continue the prompt itself instead of putting it into the model's chat template.")
    private boolean raw;

    @Option(names = "--json", description = "Print one JSON object when the response is complete.")
    private boolean json;

    @Mixin
    private ThinkingOption thinkingOption;

    @Mixin
    private SamplingOptions samplingOptions;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    @Override
    public Integer call() {
        Screen screen = main.screen(spec);
        if (raw && (system != null || thinkingOption.isGiven())) {
            throw new CommandException(
                    ExitCode.USAGE,
                    (system != null ? "--system" : "--no-thinking")
                            + " is for the chat template, which --raw leaves out.");
        }
        try (Engine kernels = keyValueOption.open(engineOptions);
                Fathom fathom = Fathom.load(path, kernels, new Fathom.Options(null, 1, 1))) {
            Sampling sampling = samplingOptions.applyTo(fathom.defaults());
            long start = System.nanoTime();
            Reply reply = raw
                    ? fathom.generate(prompt, sampling)
                    : fathom.chat(messages(), sampling, thinkingOption.thinking(fathom));
            long firstToken = stream(reply, screen);
            Double sinceStart = secondsSinceStart(System.nanoTime() - firstToken);
            Reply.Completed whole = reply.await();
            if (json) {
                screen.line(Json.MAPPER.writeValueAsString(
                        toJson(fathom, sampling, whole, firstToken - start, System.nanoTime() - start)
                                .put("secondsFromStartToFirstToken", sinceStart)));
            }
            return ExitCode.OK;
        }
    }

    /** From when the launcher began, which says so ({@code fathom.started}, in seconds since 1970), to so many nanoseconds ago; null without it. */
    private static @Nullable Double secondsSinceStart(long nanosAgo) {
        String started = System.getProperty("fathom.started");
        return started == null
                ? null
                : System.currentTimeMillis() * 1e-3 - nanosAgo * 1e-9 - Double.parseDouble(started);
    }

    private List<ChatMessage> messages() {
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        messages.add(ChatMessage.user(prompt));
        return messages;
    }

    /** Shows the response as it comes, unless it is to be one JSON object, and returns when the first token came. */
    private long stream(Reply reply, Screen screen) {
        ReplyText text = new ReplyText(screen);
        long first = 0;
        for (Tokens piece : reply) {
            first = first == 0 ? System.nanoTime() : first;
            if (!json) {
                screen.text(text.show(piece));
            }
        }
        if (!json) {
            screen.line(text.finish());
        }
        return first;
    }

    private ObjectNode toJson(Fathom fathom, Sampling sampling, Reply.Completed whole, long nanosToFirst, long nanos) {
        ObjectNode object = Json.MAPPER.createObjectNode();
        object.put("model", path.toString())
                .put("kernels", fathom.kernels())
                .put("prompt", prompt)
                .put("thinking", whole.thinking())
                .put("answer", whole.answer())
                .put("finishReason", whole.reason().name().toLowerCase(Locale.ROOT))
                .put("thinkingCut", whole.thinkingCut())
                .put("seed", sampling.seed());
        ArrayNode tokens = object.putArray("tokens");
        whole.tokens().stream().mapToInt(SampledToken::id).forEach(tokens::add);
        Usage usage = whole.usage();
        object.putObject("usage")
                .put("promptTokens", usage.promptTokens())
                .put("cachedTokens", usage.cachedTokens())
                .put("completionTokens", usage.completionTokens())
                .put("reasoningTokens", usage.reasoningTokens())
                .put("draftedTokens", usage.draftedTokens())
                .put("acceptedTokens", usage.acceptedTokens());
        return object.put("secondsToFirstToken", nanosToFirst * 1e-9).put("seconds", nanos * 1e-9);
    }
}
