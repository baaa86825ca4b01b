package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector species of the kernels and the sixteen virtual lanes of every row reduction.
 *
 * <p><b>Sixteen lanes on any machine.</b> A reduction adds element {@code i} to lane {@code i mod 16}. Where a vector has 16 lanes, one
 * accumulator is all of them. Where it has 8 or 4, a kernel walks the row twice or four times, each pass taking every other (fourth) vector:
 *
 * <pre>{@code
 * for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
 *     FloatVector sum = zero;
 *     for (int i = part; i < columns; i += Lanes.VIRTUAL) { sum = ...; }
 *     sum.intoMemory(lanes + 4 * part);
 * }
 * return Lanes.sum(lanes);
 * }</pre>
 *
 * The sixteen partial sums go through 64 bytes of scratch memory and are added pairwise, so that the bits are the same on machines of any
 * vector width. Masked-off elements load as 0 and leave their lane as it is.
 *
 * <p><b>No helper methods around vectors.</b> C2 inlines a method's callees until its graph has had 18,000 nodes (one vector operation
 * costs some 300); afterwards only the Vector API itself, which is marked for it. A vector passed to a helper that is no longer inlined becomes
 * an object, and the loop ten times slower ({@code docs/log.md}). So kernels spell out loads and stores, call {@link VectorMath} before
 * anything else, and leave the tail of a row with an exponential to its scalar twin.
 */
public final class Lanes {
    /** What the machine prefers; the results do not depend on it. */
    static final VectorSpecies<Float> SPECIES = preferred();

    /** Lanes of a machine vector. */
    static final int COUNT = SPECIES.length();

    /** Lanes of a reduction. */
    static final int VIRTUAL = 16;

    /** Bytes of scratch memory for the partial sums of one reduction. */
    public static final long BYTES = 4L * VIRTUAL;

    private Lanes() {}

    private static VectorSpecies<Float> preferred() {
        VectorSpecies<Float> species = FloatVector.SPECIES_PREFERRED;
        // A machine with more than 16 lanes (scalable vectors) works with 16 of them.
        return species.length() > VIRTUAL ? FloatVector.SPECIES_512 : species;
    }

    /** The pairwise sum of sixteen lanes in memory: 8+8, 4+4, 2+2, 1+1. */
    public static float sum(long lanes) {
        float s0 = Memory.getFloat(lanes) + Memory.getFloat(lanes + 32);
        float s1 = Memory.getFloat(lanes + 4) + Memory.getFloat(lanes + 36);
        float s2 = Memory.getFloat(lanes + 8) + Memory.getFloat(lanes + 40);
        float s3 = Memory.getFloat(lanes + 12) + Memory.getFloat(lanes + 44);
        float s4 = Memory.getFloat(lanes + 16) + Memory.getFloat(lanes + 48);
        float s5 = Memory.getFloat(lanes + 20) + Memory.getFloat(lanes + 52);
        float s6 = Memory.getFloat(lanes + 24) + Memory.getFloat(lanes + 56);
        float s7 = Memory.getFloat(lanes + 28) + Memory.getFloat(lanes + 60);
        return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7));
    }

    /** {@code out[i] = x[i] + y[i]}; out may be one of them. */
    public static void add(long x, long y, long out, int count) {
        VectorElementwise.add(x, y, out, count);
    }

    /** {@code Σ x[i]} over a row, in the sixteen lanes. */
    static float sumOfRow(long x, int columns, long lanes) {
        for (int part = 0; part < VIRTUAL; part += COUNT) {
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int i = part; i <= columns - COUNT; i += VIRTUAL) {
                sum = sum.add(fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER));
            }
            sum.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        for (int i = columns - columns % COUNT; i < columns; i++) {
            long lane = lanes + 4L * (i % VIRTUAL);
            Memory.setFloat(lane, Memory.getFloat(lane) + Memory.getFloat(x + 4L * i));
        }
        return sum(lanes);
    }

    /** {@code Σ x[i] y[i]} over a row, in the sixteen lanes. A masked last step would let the sum escape as an object. */
    public static float dot(long x, long y, int columns, long lanes) {
        for (int part = 0; part < VIRTUAL; part += COUNT) {
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int i = part; i <= columns - COUNT; i += VIRTUAL) {
                sum = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                        .fma(fromMemorySegment(SPECIES, ALL, y + 4L * i, ORDER), sum);
            }
            sum.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        for (int i = columns - columns % COUNT; i < columns; i++) {
            long lane = lanes + 4L * (i % VIRTUAL);
            float product = Math.fma(Memory.getFloat(x + 4L * i), Memory.getFloat(y + 4L * i), Memory.getFloat(lane));
            Memory.setFloat(lane, product);
        }
        return sum(lanes);
    }
}
