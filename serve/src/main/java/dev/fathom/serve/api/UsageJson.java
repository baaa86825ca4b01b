package dev.fathom.serve.api;

import dev.fathom.infer.Usage;
import java.util.List;

/**
 * What a request cost: OpenAI's fields and DeepSeek's. Several answers to one prompt count it once.
 *
 * @param promptTokens the same as cache hits and misses together
 * @param promptCacheHitTokens tokens of the prompt whose keys and values were still there from an earlier request
 */
public record UsageJson(
        int promptTokens,
        int completionTokens,
        int totalTokens,
        int promptCacheHitTokens,
        int promptCacheMissTokens,
        PromptDetails promptTokensDetails,
        CompletionDetails completionTokensDetails) {
    /** @param cachedTokens OpenAI's name for cache hits */
    public record PromptDetails(int cachedTokens) {}

    /** Parts of the completion. */
    public record CompletionDetails(int reasoningTokens, int acceptedPredictionTokens, int rejectedPredictionTokens) {}

    /**
     * The sum over the prompts of a request.
     *
     * @param answersPerPrompt how many consecutive usages belong to one prompt
     */
    public static UsageJson of(List<Usage> usages, int answersPerPrompt) {
        int prompt = 0;
        int cached = 0;
        int completion = 0;
        int reasoning = 0;
        int accepted = 0;
        int drafted = 0;
        for (int i = 0; i < usages.size(); i++) {
            Usage usage = usages.get(i);
            if (i % answersPerPrompt == 0) {
                prompt += usage.promptTokens();
                cached += usage.cachedTokens();
            }
            completion += usage.completionTokens();
            reasoning += usage.reasoningTokens();
            accepted += usage.acceptedTokens();
            drafted += usage.draftedTokens();
        }
        return new UsageJson(
                prompt,
                completion,
                prompt + completion,
                cached,
                prompt - cached,
                new PromptDetails(cached),
                new CompletionDetails(reasoning, accepted, drafted - accepted));
    }
}
