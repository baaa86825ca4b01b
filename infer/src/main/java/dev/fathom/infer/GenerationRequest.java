package dev.fathom.infer;

/**
 * One response to sample.
 *
 * @param id keys the random numbers: the same id with the same seed gives the same tokens, whatever else is generated beside it
 * @param prompt token ids, at least one
 * @param maxTokens longest response, its end token included
 * @param temperature 0 for greedy decoding, 1 for the model's own distribution
 */
public record GenerationRequest(long id, int[] prompt, int maxTokens, float temperature) {
    public GenerationRequest {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("a prompt needs at least one token");
        }
        if (maxTokens < 1) {
            throw new IllegalArgumentException("maxTokens must be at least 1, is " + maxTokens);
        }
        if (!(temperature >= 0) || Float.isInfinite(temperature)) {
            throw new IllegalArgumentException("temperature must be finite and at least 0, is " + temperature);
        }
    }
}
