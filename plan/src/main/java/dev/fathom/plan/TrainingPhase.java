package dev.fathom.plan;

/**
 * A part of training.
 *
 * @param name such as pre-training
 * @param tokens to train on
 * @param sequenceLength tokens per sequence
 * @param batch sequences per step
 * @param context devices that share a sequence, instead of the layout's
 * @param givenHours device hours that are taken as published instead of computed, because what they were spent on is not; 0 to compute
 * @param note what to say about it, such as the source
 */
public record TrainingPhase(
        String name, double tokens, int sequenceLength, int batch, int context, double givenHours, String note) {
    /** A phase that is computed. */
    public static TrainingPhase of(String name, double tokens, int sequenceLength, int batch) {
        return new TrainingPhase(name, tokens, sequenceLength, batch, 1, 0, "");
    }

    double tokensPerStep() {
        return (double) batch * sequenceLength;
    }
}
