package dev.fathom.serve.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.fathom.infer.SampledToken;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The response to a plain completion, whole or a piece of its stream: both have the same form. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record TextCompletion(
        String id,
        String object,
        long created,
        String model,
        String systemFingerprint,
        List<Choice> choices,
        @Nullable UsageJson usage) {

    /** @param finishReason null until the last piece */
    public record Choice(
            int index,
            String text,

            @JsonInclude(JsonInclude.Include.ALWAYS) @Nullable
            LogProbs logprobs,

            @JsonInclude(JsonInclude.Include.ALWAYS) @Nullable
            String finishReason) {}

    /** @param textOffset where in the text each token begins */
    public record LogProbs(
            List<String> tokens,
            List<Double> tokenLogprobs,
            List<Map<String, Double>> topLogprobs,
            List<Integer> textOffset) {
        /** @return null if the tokens have no log-probabilities */
        public static @Nullable LogProbs of(List<SampledToken> tokens, Tokenizer tokenizer, int offset) {
            LogProbs all = new LogProbs(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
            int at = offset;
            for (SampledToken token : tokens) {
                SampledToken.LogProbs logProbs = token.logProbs();
                if (logProbs == null) {
                    return null;
                }
                String text = LogProbsJson.text(tokenizer, token.id());
                Map<String, Double> top = new LinkedHashMap<>();
                logProbs.top()
                        .forEach(candidate -> top.putIfAbsent(
                                LogProbsJson.text(tokenizer, candidate.id()),
                                LogProbsJson.finite(candidate.logProb())));
                all.tokens.add(text);
                all.tokenLogprobs.add(LogProbsJson.finite(logProbs.chosen()));
                all.topLogprobs.add(top);
                all.textOffset.add(at);
                at += text.length();
            }
            return all;
        }
    }

    public static TextCompletion of(Origin origin, List<Choice> choices, @Nullable UsageJson usage) {
        return new TextCompletion(
                origin.id(),
                "text_completion",
                origin.created(),
                origin.model(),
                origin.systemFingerprint(),
                choices,
                usage);
    }
}
