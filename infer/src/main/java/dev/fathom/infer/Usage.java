package dev.fathom.infer;

/**
 * What a response cost.
 *
 * @param promptTokens tokens of the prompt
 * @param cachedTokens those of them whose keys and values were still there from an earlier request
 * @param completionTokens tokens sampled, the end token included
 * @param reasoningTokens those of them that belong to the thinking, its tags included
 * @param draftedTokens tokens that speculation guessed
 * @param acceptedTokens those of them that were right
 */
public record Usage(
        int promptTokens,
        int cachedTokens,
        int completionTokens,
        int reasoningTokens,
        int draftedTokens,
        int acceptedTokens) {}
