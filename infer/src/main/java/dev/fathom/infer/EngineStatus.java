package dev.fathom.infer;

/**
 * What a {@link GenerationEngine} is doing and has done.
 *
 * @param running requests with tokens under way
 * @param queued requests that wait
 * @param positions that keys and values can be kept of
 * @param positionsInUse by running requests
 * @param positionsCached of requests that ended, for prompts that begin the same
 * @param promptTokens of all requests that began
 * @param cachedTokens those of them that were found in the cache
 * @param completionTokens sampled
 * @param preemptions how often a request had to give up its memory and begin again
 * @param steps forward passes
 */
public record EngineStatus(
        int running,
        int queued,
        long positions,
        long positionsInUse,
        long positionsCached,
        long promptTokens,
        long cachedTokens,
        long completionTokens,
        long preemptions,
        long steps) {
    EngineStatus withQueued(int value) {
        return new EngineStatus(
                running,
                value,
                positions,
                positionsInUse,
                positionsCached,
                promptTokens,
                cachedTokens,
                completionTokens,
                preemptions,
                steps);
    }
}
