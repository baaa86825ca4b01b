package dev.fathom.engine;

import java.util.Random;

/** Random inputs and outputs of one attention call over packed whole sequences, for the tests of attention. */
record AttentionCase(
        int heads,
        float scale,
        Segments segments,
        KeyValueStore store,
        Tensor q,
        Tensor keys,
        Tensor values,
        Tensor out,
        Tensor logSumExp) {

    /** Rows of keys and values are stored by {@link VectorKeyValues}; unused positions hold random garbage. */
    static AttentionCase random(Random random, int[] lengths, int heads, int storeHeads, int keyDim, int valueDim) {
        Segments segments = Segments.packed(lengths);
        int rows = segments.rows();
        KeyValueStore store = KeyValueStore.allocate(segments.slots(), storeHeads, keyDim, valueDim);
        garbage(random, store);
        Tensor keys = gaussian(random, rows, (long) storeHeads * keyDim);
        Tensor values = gaussian(random, rows, (long) storeHeads * valueDim);
        AttentionCase made = new AttentionCase(
                heads,
                (float) (1 / Math.sqrt(keyDim)),
                segments,
                store,
                gaussian(random, rows, (long) heads * keyDim),
                keys,
                values,
                Tensor.zeros(DType.F32, rows, (long) heads * valueDim),
                Tensor.zeros(DType.F32, rows, heads));
        try (WorkerPool pool = new WorkerPool(1)) {
            made.fill(pool, segments, store, keys, values);
        }
        return made;
    }

    void fill(WorkerPool pool, Segments where, KeyValueStore to, Tensor keyRows, Tensor valueRows) {
        new VectorKeyValues(pool).storeKeys(keyRows, 0, store.keyDim(), store.keyDim(), 0, where, to);
        new VectorKeyValues(pool).storeValues(valueRows, 0, store.valueDim(), where, to);
    }

    /** The forward pass over the whole sequences. */
    void forward(WorkerPool pool) {
        new VectorAttention(pool).attention(q, heads, scale, segments, store, out, logSumExp);
    }

    /** A store of the same shape, zeroed. */
    KeyValueStore emptyStore() {
        return KeyValueStore.allocate(segments.slots(), store.heads(), store.keyDim(), store.valueDim());
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
