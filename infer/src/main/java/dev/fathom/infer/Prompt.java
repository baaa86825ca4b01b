package dev.fathom.infer;

/**
 * What a model is to continue.
 *
 * @param tokens at least one
 * @param format where in the response thinking ends and the answer begins
 */
public record Prompt(int[] tokens, ReasoningFormat format) {
    public Prompt {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("prompt: found no tokens, expected at least one");
        }
    }
}
