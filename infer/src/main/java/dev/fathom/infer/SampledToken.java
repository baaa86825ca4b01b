package dev.fathom.infer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One token of a response.
 *
 * @param id in the vocabulary
 * @param thinking whether it belongs to the thinking, its tags included
 * @param logProbs null unless asked for
 */
public record SampledToken(
        int id, boolean thinking, @Nullable LogProbs logProbs) {
    /**
     * Log-probabilities at the place of a token, in nats, by the model's own distribution (before penalties and temperature).
     *
     * @param chosen of the token itself
     * @param top the most probable tokens, best first; of equal ones the lower id first
     */
    public record LogProbs(float chosen, List<Candidate> top) {}

    /** A token that could have come. */
    public record Candidate(int id, float logProb) {}
}
