package dev.fathom.serve.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.fathom.infer.SampledToken;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Log-probabilities of a chat answer, those of the thinking apart, as DeepSeek has it.
 *
 * @param content of the answer's tokens
 * @param reasoningContent of the thinking's, null without thinking
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record LogProbsJson(List<Token> content, @Nullable List<Token> reasoningContent) {
    /**
     * A token.
     *
     * @param token its text; what is no whole character shows as U+FFFD
     * @param bytes exactly
     * @param logprob in nats
     */
    public record Token(
            String token,
            double logprob,
            int[] bytes,
            @JsonProperty("top_logprobs") List<Candidate> top) {}

    /** A token that could have come. */
    public record Candidate(String token, double logprob, int[] bytes) {}

    /** @return null if the tokens have no log-probabilities */
    public static @Nullable LogProbsJson of(List<SampledToken> tokens, Tokenizer tokenizer) {
        List<Token> content = new ArrayList<>();
        List<Token> thinking = new ArrayList<>();
        for (SampledToken token : tokens) {
            SampledToken.LogProbs logProbs = token.logProbs();
            if (logProbs == null) {
                return null;
            }
            (token.thinking() ? thinking : content)
                    .add(new Token(
                            text(tokenizer, token.id()),
                            finite(logProbs.chosen()),
                            bytes(tokenizer, token.id()),
                            logProbs.top().stream()
                                    .map(candidate -> new Candidate(
                                            text(tokenizer, candidate.id()),
                                            finite(candidate.logProb()),
                                            bytes(tokenizer, candidate.id())))
                                    .toList()));
        }
        return new LogProbsJson(content, thinking.isEmpty() ? null : thinking);
    }

    static String text(Tokenizer tokenizer, int id) {
        return new String(tokenizer.bytes(id), StandardCharsets.UTF_8);
    }

    /** JSON has no infinity; OpenAI writes -9999 for "next to impossible". */
    static double finite(float logProb) {
        return Math.max(logProb, -9999);
    }

    private static int[] bytes(Tokenizer tokenizer, int id) {
        byte[] bytes = tokenizer.bytes(id);
        int[] unsigned = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            unsigned[i] = bytes[i] & 0xff;
        }
        return unsigned;
    }
}
