package dev.fathom.avx512;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.AttentionAccuracy;
import dev.fathom.engine.AttentionInvariance;
import dev.fathom.engine.AttentionKernels;
import dev.fathom.engine.DType;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorKernels;
import dev.fathom.engine.WorkerPool;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link Avx512Attention} against the reference in double, up to the rounding of weights to bf16, and against itself, to the bit. */
class Avx512AttentionTest {
    private final AttentionAccuracy accuracy = new AttentionAccuracy(Avx512AttentionTest::open, 6e-3);
    private final AttentionInvariance invariance = new AttentionInvariance(Avx512AttentionTest::open);

    private static AttentionKernels open(WorkerPool pool) {
        Avx512Provider provider = new Avx512Provider();
        String reason = provider.unavailable(Precision.BF16);
        assumeTrue(reason.isEmpty(), reason);
        return provider.attention(Precision.BF16, pool).orElseThrow();
    }

    @Test
    void forwardIsTheReference() {
        accuracy.forwardIsTheReference();
    }

    @Test
    void backwardIsTheReference() {
        accuracy.backwardIsTheReference();
    }

    @Test
    void largeScoresStayFinite() {
        accuracy.largeScoresStayFinite();
    }

    @Test
    void refusesWhatDoesNotFit() {
        accuracy.refusesWhatDoesNotFit();
    }

    @Test
    void rowByRowAndInChunksAsInTraining() {
        invariance.rowByRowAndInChunksAsInTraining();
    }

    @Test
    void decodingABatch() {
        invariance.decodingABatch();
    }

    @Test
    void signOfUnderflowedZeros() {
        invariance.signOfUnderflowedZeros();
    }

    @Test
    void forwardAndBackwardDoNotDependOnThreads() {
        invariance.forwardAndBackwardDoNotDependOnThreads();
    }

    @Test
    void backwardOfASequenceAlone() {
        invariance.backwardOfASequenceAlone();
    }

    @Test
    void anotherOrderOfKeysGivesOtherBits() {
        invariance.anotherOrderOfKeysGivesOtherBits();
    }

    /** Even parts of keys and all values are written by generated code; Java would have written the same. */
    @Test
    void rowsStoredAloneAreThoseStoredTogether() {
        Random random = new Random(21);
        for (int round = 0; round < 40; round++) {
            int heads = 1 + random.nextInt(4);
            int nope = 2 * random.nextInt(40);
            int rope = 1 + random.nextInt(40);
            int valueDim = random.nextBoolean() ? 16 * (1 + random.nextInt(5)) : 1 + random.nextInt(70);
            int sequences = 1 + random.nextInt(7);
            int length = 1 + random.nextInt(40);
            int slotLength = (length + 15) / 16 * 16;
            int stride = nope + valueDim + random.nextInt(3);
            Tensor rows = gaussian(random, sequences * length, heads * stride);
            Tensor shared = gaussian(random, sequences * length, rope);
            try (WorkerPool pool = new WorkerPool(1 + random.nextInt(2))) {
                Kernels kernels = new VectorKernels(pool, open(pool), new Avx512Rows());
                long slots = (long) sequences * slotLength;
                KeyValueStore together = KeyValueStore.allocate(DType.BF16, slots, heads, nope + rope, valueDim);
                KeyValueStore alone = KeyValueStore.allocate(DType.BF16, slots, heads, nope + rope, valueDim);
                int[] starts = new int[sequences];
                int[] lengths = new int[sequences];
                long[] slot = new long[sequences];
                for (int s = 0; s < sequences; s++) {
                    starts[s] = s * length;
                    lengths[s] = length;
                    slot[s] = (long) s * slotLength;
                }
                Segments whole = new Segments(sequences, starts, lengths, new int[sequences], slot);
                store(kernels, rows, shared, stride, nope, rope, whole, together);
                KeyValueStore byJava = KeyValueStore.allocate(DType.BF16, slots, heads, nope + rope, valueDim);
                Kernels java = new VectorKernels(pool, new WithoutStores(), new Avx512Rows());
                store(java, rows, shared, stride, nope, rope, whole, byJava);
                assertThat(together.data().segment().mismatch(byJava.data().segment()))
                        .isEqualTo(-1);
                KeyValueStore inChunks = KeyValueStore.allocate(DType.BF16, slots, heads, nope + rope, valueDim);
                for (int s = 0; s < sequences; s++) {
                    int middle = random.nextInt(length);
                    for (int[] part : new int[][] {{0, middle}, {middle, length}}) {
                        long first = (long) s * length + part[0];
                        long end = (long) s * length + part[1];
                        Segments chunk = new Segments(
                                1, new int[1], new int[] {part[1] - part[0]}, new int[] {part[0]}, new long[] {slot[s]
                                });
                        store(
                                kernels,
                                rows.rows(first, end),
                                shared.rows(first, end),
                                stride,
                                nope,
                                rope,
                                chunk,
                                inChunks);
                    }
                }
                assertThat(inChunks.data().segment().mismatch(byJava.data().segment()))
                        .isEqualTo(-1);
                for (int position = 0; position < length; position++) {
                    // The same row of every sequence, gathered into a batch of single rows.
                    Tensor row = Tensor.zeros(DType.F32, sequences, rows.columns());
                    Tensor sharedRow = Tensor.zeros(DType.F32, sequences, rope);
                    int[] ones = new int[sequences];
                    int[] positions = new int[sequences];
                    int[] first = new int[sequences];
                    for (int s = 0; s < sequences; s++) {
                        int from = s * length + position;
                        row.rows(s, s + 1).copyFrom(rows.rows(from, from + 1));
                        sharedRow.rows(s, s + 1).copyFrom(shared.rows(from, from + 1));
                        ones[s] = 1;
                        positions[s] = position;
                        first[s] = s;
                    }
                    Segments step = new Segments(sequences, first, ones, positions, slot);
                    store(kernels, row, sharedRow, stride, nope, rope, step, alone);
                }
                for (long r = 0; r < heads; r++) {
                    for (long c = 0; c < together.data().columns(); c++) {
                        assertThat(alone.data().get(r, c))
                                .as("head %d, place %d of %s", r, c, together)
                                .isEqualTo(together.data().get(r, c));
                    }
                }
            }
        }
    }

    /** Keeps keys and values as {@link Avx512Attention} does, and leaves the writing to Java. */
    private static final class WithoutStores implements AttentionKernels {
        @Override
        public String name() {
            return "none";
        }

        @Override
        public DType keyValueType() {
            return DType.BF16;
        }

        @Override
        public void attention(
                Tensor q,
                int heads,
                float scale,
                Segments segments,
                KeyValueStore store,
                Tensor out,
                Tensor logSumExp) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void attentionBackward(
                Tensor dOut,
                Tensor q,
                Tensor out,
                Tensor logSumExp,
                int heads,
                float scale,
                Segments segments,
                KeyValueStore store,
                Tensor dq,
                KeyValueStore dStore) {
            throw new UnsupportedOperationException();
        }
    }

    private static void store(
            Kernels kernels,
            Tensor rows,
            Tensor shared,
            int stride,
            int nope,
            int rope,
            Segments segments,
            KeyValueStore store) {
        kernels.storeKeys(rows, 0, stride, nope, 0, segments, store);
        kernels.storeKeys(shared, 0, 0, rope, nope, segments, store);
        kernels.storeValues(rows, nope, stride, segments, store);
    }

    private static Tensor gaussian(Random random, int rows, int columns) {
        Tensor tensor = Tensor.zeros(DType.F32, rows, columns);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                tensor.set(r, c, (float) random.nextGaussian());
            }
        }
        return tensor;
    }
}
