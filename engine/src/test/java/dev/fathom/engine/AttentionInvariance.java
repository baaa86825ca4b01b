package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.function.Function;

/**
 * The promise behind zero mismatch between rollout and training, for attention: the bits of a row depend on that row and the
 * sequence up to it, and on nothing else, in every implementation. One fixture computes in another order, to show that these tests can fail.
 */
public final class AttentionInvariance {
    private static final int[] LENGTHS = {60, 1, 17, 35, 16, 129};

    private final Function<WorkerPool, AttentionKernels> open;

    public AttentionInvariance(Function<WorkerPool, AttentionKernels> open) {
        this.open = open;
    }

    private AttentionCase packed(int heads, int storeHeads, int keyDim, int valueDim) {
        AttentionCase c = AttentionCase.random(open, new Random(11), LENGTHS, heads, storeHeads, keyDim, valueDim);
        try (WorkerPool pool = new WorkerPool(1)) {
            c.forward(pool);
        }
        return c;
    }

    /** Sequence s alone, in chunks of the given size, in a store that held something else, in the given slot, with these threads. */
    private static void assertSameInChunks(AttentionCase c, int s, int chunk, long slot, int threads) {
        int length = c.segments().rowCount()[s];
        int start = c.segments().rowStart()[s];
        KeyValueStore cache = KeyValueStore.allocate(
                c.store().data().dtype(),
                slot + (length + 15) / 16 * 16,
                c.store().heads(),
                c.store().keyDim(),
                c.store().valueDim());
        AttentionCase.garbage(new Random(s), cache);
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int at = 0; at < length; at += chunk) {
                int rows = Math.min(chunk, length - at);
                Segments part = new Segments(1, new int[] {0}, new int[] {rows}, new int[] {at}, new long[] {slot});
                int from = start + at;
                c.fill(
                        pool,
                        part,
                        cache,
                        c.keys().rows(from, from + rows),
                        c.values().rows(from, from + rows));
                Tensor out = Tensor.zeros(DType.F32, rows, c.out().columns());
                Tensor lse = Tensor.zeros(DType.F32, rows, c.heads());
                c.open()
                        .apply(pool)
                        .attention(c.q().rows(from, from + rows), c.heads(), c.scale(), part, cache, out, lse);
                assertThat(AttentionCase.bits(out))
                        .as("out of sequence %d from %d, chunk %d", s, at, chunk)
                        .isEqualTo(AttentionCase.bits(c.out().rows(from, from + rows)));
                assertThat(AttentionCase.bits(lse))
                        .as("logSumExp of sequence %d from %d, chunk %d", s, at, chunk)
                        .isEqualTo(AttentionCase.bits(c.logSumExp().rows(from, from + rows)));
            }
        }
    }

    public void rowByRowAndInChunksAsInTraining() {
        rowByRowAndInChunks(packed(4, 4, 48, 32));
        rowByRowAndInChunks(packed(4, 2, 40, 24));
        rowByRowAndInChunks(packed(4, 1, 80, 64));
        rowByRowAndInChunks(packed(8, 1, 33, 7));
        rowByRowAndInChunks(packed(1, 1, 5, 17));
    }

    private static void rowByRowAndInChunks(AttentionCase c) {
        for (int s = 0; s < LENGTHS.length; s++) {
            for (int chunk : new int[] {1, 2, 3, 7, 8, 16, 50, 64}) {
                assertSameInChunks(c, s, chunk, 16L * (s % 3), 1 + chunk % 3);
            }
        }
    }

    /** One decoding step of many sequences at once: every row as in training, whatever slots they have been given. */
    public void decodingABatch() {
        AttentionCase c = packed(4, 2, 48, 32);
        int count = LENGTHS.length;
        int[] order = {3, 0, 5, 2, 4, 1};
        long[] slot = new long[count];
        long next = 16;
        int[] position = new int[count];
        int[] rowStart = new int[count];
        Tensor q = Tensor.zeros(DType.F32, count, c.q().columns());
        for (int i = 0; i < count; i++) {
            slot[i] = next;
            next += 16L * (1 + (LENGTHS[order[i]] + 15) / 16);
            position[i] = LENGTHS[order[i]] - 1;
            rowStart[i] = i;
        }
        KeyValueStore cache = KeyValueStore.allocate(AttentionCase.type(open), next, 2, 48, 32);
        AttentionCase.garbage(new Random(4), cache);
        int[] ones = new int[count];
        Arrays.fill(ones, 1);
        try (WorkerPool pool = new WorkerPool(2)) {
            for (int i = 0; i < count; i++) {
                int s = order[i];
                int from = c.segments().rowStart()[s];
                Segments whole =
                        new Segments(1, new int[] {0}, new int[] {LENGTHS[s]}, new int[] {0}, new long[] {slot[i]});
                c.fill(
                        pool,
                        whole,
                        cache,
                        c.keys().rows(from, from + LENGTHS[s]),
                        c.values().rows(from, from + LENGTHS[s]));
                q.rows(i, i + 1).copyFrom(c.q().rows(from + position[i], from + position[i] + 1));
            }
            Tensor out = Tensor.zeros(DType.F32, count, c.out().columns());
            Tensor lse = Tensor.zeros(DType.F32, count, 4);
            open.apply(pool)
                    .attention(q, 4, c.scale(), new Segments(count, rowStart, ones, position, slot), cache, out, lse);
            for (int i = 0; i < count; i++) {
                int row = c.segments().rowStart()[order[i]] + position[i];
                assertThat(AttentionCase.bits(out.rows(i, i + 1)))
                        .isEqualTo(AttentionCase.bits(c.out().rows(row, row + 1)));
                assertThat(AttentionCase.bits(lse.rows(i, i + 1)))
                        .isEqualTo(AttentionCase.bits(c.logSumExp().rows(row, row + 1)));
            }
        }
    }

    /** A weight that underflows to -0 must not show whether a row's chain went on over further, unused tiles. */
    public void signOfUnderflowedZeros() {
        AttentionCase c = AttentionCase.random(open, new Random(6), new int[] {30}, 1, 1, 16, 16);
        for (long r = 0; r < 30; r++) {
            for (long k = 0; k < 16; k++) {
                c.values().set(r, k, -Float.MIN_VALUE);
            }
        }
        c.fill();
        try (WorkerPool pool = new WorkerPool(1)) {
            c.forward(pool);
        }
        assertSameInChunks(c, 0, 1, 0, 1);
    }

    public void forwardAndBackwardDoNotDependOnThreads() {
        int[][] first = null;
        for (int threads = 1; threads <= 3; threads++) {
            Random random = new Random(12);
            AttentionCase c = AttentionCase.random(open, random, LENGTHS, 4, 2, 48, 32);
            Tensor dOut = AttentionCase.gaussian(random, c.out().rows(), c.out().columns());
            Tensor dq = Tensor.zeros(DType.F32, c.q().rows(), c.q().columns());
            KeyValueStore dStore = c.emptyStore();
            Tensor dKeys = Tensor.zeros(DType.F32, c.keys().rows(), c.keys().columns());
            Tensor dShared = Tensor.zeros(DType.F32, c.keys().rows(), 48);
            Tensor dValues =
                    Tensor.zeros(DType.F32, c.values().rows(), c.values().columns());
            try (WorkerPool pool = new WorkerPool(threads)) {
                VectorKeyValues keyValues = new VectorKeyValues(pool, open.apply(pool));
                c.forward(pool);
                open.apply(pool)
                        .attentionBackward(
                                dOut, c.q(), c.out(), c.logSumExp(), 4, c.scale(), c.segments(), c.store(), dq, dStore);
                keyValues.storeKeysBackward(dStore, 0, c.segments(), dKeys, 0, 48, 48);
                keyValues.storeKeysBackward(dStore, 0, c.segments(), dShared, 0, 0, 48);
                keyValues.storeValuesBackward(dStore, c.segments(), dValues, 0, 32);
            }
            int[][] bits = {
                AttentionCase.bits(c.out()),
                AttentionCase.bits(c.logSumExp()),
                AttentionCase.bits(dq),
                AttentionCase.bits(dStore.data()),
                AttentionCase.bits(dKeys),
                AttentionCase.bits(dShared),
                AttentionCase.bits(dValues)
            };
            if (first == null) {
                first = bits;
            } else {
                assertThat(bits).isDeepEqualTo(first);
            }
        }
    }

    /** The gradients of a sequence do not depend on what it was packed with. */
    public void backwardOfASequenceAlone() {
        Random random = new Random(13);
        AttentionCase c = AttentionCase.random(open, random, LENGTHS, 2, 2, 24, 16);
        Tensor dOut = AttentionCase.gaussian(random, c.out().rows(), c.out().columns());
        Tensor dq = Tensor.zeros(DType.F32, c.q().rows(), c.q().columns());
        KeyValueStore dStore = c.emptyStore();
        try (WorkerPool pool = new WorkerPool(2)) {
            AttentionKernels attention = open.apply(pool);
            c.forward(pool);
            attention.attentionBackward(
                    dOut, c.q(), c.out(), c.logSumExp(), 2, c.scale(), c.segments(), c.store(), dq, dStore);
            for (int s = 0; s < LENGTHS.length; s++) {
                int from = c.segments().rowStart()[s];
                int to = from + LENGTHS[s];
                Segments alone = new Segments(1, new int[] {0}, new int[] {LENGTHS[s]}, new int[] {0}, new long[] {
                    c.segments().slot()[s]
                });
                Tensor dqAlone = Tensor.zeros(DType.F32, LENGTHS[s], c.q().columns());
                KeyValueStore dStoreAlone = c.emptyStore();
                attention.attentionBackward(
                        dOut.rows(from, to),
                        c.q().rows(from, to),
                        c.out().rows(from, to),
                        c.logSumExp().rows(from, to),
                        2,
                        c.scale(),
                        alone,
                        c.store(),
                        dqAlone,
                        dStoreAlone);
                assertThat(AttentionCase.bits(dqAlone)).isEqualTo(AttentionCase.bits(dq.rows(from, to)));
                long tile = c.segments().slot()[s] / 16;
                long end = tile + (LENGTHS[s] + 15) / 16;
                assertThat(AttentionCase.bits(dStoreAlone.data().rows(tile, end)))
                        .isEqualTo(AttentionCase.bits(dStore.data().rows(tile, end)));
            }
        }
    }

    /** The same keys and values in reverse order are the same sum in another order: other bits, within rounding. */
    public void anotherOrderOfKeysGivesOtherBits() {
        int length = 60;
        AttentionCase c = AttentionCase.random(open, new Random(14), new int[] {length}, 1, 1, 32, 32);
        Tensor keys = Tensor.zeros(DType.F32, length, 32);
        Tensor values = Tensor.zeros(DType.F32, length, 32);
        for (int r = 0; r < length; r++) {
            keys.rows(r, r + 1).copyFrom(c.keys().rows(length - 1 - r, length - r));
            values.rows(r, r + 1).copyFrom(c.values().rows(length - 1 - r, length - r));
        }
        Tensor reversed = Tensor.zeros(DType.F32, 1, 32);
        try (WorkerPool pool = new WorkerPool(1)) {
            c.forward(pool);
            c.fill(pool, c.segments(), c.store(), keys, values);
            open.apply(pool)
                    .attention(
                            c.q().rows(length - 1, length),
                            1,
                            c.scale(),
                            new Segments(1, new int[] {0}, new int[] {1}, new int[] {length - 1}, new long[] {0}),
                            c.store(),
                            reversed,
                            Tensor.zeros(DType.F32, 1, 1));
        }
        Tensor last = c.out().rows(length - 1, length);
        assertThat(AttentionCase.bits(reversed)).isNotEqualTo(AttentionCase.bits(last));
        assertThat(reversed.toFloats()).usingComparatorWithPrecision(1e-5f).containsExactly(last.toFloats());
    }
}
