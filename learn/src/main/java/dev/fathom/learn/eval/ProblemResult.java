package dev.fathom.learn.eval;

import org.jspecify.annotations.Nullable;

/**
 * How one held-out problem was answered.
 *
 * @param task the task's name
 * @param level the problem's level
 * @param samples responses sampled
 * @param correct how many of them were right
 * @param wellFormed how many had the response format
 * @param truncated how many were cut off at the limit
 * @param responseTokens their tokens together, end of sequence included
 * @param greedyCorrect whether the greedy response was right; null if none was made
 */
public record ProblemResult(
        String task,
        int level,
        int samples,
        int correct,
        int wellFormed,
        int truncated,
        long responseTokens,
        @Nullable Boolean greedyCorrect) {
    public ProblemResult {
        if (samples < 1 || correct < 0 || correct > wellFormed || wellFormed + truncated > samples) {
            throw new IllegalArgumentException("inconsistent counts: " + correct + " right, " + wellFormed
                    + " well formed, " + truncated + " truncated of " + samples);
        }
    }
}
