package dev.fathom.infer;

/** A request that was submitted to a {@link GenerationEngine}. */
public interface Generation {
    /** Ends it within a step; its listener hears {@link FinishReason#CANCELLED} unless it ended before. From any thread. */
    void cancel();

    /** The seed it is sampled with: the one it was given, or the fresh one it got. */
    long seed();
}
