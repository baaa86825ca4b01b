package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.FLOAT;
import static dev.fathom.engine.Memory.ORDER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The one matrix product of attention: eight rows by one or two vectors, held in registers over the whole reduction.
 *
 * <p>All seven products of attention, forward (scores, output) and backward (scores again, dP, dQ, dK, dV), are
 *
 * <pre>{@code C[r][lane] = Σ_k A[r, k] · B[k][lane]}</pre>
 *
 * with A read as single floats, spread over a vector, and B as vectors. They differ only in the strides, so strides are arguments and
 * nothing is repacked. The reduction index runs over {@code tiles} tiles of {@code steps} elements, because probabilities and values
 * lie in tiles of 16 positions.
 *
 * <p>Each element of C is one chain of fused multiply-adds in the order of k, in every method here: {@link #eight} computes the bits
 * that {@link #one} computes. That makes batch invariance easy: how rows are grouped into eights does not show.
 *
 * <p>Sixteen accumulators keep two FMA units of latency four busy twice over, and ten loads per sixteen multiply-adds stay below
 * the load units' limit. Accumulators are written out one by one, and loads and stores call the vector API directly: an array of
 * vectors would be boxed, and in a method of this size C2 stops inlining helpers. For the reason why the single floats of a step are
 * read first see {@link VectorMicroKernel}.
 */
final class TileProduct {
    /** Rows of one product. */
    static final int ROWS = 8;

    private static final VectorSpecies<Float> SPECIES = Lanes.SPECIES;

    private static final int BYTES = 4 * Lanes.COUNT;

    /** Where a product that does not go on from earlier sums starts: one vector of zeros, read with stride 0. */
    private static final MemorySegment ZERO_VECTOR = Arena.global().allocate(Lanes.BYTES, Memory.ALIGNMENT);

    private static final long ZEROS = ZERO_VECTOR.address();

    private TileProduct() {}

    /**
     * Two vectors: {@code C0[r] = factor · Σ A[r,k] B0[k]} and the same for B1. All addresses absolute, all strides in bytes.
     *
     * @param a address of A; {@code aRow} to the next row, {@code aStep} to the next k of a tile, {@code aTile} to the next tile
     * @param b0 first B vector; {@code b1} the second; {@code bStep}, {@code bTile} as for A
     * @param c0 where row 0 goes for B0; {@code c1} for B1; {@code cRow} to the next row
     * @param accumulate start the chains from C instead of 0 (the factor is then 1)
     */
    static void eight(
            long a,
            long aRow,
            long aStep,
            long aTile,
            long b0,
            long b1,
            long bStep,
            long bTile,
            int steps,
            int tiles,
            long c0,
            long c1,
            long cRow,
            float factor,
            boolean accumulate) {
        long start0 = accumulate ? c0 : ZEROS;
        long start1 = accumulate ? c1 : ZEROS;
        long startRow = accumulate ? cRow : 0;
        FloatVector s00 = FloatVector.fromMemorySegment(SPECIES, ALL, start0, ORDER);
        FloatVector s01 = FloatVector.fromMemorySegment(SPECIES, ALL, start1, ORDER);
        FloatVector s10 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + startRow, ORDER);
        FloatVector s11 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + startRow, ORDER);
        FloatVector s20 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 2 * startRow, ORDER);
        FloatVector s21 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 2 * startRow, ORDER);
        FloatVector s30 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 3 * startRow, ORDER);
        FloatVector s31 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 3 * startRow, ORDER);
        FloatVector s40 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 4 * startRow, ORDER);
        FloatVector s41 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 4 * startRow, ORDER);
        FloatVector s50 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 5 * startRow, ORDER);
        FloatVector s51 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 5 * startRow, ORDER);
        FloatVector s60 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 6 * startRow, ORDER);
        FloatVector s61 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 6 * startRow, ORDER);
        FloatVector s70 = FloatVector.fromMemorySegment(SPECIES, ALL, start0 + 7 * startRow, ORDER);
        FloatVector s71 = FloatVector.fromMemorySegment(SPECIES, ALL, start1 + 7 * startRow, ORDER);
        long second = b1 - b0;
        long aRow3 = 3 * aRow;
        for (int tile = 0; tile < tiles; tile++) {
            long x = a + tile * aTile;
            long y = b0 + tile * bTile;
            for (int k = 0; k < steps; k++) {
                long fifth = x + 4 * aRow;
                float x0 = ALL.get(FLOAT, x);
                float x1 = ALL.get(FLOAT, x + aRow);
                float x2 = ALL.get(FLOAT, x + 2 * aRow);
                float x3 = ALL.get(FLOAT, x + aRow3);
                float x4 = ALL.get(FLOAT, fifth);
                float x5 = ALL.get(FLOAT, fifth + aRow);
                float x6 = ALL.get(FLOAT, fifth + 2 * aRow);
                float x7 = ALL.get(FLOAT, fifth + aRow3);
                FloatVector v0 = FloatVector.fromMemorySegment(SPECIES, ALL, y, ORDER);
                FloatVector v1 = FloatVector.fromMemorySegment(SPECIES, ALL, y + second, ORDER);
                FloatVector e0 = FloatVector.broadcast(SPECIES, x0);
                s00 = e0.fma(v0, s00);
                s01 = e0.fma(v1, s01);
                FloatVector e1 = FloatVector.broadcast(SPECIES, x1);
                s10 = e1.fma(v0, s10);
                s11 = e1.fma(v1, s11);
                FloatVector e2 = FloatVector.broadcast(SPECIES, x2);
                s20 = e2.fma(v0, s20);
                s21 = e2.fma(v1, s21);
                FloatVector e3 = FloatVector.broadcast(SPECIES, x3);
                s30 = e3.fma(v0, s30);
                s31 = e3.fma(v1, s31);
                FloatVector e4 = FloatVector.broadcast(SPECIES, x4);
                s40 = e4.fma(v0, s40);
                s41 = e4.fma(v1, s41);
                FloatVector e5 = FloatVector.broadcast(SPECIES, x5);
                s50 = e5.fma(v0, s50);
                s51 = e5.fma(v1, s51);
                FloatVector e6 = FloatVector.broadcast(SPECIES, x6);
                s60 = e6.fma(v0, s60);
                s61 = e6.fma(v1, s61);
                FloatVector e7 = FloatVector.broadcast(SPECIES, x7);
                s70 = e7.fma(v0, s70);
                s71 = e7.fma(v1, s71);
                x += aStep;
                y += bStep;
            }
        }
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        s00.mul(f).intoMemorySegment(ALL, c0, ORDER);
        s01.mul(f).intoMemorySegment(ALL, c1, ORDER);
        s10.mul(f).intoMemorySegment(ALL, c0 + cRow, ORDER);
        s11.mul(f).intoMemorySegment(ALL, c1 + cRow, ORDER);
        s20.mul(f).intoMemorySegment(ALL, c0 + 2 * cRow, ORDER);
        s21.mul(f).intoMemorySegment(ALL, c1 + 2 * cRow, ORDER);
        s30.mul(f).intoMemorySegment(ALL, c0 + 3 * cRow, ORDER);
        s31.mul(f).intoMemorySegment(ALL, c1 + 3 * cRow, ORDER);
        s40.mul(f).intoMemorySegment(ALL, c0 + 4 * cRow, ORDER);
        s41.mul(f).intoMemorySegment(ALL, c1 + 4 * cRow, ORDER);
        s50.mul(f).intoMemorySegment(ALL, c0 + 5 * cRow, ORDER);
        s51.mul(f).intoMemorySegment(ALL, c1 + 5 * cRow, ORDER);
        s60.mul(f).intoMemorySegment(ALL, c0 + 6 * cRow, ORDER);
        s61.mul(f).intoMemorySegment(ALL, c1 + 6 * cRow, ORDER);
        s70.mul(f).intoMemorySegment(ALL, c0 + 7 * cRow, ORDER);
        s71.mul(f).intoMemorySegment(ALL, c1 + 7 * cRow, ORDER);
    }

    /** One vector: {@link #eight(long, long, long, long, long, long, long, long, int, int, long, long, long, float, boolean)} without B1. */
    static void eight(
            long a,
            long aRow,
            long aStep,
            long aTile,
            long b,
            long bStep,
            long bTile,
            int steps,
            int tiles,
            long c,
            long cRow,
            float factor,
            boolean accumulate) {
        long start = accumulate ? c : ZEROS;
        long startRow = accumulate ? cRow : 0;
        FloatVector s0 = FloatVector.fromMemorySegment(SPECIES, ALL, start, ORDER);
        FloatVector s1 = FloatVector.fromMemorySegment(SPECIES, ALL, start + startRow, ORDER);
        FloatVector s2 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 2 * startRow, ORDER);
        FloatVector s3 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 3 * startRow, ORDER);
        FloatVector s4 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 4 * startRow, ORDER);
        FloatVector s5 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 5 * startRow, ORDER);
        FloatVector s6 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 6 * startRow, ORDER);
        FloatVector s7 = FloatVector.fromMemorySegment(SPECIES, ALL, start + 7 * startRow, ORDER);
        long aRow3 = 3 * aRow;
        for (int tile = 0; tile < tiles; tile++) {
            long x = a + tile * aTile;
            long y = b + tile * bTile;
            for (int k = 0; k < steps; k++) {
                long fifth = x + 4 * aRow;
                float x0 = ALL.get(FLOAT, x);
                float x1 = ALL.get(FLOAT, x + aRow);
                float x2 = ALL.get(FLOAT, x + 2 * aRow);
                float x3 = ALL.get(FLOAT, x + aRow3);
                float x4 = ALL.get(FLOAT, fifth);
                float x5 = ALL.get(FLOAT, fifth + aRow);
                float x6 = ALL.get(FLOAT, fifth + 2 * aRow);
                float x7 = ALL.get(FLOAT, fifth + aRow3);
                FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, y, ORDER);
                s0 = FloatVector.broadcast(SPECIES, x0).fma(v, s0);
                s1 = FloatVector.broadcast(SPECIES, x1).fma(v, s1);
                s2 = FloatVector.broadcast(SPECIES, x2).fma(v, s2);
                s3 = FloatVector.broadcast(SPECIES, x3).fma(v, s3);
                s4 = FloatVector.broadcast(SPECIES, x4).fma(v, s4);
                s5 = FloatVector.broadcast(SPECIES, x5).fma(v, s5);
                s6 = FloatVector.broadcast(SPECIES, x6).fma(v, s6);
                s7 = FloatVector.broadcast(SPECIES, x7).fma(v, s7);
                x += aStep;
                y += bStep;
            }
        }
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        s0.mul(f).intoMemorySegment(ALL, c, ORDER);
        s1.mul(f).intoMemorySegment(ALL, c + cRow, ORDER);
        s2.mul(f).intoMemorySegment(ALL, c + 2 * cRow, ORDER);
        s3.mul(f).intoMemorySegment(ALL, c + 3 * cRow, ORDER);
        s4.mul(f).intoMemorySegment(ALL, c + 4 * cRow, ORDER);
        s5.mul(f).intoMemorySegment(ALL, c + 5 * cRow, ORDER);
        s6.mul(f).intoMemorySegment(ALL, c + 6 * cRow, ORDER);
        s7.mul(f).intoMemorySegment(ALL, c + 7 * cRow, ORDER);
    }

    /**
     * One row by {@code vectors} vectors, for decoding, where a sequence has a single query: four vectors at a time, so that
     * four chains hide each other's latency. Strides as in the products of eight rows; {@code bVector} and {@code cVector}
     * lead to the next vector.
     */
    static void one(
            long a,
            long aStep,
            long aTile,
            long b,
            long bVector,
            long bStep,
            long bTile,
            int steps,
            int tiles,
            int vectors,
            long c,
            long cVector,
            float factor) {
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        int vector = 0;
        for (; vector + 4 <= vectors; vector += 4) {
            FloatVector s0 = FloatVector.zero(SPECIES),
                    s1 = FloatVector.zero(SPECIES),
                    s2 = FloatVector.zero(SPECIES),
                    s3 = FloatVector.zero(SPECIES);
            long bVector3 = 3 * bVector;
            for (int tile = 0; tile < tiles; tile++) {
                long x = a + tile * aTile;
                long y = b + vector * bVector + tile * bTile;
                for (int k = 0; k < steps; k++) {
                    FloatVector e = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, x));
                    s0 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y, ORDER), s0);
                    s1 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y + bVector, ORDER), s1);
                    s2 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y + 2 * bVector, ORDER), s2);
                    s3 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y + bVector3, ORDER), s3);
                    x += aStep;
                    y += bStep;
                }
            }
            long z = c + vector * cVector;
            s0.mul(f).intoMemorySegment(ALL, z, ORDER);
            s1.mul(f).intoMemorySegment(ALL, z + cVector, ORDER);
            s2.mul(f).intoMemorySegment(ALL, z + 2 * cVector, ORDER);
            s3.mul(f).intoMemorySegment(ALL, z + 3 * cVector, ORDER);
        }
        for (; vector + 2 <= vectors; vector += 2) {
            FloatVector s0 = FloatVector.zero(SPECIES), s1 = FloatVector.zero(SPECIES);
            for (int tile = 0; tile < tiles; tile++) {
                long x = a + tile * aTile;
                long y = b + vector * bVector + tile * bTile;
                for (int k = 0; k < steps; k++) {
                    FloatVector e = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, x));
                    s0 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y, ORDER), s0);
                    s1 = e.fma(FloatVector.fromMemorySegment(SPECIES, ALL, y + bVector, ORDER), s1);
                    x += aStep;
                    y += bStep;
                }
            }
            long z = c + vector * cVector;
            s0.mul(f).intoMemorySegment(ALL, z, ORDER);
            s1.mul(f).intoMemorySegment(ALL, z + cVector, ORDER);
        }
        if (vector < vectors) {
            FloatVector s = FloatVector.zero(SPECIES);
            for (int tile = 0; tile < tiles; tile++) {
                long x = a + tile * aTile;
                long y = b + vector * bVector + tile * bTile;
                for (int k = 0; k < steps; k++) {
                    s = FloatVector.broadcast(SPECIES, ALL.get(FLOAT, x))
                            .fma(FloatVector.fromMemorySegment(SPECIES, ALL, y, ORDER), s);
                    x += aStep;
                    y += bStep;
                }
            }
            s.mul(f).intoMemorySegment(ALL, c + vector * cVector, ORDER);
        }
    }

    /**
     * {@code C[8][0 .. width) = Σ A[r,k] B[k][0 .. width)} for rows of B of any width: the last vector overlaps the one before it
     * (the overlap is computed twice, with the same bits); rows narrower than a vector go element by element. Not with accumulate,
     * which the overlap would add twice.
     */
    static void eightRows(
            long a,
            long aRow,
            long aStep,
            long aTile,
            long b,
            long bStep,
            long bTile,
            int steps,
            int tiles,
            int width,
            long c,
            long cRow) {
        if (width < Lanes.COUNT) {
            for (int r = 0; r < ROWS; r++) {
                oneNarrowRow(a + r * aRow, aStep, aTile, b, bStep, bTile, steps, tiles, width, c + r * cRow);
            }
            return;
        }
        int d = 0;
        for (; width - d > Lanes.COUNT; d += 2 * Lanes.COUNT) {
            long first = 4L * d;
            long second = 4L * Math.min(d + Lanes.COUNT, width - Lanes.COUNT);
            eight(
                    a,
                    aRow,
                    aStep,
                    aTile,
                    b + first,
                    b + second,
                    bStep,
                    bTile,
                    steps,
                    tiles,
                    c + first,
                    c + second,
                    cRow,
                    1f,
                    false);
        }
        if (d < width) {
            long last = 4L * (width - Lanes.COUNT);
            eight(a, aRow, aStep, aTile, b + last, bStep, bTile, steps, tiles, c + last, cRow, 1f, false);
        }
    }

    /** {@link #eightRows} for one row. */
    static void oneRow(
            long a, long aStep, long aTile, long b, long bStep, long bTile, int steps, int tiles, int width, long c) {
        if (width < Lanes.COUNT) {
            oneNarrowRow(a, aStep, aTile, b, bStep, bTile, steps, tiles, width, c);
            return;
        }
        int whole = width / Lanes.COUNT;
        one(a, aStep, aTile, b, BYTES, bStep, bTile, steps, tiles, whole, c, BYTES, 1f);
        if (whole * Lanes.COUNT < width) {
            long last = 4L * (width - Lanes.COUNT);
            one(a, aStep, aTile, b + last, BYTES, bStep, bTile, steps, tiles, 1, c + last, BYTES, 1f);
        }
    }

    /** The same chains, one float at a time, for rows narrower than a vector. */
    private static void oneNarrowRow(
            long a, long aStep, long aTile, long b, long bStep, long bTile, int steps, int tiles, int width, long c) {
        for (int d = 0; d < width; d++) {
            float sum = 0f;
            for (int tile = 0; tile < tiles; tile++) {
                for (int k = 0; k < steps; k++) {
                    sum = Math.fma(
                            Memory.getFloat(a + tile * aTile + k * aStep),
                            Memory.getFloat(b + tile * bTile + k * bStep + 4L * d),
                            sum);
                }
            }
            Memory.setFloat(c + 4L * d, sum);
        }
    }
}
