package dev.fathom.infer;

import dev.fathom.engine.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The logits of one place. */
final class LogitRow {
    private final MemorySegment memory;
    private final int size;

    LogitRow(Tensor logits, long row) {
        this.size = Math.toIntExact(logits.columns());
        this.memory = logits.rows(row, row + 1).segment();
    }

    int size() {
        return size;
    }

    float get(int id) {
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, id);
    }

    void set(int id, float value) {
        memory.setAtIndex(ValueLayout.JAVA_FLOAT, id, value);
    }

    /** Leaves out ids {@code from} (inclusive) to {@code to} (exclusive). */
    void exclude(int from, int to) {
        for (int id = from; id < to; id++) {
            set(id, Float.NEGATIVE_INFINITY);
        }
    }

    /** Leaves out what is not in the mask. */
    void keep(long[] mask) {
        for (int id = 0; id < size; id++) {
            if ((mask[id >> 6] >>> id & 1) == 0) {
                set(id, Float.NEGATIVE_INFINITY);
            }
        }
    }

    float largest() {
        float largest = Float.NEGATIVE_INFINITY;
        for (int id = 0; id < size; id++) {
            largest = Math.max(largest, get(id));
        }
        return largest;
    }

    /** Σ exp((l - max) / T) in double. */
    double sumOfExponentials(float inverseTemperature, float max) {
        double sum = 0;
        for (int id = 0; id < size; id++) {
            sum += Math.exp((get(id) - max) * inverseTemperature);
        }
        return sum;
    }

    /** Writes the ids of all logits of at least {@code threshold} in order and returns how many. */
    int atLeast(float threshold, int[] ids) {
        int count = 0;
        for (int id = 0; id < size; id++) {
            if (get(id) >= threshold) {
                ids[count++] = id;
            }
        }
        return count;
    }
}
