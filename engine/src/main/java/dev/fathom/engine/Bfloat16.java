package dev.fathom.engine;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Floats to bfloat16 in memory, to nearest even as {@link Memory#toBf16}, and back. */
public final class Bfloat16 {
    private static final VectorSpecies<Integer> INTS =
            FloatVector.SPECIES_PREFERRED.length() == 16 ? IntVector.SPECIES_512 : IntVector.SPECIES_256;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, INTS.length() == 16 ? VectorShape.S_256_BIT : VectorShape.S_128_BIT);

    private Bfloat16() {}

    /**
     * Rounds the rows of a matrix.
     *
     * @param from address of floats, rows {@code fromStride} bytes apart
     * @param to address of bfloat16 values, rows {@code toStride} bytes apart
     */
    public static void round(long from, long fromStride, int rows, int columns, long to, long toStride) {
        if (fromStride == 4L * columns && toStride == 2L * columns) {
            round(from, (long) rows * columns, to);
            return;
        }
        for (int r = 0; r < rows; r++) {
            round(from + r * fromStride, columns, to + r * toStride);
        }
    }

    /** The rows of an operand as bfloat16 values: rounded if they are F32, copied if they are BF16. As {@link #round}. */
    public static void rows(DType type, long from, long fromStride, int rows, int columns, long to, long toStride) {
        if (type == DType.F32) {
            round(from, fromStride, rows, columns, to, toStride);
            return;
        }
        for (int r = 0; r < rows; r++) {
            Memory.copy(from + r * fromStride, to + r * toStride, 2L * columns);
        }
    }

    /** {@code to[i] = from[i]}, exactly: bfloat16 values to floats. */
    public static void widen(long from, int columns, long to) {
        int i = 0;
        for (; i <= columns - INTS.length(); i += INTS.length()) {
            IntVector values =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, Memory.ALL, from + 2L * i, Memory.ORDER)
                            .convertShape(VectorOperators.S2I, INTS, 0);
            values.lanewise(VectorOperators.LSHL, 16).intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
        }
        for (; i < columns; i++) {
            Memory.setFloat(to + 4L * i, Memory.fromBf16(Memory.ALL.get(Memory.SHORT, from + 2L * i)));
        }
    }

    /**
     * Rounds two rows into one row of pairs, {@code even} in the lower half of each 32 bits and {@code odd} in the upper: neighbours along a
     * reduction over rows, as bf16 dot products take them.
     *
     * @param even address of the first row's floats
     * @param odd of the second row's
     * @param to address of {@code columns} ints
     */
    public static void zip(long even, long odd, int columns, long to) {
        int i = 0;
        for (; i <= columns - INTS.length(); i += INTS.length()) {
            IntVector a = IntVector.fromMemorySegment(INTS, Memory.ALL, even + 4L * i, Memory.ORDER);
            IntVector b = IntVector.fromMemorySegment(INTS, Memory.ALL, odd + 4L * i, Memory.ORDER);
            VectorMask<Integer> aNan = a.and(0x7fff_ffff).compare(VectorOperators.GT, 0x7f80_0000);
            VectorMask<Integer> bNan = b.and(0x7fff_ffff).compare(VectorOperators.GT, 0x7f80_0000);
            IntVector low = a.add(0x7fff)
                    .add(a.lanewise(VectorOperators.LSHR, 16).and(1))
                    .blend(a.or(0x40_0000), aNan);
            IntVector high = b.add(0x7fff)
                    .add(b.lanewise(VectorOperators.LSHR, 16).and(1))
                    .blend(b.or(0x40_0000), bNan);
            low.lanewise(VectorOperators.LSHR, 16)
                    .or(high.and(0xffff_0000))
                    .intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
        }
        for (; i < columns; i++) {
            Memory.setInt(to + 4L * i, pair(Memory.getFloat(even + 4L * i), Memory.getFloat(odd + 4L * i)));
        }
    }

    /**
     * Rounds one row into one half of each pair and leaves the other as it is.
     *
     * @param row address of the floats
     * @param upper which half
     * @param to address of {@code columns} ints
     */
    static void zipHalf(long row, boolean upper, int columns, long to) {
        int other = upper ? 0xffff : 0xffff_0000;
        int i = 0;
        for (; i <= columns - INTS.length(); i += INTS.length()) {
            IntVector bits = IntVector.fromMemorySegment(INTS, Memory.ALL, row + 4L * i, Memory.ORDER);
            VectorMask<Integer> nan = bits.and(0x7fff_ffff).compare(VectorOperators.GT, 0x7f80_0000);
            IntVector nearest = bits.add(0x7fff)
                    .add(bits.lanewise(VectorOperators.LSHR, 16).and(1))
                    .blend(bits.or(0x40_0000), nan)
                    .and(0xffff_0000);
            IntVector half = upper ? nearest : nearest.lanewise(VectorOperators.LSHR, 16);
            IntVector.fromMemorySegment(INTS, Memory.ALL, to + 4L * i, Memory.ORDER)
                    .and(other)
                    .or(half)
                    .intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
        }
        for (; i < columns; i++) {
            Memory.ALL.set(Memory.SHORT, to + 4L * i + (upper ? 2 : 0), Memory.toBf16(Memory.getFloat(row + 4L * i)));
        }
    }

    /** As {@link #zip} with zeros for the second row. */
    public static void zipLast(long even, int columns, long to) {
        for (int i = 0; i < columns; i++) {
            Memory.setInt(to + 4L * i, pair(Memory.getFloat(even + 4L * i), 0));
        }
    }

    /** Two bfloat16 values in 32 bits, the first in the lower half. */
    public static int pair(float low, float high) {
        return Memory.toBf16(low) & 0xffff | Memory.toBf16(high) << 16;
    }

    /** {@code to[i] = from[i]}, rounded. */
    static void round(long from, long count, long to) {
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
