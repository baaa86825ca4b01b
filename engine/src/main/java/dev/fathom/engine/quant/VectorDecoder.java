package dev.fathom.engine.quant;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static dev.fathom.engine.quant.BitPlanes.BYTES;
import static dev.fathom.engine.quant.BitPlanes.FLOATS;
import static dev.fathom.engine.quant.BitPlanes.INTS;
import static dev.fathom.engine.quant.BitPlanes.LANES;
import static dev.fathom.engine.quant.BitPlanes.half;

import dev.fathom.engine.Memory;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.Vector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The plain formats and the blocks of 32 elements, vectorised. Layouts are explained in {@link ReferenceDecoder}, method by method;
 * parameters are absolute addresses and a number of blocks.
 */
final class VectorDecoder {
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));
    private static final IntVector LANE = IntVector.zero(INTS).addIndex(1);

    private VectorDecoder() {}

    // ---- plain formats

    static void f32(long block, long count, long y) {
        Memory.copy(block, y, 4 * count);
    }

    static void bf16(long block, long count, long y) {
        long i = 0;
        for (; i <= count - LANES; i += LANES) {
            ShortVector bits = ShortVector.fromMemorySegment(SHORTS, ALL, block + 2 * i, ORDER);
            IntVector wide = (IntVector) bits.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            wide.lanewise(VectorOperators.LSHL, 16).intoMemorySegment(ALL, y + 4 * i, ORDER);
        }
        for (; i < count; i++) {
            Memory.setFloat(y + 4 * i, Memory.fromBf16(ALL.get(Memory.SHORT, block + 2 * i)));
        }
    }

    /**
     * A binary16 has 5 bits of exponent (bias 15) and 10 of fraction, a binary32 has 8 (bias 127) and 23. Exponent and fraction move up by 13 bits;
     * normal numbers then lack 112 in the exponent, infinity and NaN have all its bits set, and a subnormal number is its fraction times 2^-24.
     */
    static void f16(long block, long count, long y) {
        long i = 0;
        for (; i <= count - LANES; i += LANES) {
            ShortVector bits = ShortVector.fromMemorySegment(SHORTS, ALL, block + 2 * i, ORDER);
            IntVector wide = (IntVector) bits.convertShape(VectorOperators.S2I, INTS, 0);
            IntVector magnitude = wide.and(0x7fff);
            IntVector moved = magnitude.lanewise(VectorOperators.LSHL, 13);
            VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x7c00);
            VectorMask<Integer> subnormal = magnitude.compare(VectorOperators.LT, 0x400);
            FloatVector small = ((FloatVector) magnitude.convert(VectorOperators.I2F, 0)).mul(0x1p-24f);
            IntVector result = moved.add(112 << 23)
                    .blend(moved.or(0x7f80_0000), special)
                    .blend(small.reinterpretAsInts(), subnormal);
            result.or(wide.and(0x8000_0000)).intoMemorySegment(ALL, y + 4 * i, ORDER);
        }
        for (; i < count; i++) {
            Memory.setFloat(y + 4 * i, half(block + 2 * i));
        }
    }

    // ---- blocks of 32 elements

    static void q8v0(long block, long count, long y) {
        for (long end = block + 34 * count; block < end; block += 34, y += 4 * 32) {
            float d = half(block);
            for (int from = 0; from < 32; from += 16) {
                Vector<Byte> sixteen = ByteVector.fromMemorySegment(BYTES, ALL, block + 2 + from, ORDER);
                for (int i = 0; i < 16; i += LANES) {
                    FloatVector x = (FloatVector) sixteen.convertShape(VectorOperators.B2F, FLOATS, i / LANES);
                    x.mul(d).intoMemorySegment(ALL, y + 4L * (from + i), ORDER);
                }
            }
        }
    }

    static void q4v0(long block, long count, long y) {
        for (long end = block + 18 * count; block < end; block += 18, y += 4 * 32) {
            float d = half(block);
            BitPlanes.scaled(block + 2, 0, 15, 8, d, y, 16);
            BitPlanes.scaled(block + 2, 4, 15, 8, d, y + 4 * 16, 16);
        }
    }

    static void q4v1(long block, long count, long y) {
        for (long end = block + 20 * count; block < end; block += 20, y += 4 * 32) {
            float d = half(block);
            float m = half(block + 2);
            BitPlanes.offset(block + 4, 0, 15, d, -m, y, 16);
            BitPlanes.offset(block + 4, 4, 15, d, -m, y + 4 * 16, 16);
        }
    }

    static void q5v0(long block, long count, long y) {
        for (long end = block + 22 * count; block < end; block += 22, y += 4 * 32) {
            float d = half(block);
            int high = Memory.getInt(block + 2);
            ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, block + 6, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector q = (IntVector) sixteen.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                IntVector bit = IntVector.broadcast(INTS, high).lanewise(VectorOperators.LSHR, LANE.add(i));
                IntVector first = bit.and(1).lanewise(VectorOperators.LSHL, 4).or(q.and(15));
                IntVector second = bit.lanewise(VectorOperators.LSHR, 16)
                        .and(1)
                        .lanewise(VectorOperators.LSHL, 4)
                        .or(q.lanewise(VectorOperators.LSHR, 4));
                FloatVector x = (FloatVector) first.sub(16).convert(VectorOperators.I2F, 0);
                FloatVector z = (FloatVector) second.sub(16).convert(VectorOperators.I2F, 0);
                x.mul(d).intoMemorySegment(ALL, y + 4L * i, ORDER);
                z.mul(d).intoMemorySegment(ALL, y + 4L * (16 + i), ORDER);
            }
        }
    }

    static void q5v1(long block, long count, long y) {
        for (long end = block + 24 * count; block < end; block += 24, y += 4 * 32) {
            float d = half(block);
            float m = half(block + 2);
            int high = Memory.getInt(block + 4);
            ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, block + 8, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector q = (IntVector) sixteen.convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, i / LANES);
                IntVector bit = IntVector.broadcast(INTS, high).lanewise(VectorOperators.LSHR, LANE.add(i));
                IntVector first = bit.and(1).lanewise(VectorOperators.LSHL, 4).or(q.and(15));
                IntVector second = bit.lanewise(VectorOperators.LSHR, 16)
                        .and(1)
                        .lanewise(VectorOperators.LSHL, 4)
                        .or(q.lanewise(VectorOperators.LSHR, 4));
                FloatVector x = (FloatVector) first.convert(VectorOperators.I2F, 0);
                FloatVector z = (FloatVector) second.convert(VectorOperators.I2F, 0);
                x.mul(d).add(m).intoMemorySegment(ALL, y + 4L * i, ORDER);
                z.mul(d).add(m).intoMemorySegment(ALL, y + 4L * (16 + i), ORDER);
            }
        }
    }

    static void iq4nl(long block, long count, long y) {
        for (long end = block + 18 * count; block < end; block += 18, y += 4 * 32) {
            BitPlanes.nonlinear(block + 2, half(block), y);
        }
    }
}
