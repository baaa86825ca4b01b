package dev.fathom.plan.schedule;

/**
 * One micro-batch in one stage, one way.
 *
 * @param kind which pass
 * @param stage part of the model, from 0 at the embedding
 * @param microBatch which micro-batch
 */
public record Chunk(Kind kind, int stage, int microBatch) {
    /** The passes of a chunk. */
    public enum Kind {
        FORWARD,
        /** Gradients of inputs and of weights. */
        BACKWARD,
        /** Gradients of inputs alone; {@link #WEIGHT} follows later. */
        INPUT,
        WEIGHT
    }
}
