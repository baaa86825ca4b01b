package dev.fathom.infer;

import dev.fathom.engine.LogitScan;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;

/** The logits of one place, while one worker of a pool looks at them. */
record LogitRow(Tensor logits, long row, WorkerPool pool, int worker) {
    int size() {
        return Math.toIntExact(logits.columns());
    }

    float get(int id) {
        return logits.get(row, id);
    }

    void set(int id, float value) {
        logits.set(row, id, value);
    }

    /** Leaves out ids {@code from} (inclusive) to {@code to} (exclusive). */
    void exclude(int from, int to) {
        LogitScan.fill(logits, row, from, to, Float.NEGATIVE_INFINITY);
    }

    /** Leaves out what is not in the mask. */
    void keep(long[] mask) {
        int size = size();
        for (int from = 0; from < size; from += Long.SIZE) {
            long word = from >> 6 < mask.length ? mask[from >> 6] : 0;
            int to = Math.min(size, from + Long.SIZE);
            if (word == 0) {
                exclude(from, to);
            } else {
                for (int id = from; id < to; id++) {
                    if ((word >>> id & 1) == 0) {
                        set(id, Float.NEGATIVE_INFINITY);
                    }
                }
            }
        }
    }

    float largest() {
        return LogitScan.largest(logits, row);
    }

    /** Σ exp((l - max) / T). */
    double sumOfExponentials(float inverseTemperature, float max) {
        return LogitScan.sumOfExponentials(logits, row, inverseTemperature, max, pool, worker);
    }

    /** Writes the ids of all logits of at least {@code threshold} in order and returns how many. */
    int atLeast(float threshold, int[] ids) {
        return LogitScan.atLeast(logits, row, threshold, ids);
    }
}
