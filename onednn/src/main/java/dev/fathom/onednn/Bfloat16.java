package dev.fathom.onednn;

import dev.fathom.engine.Memory;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Floats to bfloat16 in memory, to nearest even as {@link Memory#toBf16}. */
final class Bfloat16 {
    private static final VectorSpecies<Integer> INTS =
            FloatVector.SPECIES_PREFERRED.length() == 16 ? IntVector.SPECIES_512 : IntVector.SPECIES_256;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, INTS.length() == 16 ? VectorShape.S_256_BIT : VectorShape.S_128_BIT);

    private Bfloat16() {}

    /**
     * Rounds a matrix into a dense one.
     *
     * @param from address of floats, rows {@code fromStride} bytes apart
     * @param to address of {@code rows x columns} bfloat16 values
     */
    static void round(long from, long fromStride, int rows, int columns, long to) {
        if (fromStride == 4L * columns) {
            round(from, (long) rows * columns, to);
            return;
        }
        for (int r = 0; r < rows; r++) {
            round(from + r * fromStride, columns, to + 2L * r * columns);
        }
    }

    private static void round(long from, long count, long to) {
        long vectors = count - count % INTS.length();
        for (long i = 0; i < vectors; i += INTS.length()) {
            IntVector bits = IntVector.fromMemorySegment(INTS, Memory.ALL, from + 4 * i, Memory.ORDER);
            IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
            IntVector nearest = bits.add(0x7fff).add(odd);
            VectorMask<Integer> nan = bits.and(0x7fff_ffff).compare(VectorOperators.GT, 0x7f80_0000);
            IntVector upper = nearest.blend(bits.or(0x40_0000), nan).lanewise(VectorOperators.LSHR, 16);
            ShortVector values = (ShortVector) upper.convertShape(VectorOperators.I2S, SHORTS, 0);
            values.intoMemorySegment(Memory.ALL, to + 2 * i, Memory.ORDER);
        }
        for (long i = vectors; i < count; i++) {
            Memory.ALL.set(Memory.SHORT, to + 2 * i, Memory.toBf16(Memory.getFloat(from + 4 * i)));
        }
    }
}
