package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@code to[column][row] = from[row][column]} for elements of 32 bits, whatever they mean: floats, or pairs of bf16.
 *
 * <p>Sixteen rows of sixteen elements are sixteen vectors. Interleaving vector i with vector i + 8 moves one bit of the row number below the column number;
 * after four rounds all four bits have changed places. That takes a tenth of the time of moving elements one by one.
 */
public final class Transposition {
    private static final VectorSpecies<Integer> SPECIES = IntVector.SPECIES_512;
    private static final int BLOCK = 16;

    /** Elsewhere two vectors are not shuffled in one instruction. */
    private static final boolean VECTORS = Lanes.COUNT == BLOCK;

    private static final int[] LOW = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
    private static final int[] HIGH = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

    private Transposition() {}

    /** Strides are in bytes, {@code fromStride} from row to row, {@code toStride} from column to column. */
    public static void of(long from, long fromStride, int rows, int columns, long to, long toStride) {
        int blocks = VECTORS ? columns / BLOCK : 0;
        int row = 0;
        for (; row <= rows - BLOCK && blocks > 0; row += BLOCK) {
            blocks(from + row * fromStride, fromStride, to + 4L * row, toStride, blocks);
        }
        elements(from, fromStride, 0, row, blocks * BLOCK, columns, to, toStride);
        elements(from, fromStride, row, rows, 0, columns, to, toStride);
    }

    /** Sixteen elements of a row, one cache line, go to sixteen lines, which stay in the cache until all rows have written to them. */
    private static void elements(
            long from,
            long fromStride,
            int firstRow,
            int lastRow,
            int firstColumn,
            int lastColumn,
            long to,
            long toStride) {
        for (int first = firstColumn; first < lastColumn; first += BLOCK) {
            int last = Math.min(lastColumn, first + BLOCK);
            for (int row = firstRow; row < lastRow; row++) {
                long source = from + row * fromStride;
                long target = to + 4L * row;
                for (int column = first; column < last; column++) {
                    Memory.setInt(target + column * toStride, Memory.getInt(source + 4L * column));
                }
            }
        }
    }

