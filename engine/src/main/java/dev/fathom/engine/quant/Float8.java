package dev.fathom.engine.quant;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static dev.fathom.engine.quant.BitPlanes.BYTES;
import static dev.fathom.engine.quant.BitPlanes.INTS;
import static dev.fathom.engine.quant.BitPlanes.LANES;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Objects;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The eight-bit floating-point numbers of DeepSeek-V3's checkpoints: E4M3 weights, one scale for each block of 128 x 128. The scale is a
 * binary32 or, from V3.1 on, a power of two, which can be stored as UE8M0.
 *
 * <p>The scalar method of each pair is the specification; the vector one computes the same bits (a weight times its scale rounds once).
 * Source: Micikevicius et al., FP8 Formats for Deep Learning, arXiv 2209.05433, the variant without infinities; Rouhani et al., Microscaling Data
 * Formats, arXiv 2310.10537, for UE8M0.
 */
public final class Float8 {
    /** Rows and columns of the block that shares a scale. */
    public static final int BLOCK = 128;

    private Float8() {}

    /** One bit of sign, four of exponent (bias 7), three of fraction; exponent 0 is subnormal; all bits but the sign set is NaN. */
    public static float fromE4m3(byte bits) {
        int exponent = bits >> 3 & 15;
        int fraction = bits & 7;
        float magnitude;
        if (exponent == 15 && fraction == 7) {
            magnitude = Float.NaN;
        } else if (exponent == 0) {
            magnitude = fraction * 0x1p-9f;
        } else {
            magnitude = Math.scalb(1 + fraction / 8f, exponent - 7);
        }
        return bits < 0 ? -magnitude : magnitude;
    }

    /** Eight bits of exponent (bias 127) and nothing else: a power of two; 255 is NaN. */
    public static float fromE8m0(byte bits) {
        int exponent = bits & 0xff;
        return exponent == 255 ? Float.NaN : Math.scalb(1f, exponent - 127);
    }

    /**
     * Expands one row of weights: {@code target[i] = e4m3(source[i]) scales[i / 128]}.
     *
     * @param source native memory with the row at {@code sourceOffset}
     * @param scales binary32 scales of the row's blocks, native
     * @param target native memory for {@code columns} floats from {@code targetOffset}
     * @throws IndexOutOfBoundsException if a segment is too small
     */
    public static void decodeRow(
            MemorySegment source,
            long sourceOffset,
            MemorySegment scales,
            MemorySegment target,
            long targetOffset,
            int columns) {
        check(source, sourceOffset, scales, target, targetOffset, columns);
        for (int from = 0; from < columns; from += BLOCK) {
            float scale = scales.get(Memory.FLOAT, (long) Float.BYTES * (from / BLOCK));
            int count = Math.min(BLOCK, columns - from);
            decode(source.address() + sourceOffset + from, scale, target.address() + targetOffset + 4L * from, count);
        }
        Reference.reachabilityFence(source);
        Reference.reachabilityFence(target);
    }

    /** The same values as {@link #decodeRow}, element by element. */
    public static void decodeRowReference(
            MemorySegment source,
            long sourceOffset,
            MemorySegment scales,
            MemorySegment target,
            long targetOffset,
            int columns) {
        check(source, sourceOffset, scales, target, targetOffset, columns);
        for (int i = 0; i < columns; i++) {
            float scale = scales.get(Memory.FLOAT, (long) Float.BYTES * (i / BLOCK));
            float weight = fromE4m3(source.get(ValueLayout.JAVA_BYTE, sourceOffset + i));
            target.set(Memory.FLOAT, targetOffset + 4L * i, weight * scale);
        }
    }

    private static void check(
            MemorySegment source,
            long sourceOffset,
            MemorySegment scales,
            MemorySegment target,
            long targetOffset,
            int columns) {
        if (!source.isNative() || !target.isNative()) {
            throw new IllegalArgumentException("rows are decoded between native segments only");
        }
        Objects.checkFromIndexSize(sourceOffset, columns, source.byteSize());
        Objects.checkFromIndexSize(targetOffset, 4L * columns, target.byteSize());
        Objects.checkFromIndexSize(0, 4L * blocks(columns), scales.byteSize());
    }

    /** Number of blocks that so many rows or columns touch. */
    public static long blocks(long count) {
        return count / BLOCK + (count % BLOCK == 0 ? 0 : 1);
    }

    /**
     * Exponent and fraction move up by 20 bits to where a binary32 has them, and the exponent's bias grows by 120; a subnormal number is its fraction
     * times 2^-9.
     */
    private static void decode(long source, float scale, long target, int count) {
        int from = 0;
        for (; from <= count - 16; from += 16) {
            ByteVector sixteen = ByteVector.fromMemorySegment(BYTES, ALL, source + from, ORDER);
            for (int i = 0; i < 16; i += LANES) {
                IntVector bits = (IntVector) sixteen.convertShape(VectorOperators.B2I, INTS, i / LANES);
                IntVector magnitude = bits.and(0x7f);
                VectorMask<Integer> nan = magnitude.compare(VectorOperators.EQ, 0x7f);
                VectorMask<Integer> subnormal = magnitude.compare(VectorOperators.LT, 8);
                FloatVector small = ((FloatVector) magnitude.convert(VectorOperators.I2F, 0)).mul(0x1p-9f);
                IntVector result = magnitude
                        .lanewise(VectorOperators.LSHL, 20)
                        .add(120 << 23)
                        .blend(0x7fc0_0000, nan)
                        .blend(small.reinterpretAsInts(), subnormal)
                        .or(bits.and(0x8000_0000));
                result.reinterpretAsFloats().mul(scale).intoMemorySegment(ALL, target + 4L * (from + i), ORDER);
            }
        }
        for (; from < count; from++) {
            Memory.setFloat(target + 4L * from, fromE4m3((byte) BitPlanes.signed(source + from)) * scale);
        }
    }
}
