package dev.fathom.engine;

import java.util.Random;
import java.util.function.Function;

/**
 * Random inputs and outputs of one attention call over packed whole sequences, for the tests of attention.
 *
 * @param open the implementation
 * @param store as the implementation wants it
 * @param exactStore the same keys and values in F32, for the reference
 */
record AttentionCase(
        Function<WorkerPool, AttentionKernels> open,
        int heads,
        float scale,
        Segments segments,
        KeyValueStore store,
        KeyValueStore exactStore,
        Tensor q,
        Tensor keys,
        Tensor values,
        Tensor out,
        Tensor logSumExp) {

    /**
     * Rows of keys and values are stored by {@link VectorKeyValues}; unused positions hold random garbage. Where the store is BF16, queries, keys
     * and values are bf16 numbers: they are rounded before they are used, and rounding them again changes nothing.
     */
    static AttentionCase random(
            Function<WorkerPool, AttentionKernels> open,
            Random random,
            int[] lengths,
            int heads,
            int storeHeads,
            int keyDim,
            int valueDim) {
        Segments segments = Segments.packed(lengths);
        int rows = segments.rows();
        DType type = type(open);
        KeyValueStore store = KeyValueStore.allocate(type, segments.slots(), storeHeads, keyDim, valueDim);
        garbage(random, store);
        AttentionCase made = new AttentionCase(
                open,
                heads,
                (float) (1 / Math.sqrt(keyDim)),
                segments,
                store,
                type == DType.F32
                        ? store
                        : KeyValueStore.allocate(DType.F32, segments.slots(), storeHeads, keyDim, valueDim),
                gaussian(type, random, rows, (long) heads * keyDim),
                gaussian(type, random, rows, (long) storeHeads * keyDim),
                gaussian(type, random, rows, (long) storeHeads * valueDim),
                Tensor.zeros(DType.F32, rows, (long) heads * valueDim),
                Tensor.zeros(DType.F32, rows, heads));
        made.fill();
        return made;
    }

    /** What the implementation keeps keys and values in. */
    static DType type(Function<WorkerPool, AttentionKernels> open) {
        try (WorkerPool pool = new WorkerPool(1)) {
            return open.apply(pool).keyValueType();
        }
    }

    /** Stores the keys and values once more, after a test has changed them. */
    void fill() {
        try (WorkerPool pool = new WorkerPool(1)) {
            fill(pool, segments, store, keys, values);
            fill(pool, segments, exactStore, keys, values);
        }
    }

    void fill(WorkerPool pool, Segments where, KeyValueStore to, Tensor keyRows, Tensor valueRows) {
        VectorKeyValues keyValues = new VectorKeyValues(pool, open.apply(pool));
        keyValues.storeKeys(keyRows, 0, store.keyDim(), store.keyDim(), 0, where, to);
        keyValues.storeValues(valueRows, 0, store.valueDim(), where, to);
    }

    /** The forward pass over the whole sequences. */
    void forward(WorkerPool pool) {
        open.apply(pool).attention(q, heads, scale, segments, store, out, logSumExp);
    }

    /** A store for gradients, zeroed. */
    KeyValueStore emptyStore() {
        return KeyValueStore.allocate(DType.F32, segments.slots(), store.heads(), store.keyDim(), store.valueDim());
    }

    /** Large finite numbers everywhere, as a slot holds that another sequence has used before. */
    static void garbage(Random random, KeyValueStore store) {
        Tensor data = store.data();
        for (long r = 0; r < data.rows(); r++) {
            for (long c = 0; c < data.columns(); c++) {
                data.set(r, c, (float) (random.nextGaussian() * 1e20));
            }
        }
    }

    /** Numbers of this type, as F32. */
    static Tensor gaussian(DType type, Random random, long rows, long columns) {
        Tensor tensor = gaussian(random, rows, columns);
        if (type == DType.BF16) {
            for (long r = 0; r < rows; r++) {
                for (long c = 0; c < columns; c++) {
                    tensor.set(r, c, Memory.fromBf16(Memory.toBf16(tensor.get(r, c))));
                }
            }
        }
        return tensor;
    }

    static Tensor gaussian(Random random, long rows, long columns) {
        Tensor tensor = Tensor.zeros(DType.F32, rows, columns);
        for (long r = 0; r < rows; r++) {
            for (long c = 0; c < columns; c++) {
                tensor.set(r, c, (float) random.nextGaussian());
            }
        }
        return tensor;
    }

    /** Bits, so that equality is equality to the bit, signs of zeros included. */
    static int[] bits(Tensor tensor) {
        float[] values = tensor.toFloats();
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }
}
