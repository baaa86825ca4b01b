package dev.fathom.avx512;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import dev.fathom.engine.Lanes;
import dev.fathom.engine.Memory;
import dev.fathom.engine.VectorMath;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What happens to a row of scores between two products: vectors of sixteen positions, one after another. Methods are small, so that
 * C2 inlines the whole of each (see {@link Lanes}).
 */
final class Softmax {
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_256;
    private static final int LANES = MicroKernel.LANES;
    private static final long VECTOR = 4L * LANES;

    private Softmax() {}

    /**
     * Puts {@code filler} after the attended positions in the vector that they end in: unused positions may hold anything, and so may their
     * scores.
     */
    static void mask(long row, int attended, float filler) {
        int last = (attended - 1) / LANES;
        VectorMask<Float> used = FLOATS.indexInRange(0, attended - last * LANES);
        long address = row + last * VECTOR;
        FloatVector.broadcast(FLOATS, filler)
                .blend(FloatVector.fromMemorySegment(FLOATS, ALL, address, ORDER), used)
                .intoMemorySegment(ALL, address, ORDER);
    }

    /** {@code Σ x[i] y[i]} of a bf16 and an f32 row: whole vectors into sixteen lanes, the lanes pairwise, then what is left. */
    static float dot(long x, long y, int columns, long lanes) {
        FloatVector sum = FloatVector.zero(FLOATS);
        int i = 0;
        for (; i <= columns - LANES; i += LANES) {
            IntVector upper = (IntVector) ShortVector.fromMemorySegment(SHORTS, ALL, x + 2L * i, ORDER)
                    .convertShape(VectorOperators.S2I, INTS, 0);
            sum = upper.lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(FLOATS, ALL, y + 4L * i, ORDER), sum);
        }
        sum.intoMemorySegment(ALL, lanes, ORDER);
        float total = Lanes.sum(lanes);
        for (; i < columns; i++) {
            total = Math.fma(Memory.fromBf16(ALL.get(Memory.SHORT, x + 2L * i)), Memory.getFloat(y + 4L * i), total);
        }
        return total;
    }

    /** A row of scores becomes {@code P = exp(scale s - logSumExp)}, a row of dP becomes {@code dS = scale P (dP - D)}. */
    static void gradients(long score, long dWeight, int vectors, float scale, float logSumExp, float correction) {
        FloatVector factor = FloatVector.broadcast(FLOATS, scale);
        FloatVector shift = FloatVector.broadcast(FLOATS, -logSumExp);
        for (long at = 0; at < vectors * VECTOR; at += VECTOR) {
            FloatVector weight = VectorMath.exp(FloatVector.fromMemorySegment(FLOATS, ALL, score + at, ORDER)
                    .fma(factor, shift));
            weight.intoMemorySegment(ALL, score + at, ORDER);
            FloatVector.fromMemorySegment(FLOATS, ALL, dWeight + at, ORDER)
                    .sub(correction)
                    .mul(weight)
                    .mul(factor)
                    .intoMemorySegment(ALL, dWeight + at, ORDER);
        }
    }
}
