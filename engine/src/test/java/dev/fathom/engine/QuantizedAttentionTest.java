package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link QuantizedAttention} and the blocks of {@link BlockKeyValues}: what is kept is off by a bound, and what is computed from it exact. */
class QuantizedAttentionTest {
    /** An element is off by half a step; the scale is rounded to eleven bits, or to multiples of 2^-24 where it is small. */
    private static double bound(double largestOfBlock) {
        return largestOfBlock / 254 + 127 * Math.max(largestOfBlock / 127 * 0x1p-11, 0x1p-25) + 1e-6 * largestOfBlock;
    }

    @Test
    void aKeyIsOffByHalfAStep() {
        Random random = new Random(3);
        for (int round = 0; round < 200; round++) {
            int nope = 1 + random.nextInt(70);
            int rope = random.nextInt(40);
            int keyDim = nope + rope;
            Segments one = new Segments(1, new int[1], new int[] {5}, new int[] {7}, new long[] {16});
            KeyValueStore store = KeyValueStore.allocate(DType.I8, 48, 2, keyDim, 9);
            AttentionCase.garbage(random, store);
            Tensor parts = AttentionCase.gaussian(random, 5, 2L * nope);
            Tensor shared = AttentionCase.gaussian(random, 5, Math.max(1, rope));
            Tensor read = Tensor.zeros(DType.F32, 12, keyDim);
            try (WorkerPool pool = new WorkerPool(2)) {
                VectorKeyValues keyValues =
                        new VectorKeyValues(pool, new QuantizedAttention(pool, new VectorAttention(pool)));
                keyValues.storeKeys(parts, 0, nope, nope, 0, one, store);
                keyValues.storeKeys(shared, 0, 0, rope, nope, one, store);
            }
            for (int head = 0; head < 2; head++) {
                store.readKeys(16, head, read);
                for (int r = 0; r < 5; r++) {
                    for (int d = 0; d < keyDim; d++) {
                        double largest = 0;
                        for (int i = d / 32 * 32; i < Math.min(keyDim, d / 32 * 32 + 32); i++) {
                            largest = Math.max(largest, Math.abs(key(parts, shared, nope, head, r, i)));
                        }
                        // A block that two parts share is rounded twice.
                        boolean twice = rope > 0 && nope % 32 != 0 && d / 32 == nope / 32 && d < nope;
                        assertThat(Math.abs(read.get(7 + r, d) - key(parts, shared, nope, head, r, d)))
                                .as("round %d, head %d, row %d, dimension %d", round, head, r, d)
                                .isLessThanOrEqualTo((float) ((twice ? 2 : 1) * bound(largest)));
                    }
                }
            }
        }
    }

    private static float key(Tensor parts, Tensor shared, int nope, int head, int row, int dim) {
        return dim < nope ? parts.get(row, (long) head * nope + dim) : shared.get(row, dim - nope);
    }

    /** The bits of the same call over a store that holds what the blocks say, from whatever slots, in one call or row by row. */
    @Test
    void computesOverWhatIsKept() {
        Random random = new Random(4);
        for (int round = 0; round < 20; round++) {
            int keyDim = 1 + random.nextInt(80);
            int valueDim = 1 + random.nextInt(50);
            int storeHeads = 1 + random.nextInt(3);
            int heads = storeHeads * (1 + random.nextInt(3));
            int[] lengths = {1 + random.nextInt(600), 1 + random.nextInt(20)};
            Segments segments = Segments.packed(lengths);
            int rows = segments.rows();
            Tensor q = AttentionCase.gaussian(random, rows, (long) heads * keyDim);
            Tensor keys = AttentionCase.gaussian(random, rows, (long) storeHeads * keyDim);
            Tensor values = AttentionCase.gaussian(random, rows, (long) storeHeads * valueDim);
            KeyValueStore store = KeyValueStore.allocate(DType.I8, segments.slots() + 32, storeHeads, keyDim, valueDim);
            AttentionCase.garbage(random, store);
            KeyValueStore decoded = KeyValueStore.allocate(DType.F32, segments.slots(), storeHeads, keyDim, valueDim);
            Tensor out = Tensor.zeros(DType.F32, rows, (long) heads * valueDim);
            Tensor expected = Tensor.zeros(DType.F32, rows, (long) heads * valueDim);
            Tensor single = Tensor.zeros(DType.F32, 1, (long) heads * valueDim);
            Tensor logSumExp = Tensor.zeros(DType.F32, rows, heads);
            try (WorkerPool pool = new WorkerPool(2)) {
                VectorAttention vector = new VectorAttention(pool);
                QuantizedAttention quantized = new QuantizedAttention(pool, vector);
                VectorKeyValues keyValues = new VectorKeyValues(pool, quantized);
                Segments moved =
                        new Segments(2, segments.rowStart(), segments.rowCount(), segments.position(), new long[] {
                            segments.slot()[0] + 32, segments.slot()[1] + 32
                        });
                keyValues.storeKeys(keys, 0, keyDim, keyDim, 0, segments, store);
                keyValues.storeValues(values, 0, valueDim, segments, store);
                store.copy(0, 32, segments.slots()); // ranges that overlap
                keyValues.storeKeys(rounded(keys, storeHeads, keyDim), 0, keyDim, keyDim, 0, segments, decoded);
                keyValues.storeValues(rounded(values, storeHeads, valueDim), 0, valueDim, segments, decoded);
                vector.attention(q, heads, 0.3f, segments, decoded, expected, logSumExp);
                quantized.attention(q, heads, 0.3f, moved, store, out, logSumExp);
                assertThat(AttentionCase.bits(out)).isEqualTo(AttentionCase.bits(expected));
                int last = lengths[0] - 1;
                Segments alone = new Segments(1, new int[1], new int[] {1}, new int[] {last}, new long[] {32});
                quantized.attention(q.rows(last, last + 1), heads, 0.3f, alone, store, single, logSumExp.rows(0, 1));
                assertThat(AttentionCase.bits(single)).isEqualTo(AttentionCase.bits(out.rows(last, last + 1)));
            }
        }
    }

    /** What the blocks of a row say, one element after the other. */
    private static Tensor rounded(Tensor rows, int heads, int dim) {
        Tensor rounded = Tensor.zeros(DType.F32, rows.rows(), rows.columns());
        for (long r = 0; r < rows.rows(); r++) {
            for (int head = 0; head < heads; head++) {
                for (int from = 0; from < dim; from += 32) {
                    int to = Math.min(dim, from + 32);
                    float largest = 0;
                    for (int d = from; d < to; d++) {
                        largest = Math.max(largest, Math.abs(rows.get(r, (long) head * dim + d)));
                    }
                    float step = largest / 127;
                    float kept = Float.float16ToFloat(Float.floatToFloat16(step));
                    for (int d = from; d < to; d++) {
                        double integer = Math.rint(rows.get(r, (long) head * dim + d) * (1 / step));
                        rounded.set(r, (long) head * dim + d, kept * (float) integer);
                    }
                }
            }
        }
        return rounded;
    }

    @Test
    void isForGeneration() {
        try (WorkerPool pool = new WorkerPool(1)) {
            QuantizedAttention attention = new QuantizedAttention(pool, new VectorAttention(pool));
            KeyValueStore store = KeyValueStore.allocate(DType.I8, 16, 1, 8, 8);
            Tensor none = Tensor.zeros(DType.F32, 1, 8);
            assertThatThrownBy(() -> attention.attentionBackward(
                            none, none, none, none, 1, 1, Segments.packed(new int[] {1}), store, none, store))
                    .hasMessageContaining("not for training");
        }
    }
}
