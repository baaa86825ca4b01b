package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.FLOAT;
import static dev.fathom.engine.Memory.ORDER;
import static dev.fathom.engine.VectorMicroKernel.PANEL_ROW;
import static dev.fathom.engine.VectorMicroKernel.SPECIES;
import static dev.fathom.engine.VectorMicroKernel.VECTOR;

import jdk.incubator.vector.FloatVector;

/**
 * The innermost loops of {@link VectorGemm}'s weight gradient {@code dw = dyᵀ x}: like {@link VectorMicroKernel}, but the
 * reduction runs over rows.
 *
 * <p>Nothing is transposed. A tile is some neighbouring outputs by one panel of inputs, and the elements of dy to broadcast
 * for one row lie side by side: they are reached from one register with immediate offsets. {@code a} is dy in scratch memory,
 * {@link #OUTPUTS} floats a row; {@code b} a panel of x, two vectors a row.
 */
final class VectorGradientKernel {
    /** Outputs (columns of dy) in a block of scratch memory: a multiple of 8 and of the vector lengths. */
    static final int OUTPUTS = 48;

    /** Bytes of one row of such a block. */
    static final long OUTPUT_ROW = 4L * OUTPUTS;

    private VectorGradientKernel() {}

    /** 8 outputs by one panel of inputs, over {@code length} rows. */
    static void outputs8(long a, long b, int length, long start, long startStride, long result, long resultStride) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum0b = FloatVector.fromMemorySegment(SPECIES, ALL, start + VECTOR, ORDER);
        FloatVector sum1a = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride, ORDER);
        FloatVector sum1b = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride + VECTOR, ORDER);
        FloatVector sum2a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride, ORDER);
        FloatVector sum2b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride + VECTOR, ORDER);
        FloatVector sum3a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride, ORDER);
        FloatVector sum3b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride + VECTOR, ORDER);
        FloatVector sum4a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 4 * startStride, ORDER);
        FloatVector sum4b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 4 * startStride + VECTOR, ORDER);
        FloatVector sum5a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 5 * startStride, ORDER);
        FloatVector sum5b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 5 * startStride + VECTOR, ORDER);
        FloatVector sum6a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 6 * startStride, ORDER);
        FloatVector sum6b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 6 * startStride + VECTOR, ORDER);
        FloatVector sum7a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 7 * startStride, ORDER);
        FloatVector sum7b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 7 * startStride + VECTOR, ORDER);
        for (int i = 0; i < length; i++) {
            float x0 = ALL.get(FLOAT, a);
            float x1 = ALL.get(FLOAT, a + 4);
            float x2 = ALL.get(FLOAT, a + 8);
            float x3 = ALL.get(FLOAT, a + 12);
            float x4 = ALL.get(FLOAT, a + 16);
            float x5 = ALL.get(FLOAT, a + 20);
            float x6 = ALL.get(FLOAT, a + 24);
            float x7 = ALL.get(FLOAT, a + 28);
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector bb = FloatVector.fromMemorySegment(SPECIES, ALL, b + VECTOR, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, x0);
            sum0a = a0.fma(ba, sum0a);
            sum0b = a0.fma(bb, sum0b);
            FloatVector a1 = FloatVector.broadcast(SPECIES, x1);
            sum1a = a1.fma(ba, sum1a);
            sum1b = a1.fma(bb, sum1b);
            FloatVector a2 = FloatVector.broadcast(SPECIES, x2);
            sum2a = a2.fma(ba, sum2a);
            sum2b = a2.fma(bb, sum2b);
            FloatVector a3 = FloatVector.broadcast(SPECIES, x3);
            sum3a = a3.fma(ba, sum3a);
            sum3b = a3.fma(bb, sum3b);
            FloatVector a4 = FloatVector.broadcast(SPECIES, x4);
            sum4a = a4.fma(ba, sum4a);
            sum4b = a4.fma(bb, sum4b);
            FloatVector a5 = FloatVector.broadcast(SPECIES, x5);
            sum5a = a5.fma(ba, sum5a);
            sum5b = a5.fma(bb, sum5b);
            FloatVector a6 = FloatVector.broadcast(SPECIES, x6);
            sum6a = a6.fma(ba, sum6a);
            sum6b = a6.fma(bb, sum6b);
            FloatVector a7 = FloatVector.broadcast(SPECIES, x7);
            sum7a = a7.fma(ba, sum7a);
            sum7b = a7.fma(bb, sum7b);
            a += OUTPUT_ROW;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum0b.intoMemorySegment(ALL, result + VECTOR, ORDER);
        sum1a.intoMemorySegment(ALL, result + resultStride, ORDER);
        sum1b.intoMemorySegment(ALL, result + resultStride + VECTOR, ORDER);
        sum2a.intoMemorySegment(ALL, result + 2 * resultStride, ORDER);
        sum2b.intoMemorySegment(ALL, result + 2 * resultStride + VECTOR, ORDER);
        sum3a.intoMemorySegment(ALL, result + 3 * resultStride, ORDER);
        sum3b.intoMemorySegment(ALL, result + 3 * resultStride + VECTOR, ORDER);
        sum4a.intoMemorySegment(ALL, result + 4 * resultStride, ORDER);
        sum4b.intoMemorySegment(ALL, result + 4 * resultStride + VECTOR, ORDER);
        sum5a.intoMemorySegment(ALL, result + 5 * resultStride, ORDER);
        sum5b.intoMemorySegment(ALL, result + 5 * resultStride + VECTOR, ORDER);
        sum6a.intoMemorySegment(ALL, result + 6 * resultStride, ORDER);
        sum6b.intoMemorySegment(ALL, result + 6 * resultStride + VECTOR, ORDER);
        sum7a.intoMemorySegment(ALL, result + 7 * resultStride, ORDER);
        sum7b.intoMemorySegment(ALL, result + 7 * resultStride + VECTOR, ORDER);
    }

    /** 4 outputs by one panel of inputs, over {@code length} rows. */
    static void outputs4(long a, long b, int length, long start, long startStride, long result, long resultStride) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum0b = FloatVector.fromMemorySegment(SPECIES, ALL, start + VECTOR, ORDER);
        FloatVector sum1a = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride, ORDER);
        FloatVector sum1b = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride + VECTOR, ORDER);
        FloatVector sum2a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride, ORDER);
        FloatVector sum2b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride + VECTOR, ORDER);
        FloatVector sum3a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride, ORDER);
        FloatVector sum3b = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride + VECTOR, ORDER);
        for (int i = 0; i < length; i++) {
            float x0 = ALL.get(FLOAT, a);
            float x1 = ALL.get(FLOAT, a + 4);
            float x2 = ALL.get(FLOAT, a + 8);
            float x3 = ALL.get(FLOAT, a + 12);
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector bb = FloatVector.fromMemorySegment(SPECIES, ALL, b + VECTOR, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, x0);
            sum0a = a0.fma(ba, sum0a);
            sum0b = a0.fma(bb, sum0b);
            FloatVector a1 = FloatVector.broadcast(SPECIES, x1);
            sum1a = a1.fma(ba, sum1a);
            sum1b = a1.fma(bb, sum1b);
            FloatVector a2 = FloatVector.broadcast(SPECIES, x2);
            sum2a = a2.fma(ba, sum2a);
            sum2b = a2.fma(bb, sum2b);
            FloatVector a3 = FloatVector.broadcast(SPECIES, x3);
            sum3a = a3.fma(ba, sum3a);
            sum3b = a3.fma(bb, sum3b);
            a += OUTPUT_ROW;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum0b.intoMemorySegment(ALL, result + VECTOR, ORDER);
        sum1a.intoMemorySegment(ALL, result + resultStride, ORDER);
        sum1b.intoMemorySegment(ALL, result + resultStride + VECTOR, ORDER);
        sum2a.intoMemorySegment(ALL, result + 2 * resultStride, ORDER);
        sum2b.intoMemorySegment(ALL, result + 2 * resultStride + VECTOR, ORDER);
        sum3a.intoMemorySegment(ALL, result + 3 * resultStride, ORDER);
        sum3b.intoMemorySegment(ALL, result + 3 * resultStride + VECTOR, ORDER);
    }
}