    /** Sixteen rows, block by block of sixteen columns. */
    private static void blocks(long from, long fromStride, long to, long toStride, int blocks) {
        IntVector low = IntVector.fromArray(SPECIES, LOW, 0);
        IntVector high = IntVector.fromArray(SPECIES, HIGH, 0);
        for (int block = 0; block < blocks; block++) {
            IntVector r0 = IntVector.fromMemorySegment(SPECIES, ALL, from, ORDER);
            IntVector r1 = IntVector.fromMemorySegment(SPECIES, ALL, from + 1 * fromStride, ORDER);
            IntVector r2 = IntVector.fromMemorySegment(SPECIES, ALL, from + 2 * fromStride, ORDER);
            IntVector r3 = IntVector.fromMemorySegment(SPECIES, ALL, from + 3 * fromStride, ORDER);
            IntVector r4 = IntVector.fromMemorySegment(SPECIES, ALL, from + 4 * fromStride, ORDER);
            IntVector r5 = IntVector.fromMemorySegment(SPECIES, ALL, from + 5 * fromStride, ORDER);
            IntVector r6 = IntVector.fromMemorySegment(SPECIES, ALL, from + 6 * fromStride, ORDER);
            IntVector r7 = IntVector.fromMemorySegment(SPECIES, ALL, from + 7 * fromStride, ORDER);
            IntVector r8 = IntVector.fromMemorySegment(SPECIES, ALL, from + 8 * fromStride, ORDER);
            IntVector r9 = IntVector.fromMemorySegment(SPECIES, ALL, from + 9 * fromStride, ORDER);
            IntVector r10 = IntVector.fromMemorySegment(SPECIES, ALL, from + 10 * fromStride, ORDER);
            IntVector r11 = IntVector.fromMemorySegment(SPECIES, ALL, from + 11 * fromStride, ORDER);
            IntVector r12 = IntVector.fromMemorySegment(SPECIES, ALL, from + 12 * fromStride, ORDER);
            IntVector r13 = IntVector.fromMemorySegment(SPECIES, ALL, from + 13 * fromStride, ORDER);
            IntVector r14 = IntVector.fromMemorySegment(SPECIES, ALL, from + 14 * fromStride, ORDER);
            IntVector r15 = IntVector.fromMemorySegment(SPECIES, ALL, from + 15 * fromStride, ORDER);

            IntVector s0 = low.selectFrom(r0, r8);
            IntVector s1 = high.selectFrom(r0, r8);
            IntVector s2 = low.selectFrom(r1, r9);
            IntVector s3 = high.selectFrom(r1, r9);
            IntVector s4 = low.selectFrom(r2, r10);
            IntVector s5 = high.selectFrom(r2, r10);
            IntVector s6 = low.selectFrom(r3, r11);
            IntVector s7 = high.selectFrom(r3, r11);
            IntVector s8 = low.selectFrom(r4, r12);
            IntVector s9 = high.selectFrom(r4, r12);
            IntVector s10 = low.selectFrom(r5, r13);
            IntVector s11 = high.selectFrom(r5, r13);
            IntVector s12 = low.selectFrom(r6, r14);
            IntVector s13 = high.selectFrom(r6, r14);
            IntVector s14 = low.selectFrom(r7, r15);
            IntVector s15 = high.selectFrom(r7, r15);

            IntVector t0 = low.selectFrom(s0, s8);
            IntVector t1 = high.selectFrom(s0, s8);
            IntVector t2 = low.selectFrom(s1, s9);
            IntVector t3 = high.selectFrom(s1, s9);
            IntVector t4 = low.selectFrom(s2, s10);
            IntVector t5 = high.selectFrom(s2, s10);
            IntVector t6 = low.selectFrom(s3, s11);
            IntVector t7 = high.selectFrom(s3, s11);
            IntVector t8 = low.selectFrom(s4, s12);
            IntVector t9 = high.selectFrom(s4, s12);
            IntVector t10 = low.selectFrom(s5, s13);
            IntVector t11 = high.selectFrom(s5, s13);
            IntVector t12 = low.selectFrom(s6, s14);
            IntVector t13 = high.selectFrom(s6, s14);
            IntVector t14 = low.selectFrom(s7, s15);
            IntVector t15 = high.selectFrom(s7, s15);

            IntVector u0 = low.selectFrom(t0, t8);
            IntVector u1 = high.selectFrom(t0, t8);
            IntVector u2 = low.selectFrom(t1, t9);
            IntVector u3 = high.selectFrom(t1, t9);
            IntVector u4 = low.selectFrom(t2, t10);
            IntVector u5 = high.selectFrom(t2, t10);
            IntVector u6 = low.selectFrom(t3, t11);
            IntVector u7 = high.selectFrom(t3, t11);
            IntVector u8 = low.selectFrom(t4, t12);
            IntVector u9 = high.selectFrom(t4, t12);
            IntVector u10 = low.selectFrom(t5, t13);
            IntVector u11 = high.selectFrom(t5, t13);
            IntVector u12 = low.selectFrom(t6, t14);
            IntVector u13 = high.selectFrom(t6, t14);
            IntVector u14 = low.selectFrom(t7, t15);
            IntVector u15 = high.selectFrom(t7, t15);

            IntVector v0 = low.selectFrom(u0, u8);
            IntVector v1 = high.selectFrom(u0, u8);
            IntVector v2 = low.selectFrom(u1, u9);
            IntVector v3 = high.selectFrom(u1, u9);
            IntVector v4 = low.selectFrom(u2, u10);
            IntVector v5 = high.selectFrom(u2, u10);
            IntVector v6 = low.selectFrom(u3, u11);
            IntVector v7 = high.selectFrom(u3, u11);
            IntVector v8 = low.selectFrom(u4, u12);
            IntVector v9 = high.selectFrom(u4, u12);
            IntVector v10 = low.selectFrom(u5, u13);
            IntVector v11 = high.selectFrom(u5, u13);
            IntVector v12 = low.selectFrom(u6, u14);
            IntVector v13 = high.selectFrom(u6, u14);
            IntVector v14 = low.selectFrom(u7, u15);
            IntVector v15 = high.selectFrom(u7, u15);

            v0.intoMemorySegment(ALL, to, ORDER);
            v1.intoMemorySegment(ALL, to + 1 * toStride, ORDER);
            v2.intoMemorySegment(ALL, to + 2 * toStride, ORDER);
            v3.intoMemorySegment(ALL, to + 3 * toStride, ORDER);
            v4.intoMemorySegment(ALL, to + 4 * toStride, ORDER);
            v5.intoMemorySegment(ALL, to + 5 * toStride, ORDER);
            v6.intoMemorySegment(ALL, to + 6 * toStride, ORDER);
            v7.intoMemorySegment(ALL, to + 7 * toStride, ORDER);
            v8.intoMemorySegment(ALL, to + 8 * toStride, ORDER);
            v9.intoMemorySegment(ALL, to + 9 * toStride, ORDER);
            v10.intoMemorySegment(ALL, to + 10 * toStride, ORDER);
            v11.intoMemorySegment(ALL, to + 11 * toStride, ORDER);
            v12.intoMemorySegment(ALL, to + 12 * toStride, ORDER);
            v13.intoMemorySegment(ALL, to + 13 * toStride, ORDER);
            v14.intoMemorySegment(ALL, to + 14 * toStride, ORDER);
            v15.intoMemorySegment(ALL, to + 15 * toStride, ORDER);

            from += 4 * BLOCK;
            to += BLOCK * toStride;
        }
    }
}
