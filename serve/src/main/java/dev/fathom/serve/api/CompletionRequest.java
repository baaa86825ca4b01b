package dev.fathom.serve.api;

import dev.fathom.infer.Sampling;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code POST /v1/completions}.
 *
 * @param model which was asked for, null for the one there is
 * @param prompts one or several
 * @param suffix what comes behind the gap to be filled, null for no gap
 * @param echo whether the prompt is part of the text
 * @param n answers per prompt
 */
public record CompletionRequest(
        @Nullable String model,
        List<String> prompts,
        @Nullable String suffix,
        boolean echo,
        Sampling sampling,
        int n,
        Streaming streaming) {
    private static final int MOST_PROMPTS = 128;
    private static final int MOST_LOG_PROBS = 20;

    private static final Set<String> KNOWN = ChatRequest.known(
            "model", "prompt", "suffix", "echo", "n", "stream", "stream_options", "logprobs", "best_of");

    /** Reads and checks a request. */
    public static CompletionRequest read(ObjectNode body, Sampling defaults) {
        Fields fields = Fields.of(body);
        fields.requireKnown(KNOWN);
        List<String> prompts = fields.strings("prompt", MOST_PROMPTS);
        if (prompts.isEmpty()) {
            throw ApiException.missing("prompt");
        }
        int n = fields.smallInteger("n", 1, ChatRequest.MOST_ANSWERS).orElse(1);
        if (fields.smallInteger("best_of", 1, ChatRequest.MOST_ANSWERS).orElse(n) != n) {
            throw ApiException.expected(
                    "best_of", "n (" + n + ")", fields.any("best_of").orElseThrow());
        }
        Sampling sampling = SamplingFields.read(fields, defaults);
        OptionalInt logProbs = fields.smallInteger("logprobs", 0, MOST_LOG_PROBS);
        boolean echo = fields.isTrue("echo");
        if (echo && logProbs.isPresent()) {
            throw ApiException.invalid("logprobs", "logprobs of an echoed prompt are not supported");
        }
        return new CompletionRequest(
                fields.string("model").orElse(null),
                prompts,
                fields.string("suffix").filter(text -> !text.isEmpty()).orElse(null),
                echo,
                logProbs.isPresent() ? sampling.withLogProbs(logProbs.getAsInt()) : sampling,
                n,
                Streaming.read(fields));
    }
}
