package dev.fathom.engine;

import java.util.Optional;

/** Found by {@link java.util.ServiceLoader}: a library of matrix products beside the built-in {@code VectorGemm}. */
public interface GemmProvider {
    /** Name for {@code --gemm}, such as {@code "onednn"}. */
    String name();

    /**
     * Why this provider cannot run on this machine with this precision at full exactness, or an empty string if it can.
     * Includes the start-up self-check that rows do not depend on the batch.
     */
    String unavailable(Precision precision);

    /** Whether this provider is expected to be faster than the built-in one for this precision on this machine. */
    boolean preferred(Precision precision);

    /** Opens the library. @throws UnsupportedOperationException with the reason if {@link #unavailable} has one */
    Gemm open(Precision precision, WorkerPool pool);

    /** Attention to go with these matrix products, where the provider has one; else it is the built-in one in f32. */
    default Optional<AttentionKernels> attention(Precision precision, WorkerPool pool) {
        return Optional.empty();
    }

    /** Forward operations on single rows, where the provider has its own; else they are the built-in ones. */
    default Optional<RowKernels> rows(Precision precision) {
        return Optional.empty();
    }

    /** Products with stored weights, where the provider has its own; else they are the built-in ones. */
    default Optional<StoredGemm> stored(Precision precision, WorkerPool pool) {
        return Optional.empty();
    }
}
