package dev.fathom.engine;

import static dev.fathom.engine.Lanes.COUNT;
import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Lanes.VIRTUAL;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;

/**
 * Dot products of some rows with some others, each the one of {@link Lanes#dot} to the bit. Eight at a time, two rows times four, share their loads and keep
 * the multipliers busy, where one alone waits for each addition before the next.
 */
final class DotTile {
    /** Bytes of scratch memory. */
    static final long SCRATCH = 8 * Lanes.BYTES;

    private DotTile() {}

    /**
     * {@code y[r][o] = x[r] · w[o]}.
     *
     * @param x address of the first row, rows {@code xStride} bytes apart; w and y likewise
     * @param scratch address of {@link #SCRATCH} bytes
     */
    static void multiply(
            long x,
            long xStride,
            int rows,
            long w,
            long wStride,
            int outputs,
            int columns,
            long y,
            long yStride,
            long scratch) {
        int wholeOutputs = outputs - outputs % 4;
        int wholeRows = rows - rows % 2;
        for (int r = 0; r < wholeRows; r += 2) {
            for (int o = 0; o < wholeOutputs; o += 4) {
                eight(x + r * xStride, xStride, w + o * wStride, wStride, columns, scratch);
                long to = y + r * yStride + 4L * o;
                for (int i = 0; i < 4; i++) {
                    Memory.setFloat(to + 4L * i, Lanes.sum(scratch + i * Lanes.BYTES));
                    Memory.setFloat(to + yStride + 4L * i, Lanes.sum(scratch + (4 + i) * Lanes.BYTES));
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int o = r < wholeRows ? wholeOutputs : 0; o < outputs; o++) {
                float dot = Lanes.dot(x + r * xStride, w + o * wStride, columns, scratch);
                Memory.setFloat(y + r * yStride + 4L * o, dot);
            }
        }
    }

    /** The lanes of the products of two rows of x with four of w, one after another. */
    private static void eight(long x, long xStride, long w, long wStride, int columns, long lanes) {
        for (int part = 0; part < VIRTUAL; part += COUNT) {
            FloatVector a0 = FloatVector.zero(SPECIES);
            FloatVector a1 = a0;
            FloatVector a2 = a0;
            FloatVector a3 = a0;
            FloatVector b0 = a0;
            FloatVector b1 = a0;
            FloatVector b2 = a0;
            FloatVector b3 = a0;
            for (int i = part; i <= columns - COUNT; i += VIRTUAL) {
                long at = 4L * i;
                FloatVector a = fromMemorySegment(SPECIES, ALL, x + at, ORDER);
                FloatVector b = fromMemorySegment(SPECIES, ALL, x + xStride + at, ORDER);
                FloatVector weights = fromMemorySegment(SPECIES, ALL, w + at, ORDER);
                a0 = a.fma(weights, a0);
                b0 = b.fma(weights, b0);
                weights = fromMemorySegment(SPECIES, ALL, w + wStride + at, ORDER);
                a1 = a.fma(weights, a1);
                b1 = b.fma(weights, b1);
                weights = fromMemorySegment(SPECIES, ALL, w + 2 * wStride + at, ORDER);
                a2 = a.fma(weights, a2);
                b2 = b.fma(weights, b2);
                weights = fromMemorySegment(SPECIES, ALL, w + 3 * wStride + at, ORDER);
                a3 = a.fma(weights, a3);
                b3 = b.fma(weights, b3);
            }
            long to = lanes + 4L * part;
            a0.intoMemorySegment(ALL, to, ORDER);
            a1.intoMemorySegment(ALL, to + Lanes.BYTES, ORDER);
            a2.intoMemorySegment(ALL, to + 2 * Lanes.BYTES, ORDER);
            a3.intoMemorySegment(ALL, to + 3 * Lanes.BYTES, ORDER);
            b0.intoMemorySegment(ALL, to + 4 * Lanes.BYTES, ORDER);
            b1.intoMemorySegment(ALL, to + 5 * Lanes.BYTES, ORDER);
            b2.intoMemorySegment(ALL, to + 6 * Lanes.BYTES, ORDER);
            b3.intoMemorySegment(ALL, to + 7 * Lanes.BYTES, ORDER);
        }
        for (int i = columns - columns % COUNT; i < columns; i++) {
            for (int product = 0; product < 8; product++) {
                long lane = lanes + product * Lanes.BYTES + 4L * (i % VIRTUAL);
                float value = Memory.getFloat(x + product / 4 * xStride + 4L * i);
                float weight = Memory.getFloat(w + product % 4 * wStride + 4L * i);
                Memory.setFloat(lane, Math.fma(value, weight, Memory.getFloat(lane)));
            }
        }
    }
}
