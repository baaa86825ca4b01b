package dev.fathom.engine.quant;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import dev.fathom.engine.Memory;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops that almost all block types consist of: integers of a few bits, one from each of some consecutive bytes (a plane), times a scale,
 * minus an offset.
 *
 * <p>Sixteen bytes are loaded at a time, on every machine; they become one vector of 16 floats, two of 8 or four of 4. Counts are multiples
 * of 16 in all types. Arguments are addresses and numbers, never vectors: a vector handed to a method that is not inlined is an object on the
 * heap (docs/log.md).
 */
final class BitPlanes {
    static final VectorSpecies<Float> FLOATS = preferred();
    static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);
    static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_128;

    /** Floats of a machine vector. */
    static final int LANES = FLOATS.length();

    private BitPlanes() {}

    private static VectorSpecies<Float> preferred() {
        VectorSpecies<Float> species = FloatVector.SPECIES_PREFERRED;
        return species.length() > 16 ? FloatVector.SPECIES_512 : species;
    }

    /** {@code y[i] = scale (q[i] - zero)} with {@code q[i] = bytes[i] >> shift & mask}. */
    static void scaled(long bytes, int shift, int mask, int zero, float scale, long y, int count) {
        for (int from = 0; from < count; from += 16) {
            ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, bytes + from, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector q = (IntVector) sixteen.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                q = q.lanewise(VectorOperators.LSHR, shift).and(mask).sub(zero);
                FloatVector x = (FloatVector) q.convert(VectorOperators.I2F, 0);
                x.mul(scale).intoMemorySegment(ALL, y + 4L * (from + i), ORDER);
            }
        }
    }

    /** {@code y[i] = scale q[i] - offset} with {@code q[i] = bytes[i] >> shift & mask}. */
    static void offset(long bytes, int shift, int mask, float scale, float offset, long y, int count) {
        for (int from = 0; from < count; from += 16) {
            ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, bytes + from, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector q = (IntVector) sixteen.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                q = q.lanewise(VectorOperators.LSHR, shift).and(mask);
                FloatVector x = (FloatVector) q.convert(VectorOperators.I2F, 0);
                x.mul(scale).sub(offset).intoMemorySegment(ALL, y + 4L * (from + i), ORDER);
            }
        }
    }

    /** {@code y[i] = scale (q[i] - zero)} with {@code q[i]} made of low bits from one plane and high bits from another. */
    static void scaled(
            Planes planes, long low, int lowShift, long high, int highShift, float scale, long y, int count) {
        int lowMask = (1 << planes.lowBits) - 1;
        int highMask = (1 << planes.highBits) - 1;
        for (int from = 0; from < count; from += 16) {
            ByteVector lows = ByteVector.fromMemorySegment(BYTES, ALL, low + from, ORDER);
            ByteVector highs = ByteVector.fromMemorySegment(BYTES, ALL, high + from, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector l = (IntVector) lows.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                IntVector h = (IntVector) highs.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                l = l.lanewise(VectorOperators.LSHR, lowShift).and(lowMask);
                h = h.lanewise(VectorOperators.LSHR, highShift).and(highMask);
                IntVector q =
                        h.lanewise(VectorOperators.LSHL, planes.lowBits).or(l).sub(planes.zero);
                FloatVector x = (FloatVector) q.convert(VectorOperators.I2F, 0);
                x.mul(scale).intoMemorySegment(ALL, y + 4L * (from + i), ORDER);
            }
        }
    }

    /** {@code y[i] = scale q[i] - offset} with {@code q[i]} made of four bits from one plane and a fifth from another. */
    static void offset(long low, int lowShift, long high, int highShift, float scale, float offset, long y, int count) {
        for (int from = 0; from < count; from += 16) {
            ByteVector lows = ByteVector.fromMemorySegment(BYTES, ALL, low + from, ORDER);
            ByteVector highs = ByteVector.fromMemorySegment(BYTES, ALL, high + from, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector l = (IntVector) lows.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                IntVector h = (IntVector) highs.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                l = l.lanewise(VectorOperators.LSHR, lowShift).and(15);
                h = h.lanewise(VectorOperators.LSHR, highShift).and(1);
                IntVector q = h.lanewise(VectorOperators.LSHL, 4).or(l);
                FloatVector x = (FloatVector) q.convert(VectorOperators.I2F, 0);
                x.mul(scale).sub(offset).intoMemorySegment(ALL, y + 4L * (from + i), ORDER);
            }
        }
    }

    /** {@code y[i] = scale NONLINEAR[bytes[i] & 15]} for sixteen bytes, then the same with their high halves for {@code y[16 + i]}. */
    static void nonlinear(long bytes, float scale, long y) {
        ByteVector table = ByteVector.fromArray(BYTES, ReferenceDecoder.NONLINEAR, 0);
        ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, bytes, ORDER);
        ByteVector low = sixteen.and((byte) 15).selectFrom(table);
        ByteVector high = sixteen.lanewise(VectorOperators.LSHR, 4).selectFrom(table);
        for (int i = 0; i < 16; i += LANES) {
            FloatVector x = (FloatVector) low.convertShape(VectorOperators.B2F, FLOATS, i / LANES);
            FloatVector z = (FloatVector) high.convertShape(VectorOperators.B2F, FLOATS, i / LANES);
            x.mul(scale).intoMemorySegment(ALL, y + 4L * i, ORDER);
            z.mul(scale).intoMemorySegment(ALL, y + 4L * (16 + i), ORDER);
        }
    }

    /** How a number is put together from two planes; constants, so that the loop sees constants where it is inlined. */
    record Planes(int lowBits, int highBits, int zero) {}

    // ---- scalars by absolute address

    static float half(long address) {
        return Float.float16ToFloat(ALL.get(Memory.SHORT, address));
    }

    static int signed(long address) {
        return ALL.get(ValueLayout.JAVA_BYTE, address);
    }

    static int unsigned(long address) {
        return ALL.get(ValueLayout.JAVA_BYTE, address) & 0xff;
    }
}
