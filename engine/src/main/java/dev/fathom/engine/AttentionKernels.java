package dev.fathom.engine;

/**
 * Attention over packed sequences, forward and backward: the part of {@link Kernels} that there are several implementations of. {@link VectorAttention}
 * is the built-in one; a {@link GemmProvider} may bring its own, which multiplies as its matrix products do.
 *
 * <p>Batch invariance holds for all of them: the bits of a row depend on that row and the sequence up to it alone.
 */
public interface AttentionKernels {
    /** Short name for the kernels line. */
    String name();

    /** What keys and values are kept in, which also says how they lie: see {@link KeyValueStore}. */
    DType keyValueType();

    /** What keys and values are written as that are used once and not kept. */
    default DType temporaryType() {
        return keyValueType();
    }

    /**
     * Writes part of the keys of rows that follow each other, all heads, into a store of {@link #keyValueType()}, if this implementation has a way of its own.
     *
     * @param from address of the first row's first head's floats, the next head's {@code headStride} floats further, the next row's {@code rowBytes} bytes
     * @param dim first key dimension
     * @param slot where the first row's position is
     * @param next a slot that is about to be written, where it pays to look ahead
     * @return whether it has
     */
    default boolean storeKeys(
            long from,
            long rowBytes,
            int rows,
            int headStride,
            int width,
            int dim,
            KeyValueStore store,
            long slot,
            long next) {
        return false;
    }

    /** The same for values. */
    default boolean storeValues(
            long from, long rowBytes, int rows, int headStride, KeyValueStore store, long slot, long next) {
        return false;
    }

    /** See {@link Kernels#attention}. */
    void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp);

    /** See {@link Kernels#attentionBackward}. */
    void attentionBackward(
            Tensor dOut,
            Tensor q,
            Tensor out,
            Tensor logSumExp,
            int heads,
            float scale,
            Segments segments,
            KeyValueStore store,
            Tensor dq,
            KeyValueStore dStore);

    /** What every implementation asks of its arguments. Behind it stand absolute addresses. */
    static void check(
            DType type, Tensor q, int heads, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        if (heads % store.heads() != 0) {
            throw new IllegalArgumentException(
                    heads + " query heads cannot share " + store.heads() + " key/value heads evenly");
        }
        store.require(type);
        long rows = segments.rows();
        q.require("queries", DType.F32, rows, (long) heads * store.keyDim());
        out.require("attention output", DType.F32, rows, (long) heads * store.valueDim());
        logSumExp.require("logSumExp", DType.F32, rows, heads);
        VectorKeyValues.check(segments, store);
    }

    /** What every implementation asks of the arguments of the backward pass. */
    static void checkBackward(
            DType type,
            Tensor dOut,
            Tensor q,
            Tensor out,
            Tensor logSumExp,
            int heads,
            Segments segments,
            KeyValueStore store,
            Tensor dq,
            KeyValueStore dStore) {
        check(type, q, heads, segments, store, out, logSumExp);
        check(DType.F32, dq, heads, segments, dStore, dOut, logSumExp);
        if (dStore.heads() != store.heads()
                || dStore.keyDim() != store.keyDim()
                || dStore.valueDim() != store.valueDim()) {
            throw new IllegalArgumentException("dStore must have the layout of store, is " + dStore + ", not " + store);
        }
        for (int s = 0; s < segments.count(); s++) {
            if (segments.position()[s] != 0) {
                throw new IllegalArgumentException("backward needs whole sequences: segment " + s
                        + " starts at position " + segments.position()[s]);
            }
        }
    }
}
