package dev.fathom.infer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How one response is sampled. {@link #DEFAULT} is the model's own distribution; the {@code with} methods give a changed copy.
 *
 * <p>Logits go through the settings in this order, which is that of Hugging Face transformers: repetition penalty, frequency and presence
 * penalty, temperature, top-k, top-p, min-p; what is left is drawn from with its probabilities renormalized.
 *
 * @param temperature divides the logits; 0 takes the largest logit, of equal ones the lowest id
 * @param topK only the so many most probable tokens; 0 for all
 * @param topP only the most probable tokens that together reach this probability (nucleus sampling, arXiv 1904.09751), in (0, 1]
 * @param minP only tokens at least this share as probable as the most probable one (arXiv 2407.01082), in [0, 1]
 * @param repetitionPenalty divides the positive and multiplies the negative logits of tokens that are in the prompt or the response
 *     (arXiv 1909.05858); 1 for none
 * @param presencePenalty subtracted from the logits of tokens that are in the response (OpenAI's definition); 0 for none
 * @param frequencyPenalty subtracted from a token's logit as often as the response has the token; 0 for none
 * @param seed with the prompt and the other settings it determines the response; null for a fresh one
 * @param maxTokens longest response in tokens, the end token included; never more than the model and its memory have room for
 * @param stop texts that end the answer and are not part of it; thinking is not searched
 * @param logProbs -1 for no log-probabilities, 0 for those of the tokens sampled, n for the n most probable tokens at each place, too. They are
 *     the model's own, before penalties and temperature
 * @param thinkingBudget tokens after which thinking is closed, null for no limit
 * @param constraint what the answer may consist of, null for anything
 */
public record Sampling(
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        @Nullable Long seed,
        int maxTokens,
        List<String> stop,
        int logProbs,
        @Nullable Integer thinkingBudget,
        @Nullable TokenConstraint constraint) {

    /** As many tokens as there is room for. */
    public static final int UNLIMITED = Integer.MAX_VALUE;

    /** Most alternatives per token. */
    public static final int MOST_LOG_PROBS = 1000;

    /** The model's own distribution, as long as there is room. */
    public static final Sampling DEFAULT =
            new Sampling(1, 0, 1, 0, 1, 0, 0, null, UNLIMITED, List.of(), -1, null, null);

    /** The most probable token each time. */
    public static final Sampling GREEDY = DEFAULT.withTemperature(0);

    /** @throws IllegalArgumentException naming the setting, the found and the expected value */
    public Sampling {
        require(temperature >= 0 && temperature < Double.POSITIVE_INFINITY, "temperature", temperature, "0 or more");
        require(topK >= 0, "topK", topK, "0 (off) or more");
        require(topP > 0 && topP <= 1, "topP", topP, "above 0 and at most 1");
        require(minP >= 0 && minP <= 1, "minP", minP, "0 to 1");
        require(
                repetitionPenalty > 0 && repetitionPenalty < Double.POSITIVE_INFINITY,
                "repetitionPenalty",
                repetitionPenalty,
                "above 0");
        require(Double.isFinite(presencePenalty), "presencePenalty", presencePenalty, "a number");
        require(Double.isFinite(frequencyPenalty), "frequencyPenalty", frequencyPenalty, "a number");
        require(maxTokens >= 1, "maxTokens", maxTokens, "1 or more");
        stop = List.copyOf(stop);
        for (String text : stop) {
            require(!text.isEmpty(), "stop", "an empty text", "texts of at least one character");
        }
        require(logProbs >= -1 && logProbs <= MOST_LOG_PROBS, "logProbs", logProbs, "-1 (none) to " + MOST_LOG_PROBS);
        if (thinkingBudget != null) {
            require(thinkingBudget >= 0, "thinkingBudget", thinkingBudget, "0 or more");
        }
    }

    private static void require(boolean valid, String field, Object found, String expected) {
        if (!valid) {
            throw new IllegalArgumentException(field + ": found " + found + ", expected " + expected);
        }
    }

    public Sampling withTemperature(double value) {
        return new Sampling(
                value,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withTopK(int value) {
        return new Sampling(
                temperature,
                value,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withTopP(double value) {
        return new Sampling(
                temperature,
                topK,
                value,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withMinP(double value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                value,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withRepetitionPenalty(double value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                value,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withPresencePenalty(double value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                value,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withFrequencyPenalty(double value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                value,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withSeed(@Nullable Long value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                value,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withMaxTokens(int value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                value,
                stop,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withStop(List<String> value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                value,
                logProbs,
                thinkingBudget,
                constraint);
    }

    public Sampling withLogProbs(int value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                value,
                thinkingBudget,
                constraint);
    }

    public Sampling withThinkingBudget(@Nullable Integer value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                value,
                constraint);
    }

    public Sampling withConstraint(@Nullable TokenConstraint value) {
        return new Sampling(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                stop,
                logProbs,
                thinkingBudget,
                value);
    }
}
