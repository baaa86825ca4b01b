package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.FLOAT;
import static dev.fathom.engine.Memory.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The innermost loops of {@link VectorGemm}'s {@code y = x Wᵀ}: a small tile of results lives in registers while one index
 * of the reduction after the other is multiplied in.
 *
 * <p>The trick is what the loop does <em>not</em> do. Per step it loads one row of a weight panel (one or two vectors), and
 * for each of up to 8 rows of x broadcasts one element and issues one fused multiply-add per vector. The rows of x were
 * copied to scratch memory at a distance that is a compile-time constant ({@link #ROW}), so all of them are reached from one
 * register with an immediate offset; eight separate row pointers would leave none of the 16 integer registers of x86.
 *
 * <p>Every method computes, for its tile, {@code result = start + Σ a b} as one chain of fused multiply-adds in index order. A
 * reduction cut into blocks goes on where it stopped: the first block starts from zeros ({@code startStride} 0), the next from
 * the stored sums; storing a float loses nothing. The bits therefore do not depend on the tile a row fell into.
 *
 * <p>The sums are locals, and loads and stores go to one global segment: anything else risks that C2 leaves one vector
 * unintrinsified and boxes it, a hundredfold slowdown ({@code docs/log.md}). For the same reason the loops are written out,
 * and without small helper methods: in a method this large C2 stops inlining all but what the JDK forces.
 *
 * <p>That is also why a step reads its single floats before anything else. {@code ALL.get} ends in {@code Unsafe.convEndian}, which the
 * JDK does not force. If C2's count of nodes passes its limit between the two, that one stays a call in the innermost loop, with all
 * sums saved around it: a quarter of the speed, in one fork of ten. Read first, they are inlined with a third of the limit to spare.
 */
final class VectorMicroKernel {
    static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    /** Floats in a vector. */
    static final int LANES = SPECIES.length();

    /** Bytes of a vector. */
    static final long VECTOR = 4L * LANES;

    /** Outputs in a weight panel: two vectors. */
    static final int PANEL = 2 * LANES;

    /** Bytes of one row of a panel. */
    static final long PANEL_ROW = 2 * VECTOR;

    /** Most indices of the reduction per call: a panel's block stays in the second-level cache. */
    static final int BLOCK = 512;

    /** Distance in bytes between rows of x in scratch; no power of two, so that rows do not compete for cache sets. */
    static final long ROW = 4L * BLOCK + 64;

    /**
     * Rows per tile: 8 x 2 sums leave room in the 32 vector registers of AVX-512 and of ARM; 4 x 2 fit the 16 of AVX2. Both
     * have the 8 independent chains that hide the latency of a fused multiply-add. (12 x 2 would read the panel less
     * often, but a method of that size is more than C2 inlines: in some runs it fell off the cliff.)
     */
    static final int TILE_ROWS =
            LANES == 16 || System.getProperty("os.arch", "").equals("aarch64") ? 8 : 4;

    private VectorMicroKernel() {}

    /** 8 rows by one panel of two vectors. */
    static void rows8(long a, long b, int length, long start, long startStride, long result, long resultStride) {
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
            float x1 = ALL.get(FLOAT, a + ROW);
            float x2 = ALL.get(FLOAT, a + 2 * ROW);
            float x3 = ALL.get(FLOAT, a + 3 * ROW);
            float x4 = ALL.get(FLOAT, a + 4 * ROW);
            float x5 = ALL.get(FLOAT, a + 5 * ROW);
            float x6 = ALL.get(FLOAT, a + 6 * ROW);
            float x7 = ALL.get(FLOAT, a + 7 * ROW);
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
            a += 4;
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

    /** 4 rows by one panel of two vectors. */
    static void rows4(long a, long b, int length, long start, long startStride, long result, long resultStride) {
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
            float x1 = ALL.get(FLOAT, a + ROW);
            float x2 = ALL.get(FLOAT, a + 2 * ROW);
            float x3 = ALL.get(FLOAT, a + 3 * ROW);
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
            a += 4;
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

    /** 8 rows by the first vector of a panel: the last outputs, if one vector holds them. */
    static void rows8Narrow(long a, long b, int length, long start, long startStride, long result, long resultStride) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum1a = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride, ORDER);
        FloatVector sum2a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride, ORDER);
        FloatVector sum3a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride, ORDER);
        FloatVector sum4a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 4 * startStride, ORDER);
        FloatVector sum5a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 5 * startStride, ORDER);
        FloatVector sum6a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 6 * startStride, ORDER);
        FloatVector sum7a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 7 * startStride, ORDER);
        for (int i = 0; i < length; i++) {
            float x0 = ALL.get(FLOAT, a);
            float x1 = ALL.get(FLOAT, a + ROW);
            float x2 = ALL.get(FLOAT, a + 2 * ROW);
            float x3 = ALL.get(FLOAT, a + 3 * ROW);
            float x4 = ALL.get(FLOAT, a + 4 * ROW);
            float x5 = ALL.get(FLOAT, a + 5 * ROW);
            float x6 = ALL.get(FLOAT, a + 6 * ROW);
            float x7 = ALL.get(FLOAT, a + 7 * ROW);
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, x0);
            sum0a = a0.fma(ba, sum0a);
            FloatVector a1 = FloatVector.broadcast(SPECIES, x1);
            sum1a = a1.fma(ba, sum1a);
            FloatVector a2 = FloatVector.broadcast(SPECIES, x2);
            sum2a = a2.fma(ba, sum2a);
            FloatVector a3 = FloatVector.broadcast(SPECIES, x3);
            sum3a = a3.fma(ba, sum3a);
            FloatVector a4 = FloatVector.broadcast(SPECIES, x4);
            sum4a = a4.fma(ba, sum4a);
            FloatVector a5 = FloatVector.broadcast(SPECIES, x5);
            sum5a = a5.fma(ba, sum5a);
            FloatVector a6 = FloatVector.broadcast(SPECIES, x6);
            sum6a = a6.fma(ba, sum6a);
            FloatVector a7 = FloatVector.broadcast(SPECIES, x7);
            sum7a = a7.fma(ba, sum7a);
            a += 4;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum1a.intoMemorySegment(ALL, result + resultStride, ORDER);
        sum2a.intoMemorySegment(ALL, result + 2 * resultStride, ORDER);
        sum3a.intoMemorySegment(ALL, result + 3 * resultStride, ORDER);
        sum4a.intoMemorySegment(ALL, result + 4 * resultStride, ORDER);
        sum5a.intoMemorySegment(ALL, result + 5 * resultStride, ORDER);
        sum6a.intoMemorySegment(ALL, result + 6 * resultStride, ORDER);
        sum7a.intoMemorySegment(ALL, result + 7 * resultStride, ORDER);
    }

    /** 4 rows by the first vector of a panel. */
    static void rows4Narrow(long a, long b, int length, long start, long startStride, long result, long resultStride) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum1a = FloatVector.fromMemorySegment(SPECIES, ALL, start + startStride, ORDER);
        FloatVector sum2a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startStride, ORDER);
        FloatVector sum3a = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startStride, ORDER);
        for (int i = 0; i < length; i++) {
            float x0 = ALL.get(FLOAT, a);
            float x1 = ALL.get(FLOAT, a + ROW);
            float x2 = ALL.get(FLOAT, a + 2 * ROW);
            float x3 = ALL.get(FLOAT, a + 3 * ROW);
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, x0);
            sum0a = a0.fma(ba, sum0a);
            FloatVector a1 = FloatVector.broadcast(SPECIES, x1);
            sum1a = a1.fma(ba, sum1a);
            FloatVector a2 = FloatVector.broadcast(SPECIES, x2);
            sum2a = a2.fma(ba, sum2a);
            FloatVector a3 = FloatVector.broadcast(SPECIES, x3);
            sum3a = a3.fma(ba, sum3a);
            a += 4;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum1a.intoMemorySegment(ALL, result + resultStride, ORDER);
        sum2a.intoMemorySegment(ALL, result + 2 * resultStride, ORDER);
        sum3a.intoMemorySegment(ALL, result + 3 * resultStride, ORDER);
    }

    /** One row by four panels, {@code panelStep} bytes apart: eight chains, as many as it takes to hide the latency. */
    static void row1Wide(long a, long b, long panelStep, int length, long start, long result) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum0b = FloatVector.fromMemorySegment(SPECIES, ALL, start + VECTOR, ORDER);
        FloatVector sum0c = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * VECTOR, ORDER);
        FloatVector sum0d = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * VECTOR, ORDER);
        FloatVector sum0e = FloatVector.fromMemorySegment(SPECIES, ALL, start + 4 * VECTOR, ORDER);
        FloatVector sum0f = FloatVector.fromMemorySegment(SPECIES, ALL, start + 5 * VECTOR, ORDER);
        FloatVector sum0g = FloatVector.fromMemorySegment(SPECIES, ALL, start + 6 * VECTOR, ORDER);
        FloatVector sum0h = FloatVector.fromMemorySegment(SPECIES, ALL, start + 7 * VECTOR, ORDER);
        for (int i = 0; i < length; i++) {
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector bb = FloatVector.fromMemorySegment(SPECIES, ALL, b + VECTOR, ORDER);
            FloatVector bc = FloatVector.fromMemorySegment(SPECIES, ALL, b + panelStep, ORDER);
            FloatVector bd = FloatVector.fromMemorySegment(SPECIES, ALL, b + panelStep + VECTOR, ORDER);
            FloatVector be = FloatVector.fromMemorySegment(SPECIES, ALL, b + 2 * panelStep, ORDER);
            FloatVector bf = FloatVector.fromMemorySegment(SPECIES, ALL, b + 2 * panelStep + VECTOR, ORDER);
            FloatVector bg = FloatVector.fromMemorySegment(SPECIES, ALL, b + 3 * panelStep, ORDER);
            FloatVector bh = FloatVector.fromMemorySegment(SPECIES, ALL, b + 3 * panelStep + VECTOR, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, a));
            sum0a = a0.fma(ba, sum0a);
            sum0b = a0.fma(bb, sum0b);
            sum0c = a0.fma(bc, sum0c);
            sum0d = a0.fma(bd, sum0d);
            sum0e = a0.fma(be, sum0e);
            sum0f = a0.fma(bf, sum0f);
            sum0g = a0.fma(bg, sum0g);
            sum0h = a0.fma(bh, sum0h);
            a += 4;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum0b.intoMemorySegment(ALL, result + VECTOR, ORDER);
        sum0c.intoMemorySegment(ALL, result + 2 * VECTOR, ORDER);
        sum0d.intoMemorySegment(ALL, result + 3 * VECTOR, ORDER);
        sum0e.intoMemorySegment(ALL, result + 4 * VECTOR, ORDER);
        sum0f.intoMemorySegment(ALL, result + 5 * VECTOR, ORDER);
        sum0g.intoMemorySegment(ALL, result + 6 * VECTOR, ORDER);
        sum0h.intoMemorySegment(ALL, result + 7 * VECTOR, ORDER);
    }

    /** One row by one panel of two vectors. */
    static void row1(long a, long b, int length, long start, long result) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector sum0b = FloatVector.fromMemorySegment(SPECIES, ALL, start + VECTOR, ORDER);
        for (int i = 0; i < length; i++) {
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector bb = FloatVector.fromMemorySegment(SPECIES, ALL, b + VECTOR, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, a));
            sum0a = a0.fma(ba, sum0a);
            sum0b = a0.fma(bb, sum0b);
            a += 4;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
        sum0b.intoMemorySegment(ALL, result + VECTOR, ORDER);
    }

    /** One row by the first vector of a panel. */
    static void row1Narrow(long a, long b, int length, long start, long result) {
        FloatVector sum0a = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        for (int i = 0; i < length; i++) {
            FloatVector ba = FloatVector.fromMemorySegment(SPECIES, ALL, b, ORDER);
            FloatVector a0 = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, a));
            sum0a = a0.fma(ba, sum0a);
            a += 4;
            b += PANEL_ROW;
        }
        sum0a.intoMemorySegment(ALL, result, ORDER);
    }
}
