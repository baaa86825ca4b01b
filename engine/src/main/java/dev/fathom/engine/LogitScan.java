package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Passes over one row of logits, for samplers that leave tokens out: a vocabulary of 150,000 takes some ten microseconds each. On the thread
 * that calls; the results are the same for any vector width.
 */
public final class LogitScan {
    private LogitScan() {}

    /** The largest logit of a row. */
    public static float largest(Tensor logits, long row) {
        return VectorLogProbs.largest(address(logits, row), size(logits));
    }

    /**
     * {@code Σ exp(l_i / T - max / T)} of a row, in sixteen lanes.
     *
     * @param max the largest logit
     */
    public static float sumOfExponentials(
            Tensor logits, long row, float inverseTemperature, float max, WorkerPool pool, int worker) {
        long lanes = pool.scratch(worker, 2 * Lanes.BYTES);
        VectorLogProbs.exponentials(
                address(logits, row), inverseTemperature, max * inverseTemperature, size(logits), lanes, 0);
        return Lanes.sum(lanes);
    }

    /**
     * The indices of all logits of a row that are at least {@code threshold}, ascending.
     *
     * @param indices out, as long as the row
     * @return how many
     */
    public static int atLeast(Tensor logits, long row, float threshold, int[] indices) {
        long address = address(logits, row);
        int size = size(logits);
        if (indices.length < size) {
            throw new IllegalArgumentException("room for " + indices.length + " indices of " + size);
        }
        int count = 0;
        int i = 0;
        for (; i <= size - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector x = fromMemorySegment(SPECIES, ALL, address + 4L * i, ORDER);
            for (long mask = x.compare(VectorOperators.GE, threshold).toLong(); mask != 0; mask &= mask - 1) {
                indices[count++] = i + Long.numberOfTrailingZeros(mask);
            }
        }
        for (; i < size; i++) {
            if (Memory.getFloat(address + 4L * i) >= threshold) {
                indices[count++] = i;
            }
        }
        return count;
    }

    /** Overwrites a part of a row, {@code from} (inclusive) to {@code to} (exclusive). */
    public static void fill(Tensor logits, long row, int from, int to, float value) {
        if (from < 0 || to > size(logits)) {
            throw new IndexOutOfBoundsException(from + " to " + to + " of " + logits);
        }
        long address = address(logits, row);
        FloatVector values = FloatVector.broadcast(SPECIES, value);
        int i = from;
        for (; i <= to - Lanes.COUNT; i += Lanes.COUNT) {
            values.intoMemorySegment(ALL, address + 4L * i, ORDER);
        }
        for (; i < to; i++) {
            Memory.setFloat(address + 4L * i, value);
        }
    }

    private static int size(Tensor logits) {
        return Math.toIntExact(logits.columns());
    }

    private static long address(Tensor logits, long row) {
        Checks.f32("logits", logits);
        if (row < 0 || row >= logits.rows()) {
            throw new IndexOutOfBoundsException("row " + row + " of " + logits);
        }
        return logits.rowAddress(row);
    }
}
