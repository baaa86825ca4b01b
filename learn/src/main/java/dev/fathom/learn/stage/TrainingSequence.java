package dev.fathom.learn.stage;

/**
 * A sequence to train on.
 *
 * @param ids the tokens, at least two
 * @param firstTarget index of the first token whose prediction counts; those before it (a prompt) are only read
 */
public record TrainingSequence(int[] ids, int firstTarget) {
    public TrainingSequence {
        if (ids.length < 2 || firstTarget < 1 || firstTarget >= ids.length) {
            throw new IllegalArgumentException(
                    "a sequence of " + ids.length + " tokens cannot have its first target at " + firstTarget);
        }
    }

    /** Rows the model sees: every token but the last. */
    public int rows() {
        return ids.length - 1;
    }

    /** Predictions that count. */
    public int targets() {
        return ids.length - firstTarget;
    }
}
