package dev.fathom.engine.quant;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/**
 * Stores binary32 values as blocks of a {@link QuantizedType}. Layouts are explained in {@link ReferenceDecoder}.
 *
 * <p>Not for more than one thread: an encoder keeps scratch arrays.
 */
public final class BlockEncoder {
    /** Types that can be written. The others are only read. */
    public static final Set<QuantizedType> TYPES = Collections.unmodifiableSet(EnumSet.of(
            QuantizedType.F32,
            QuantizedType.F16,
            QuantizedType.BF16,
            QuantizedType.Q8_0,
            QuantizedType.Q4_0,
            QuantizedType.Q4_K));

    private final QuantizedType type;
    private final float[] values;
    private final PartFit fit = new PartFit();

    /** @throws IllegalArgumentException if the type is not one of {@link #TYPES} */
    public BlockEncoder(QuantizedType type) {
        if (!TYPES.contains(type)) {
            throw new IllegalArgumentException("cannot write " + type + ", expected one of " + TYPES);
        }
        this.type = type;
        this.values = new float[type.blockSize()];
    }

    /**
     * Rounds {@code count} floats into blocks.
     *
     * @param source floats from {@code sourceOffset} (bytes)
     * @param target memory for the blocks from {@code targetOffset} (bytes)
     * @throws IllegalArgumentException if {@code count} is no whole number of blocks, or a value is not finite or too large for the type
     * @throws IndexOutOfBoundsException if either segment is too small
     */
    public void encode(MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        Objects.checkFromIndexSize(targetOffset, type.bytes(count), target.byteSize());
        Objects.checkFromIndexSize(sourceOffset, Math.multiplyExact(count, (long) Float.BYTES), source.byteSize());
        if (type == QuantizedType.F32) {
            MemorySegment.copy(source, sourceOffset, target, targetOffset, Float.BYTES * count);
            return;
        }
        if (type == QuantizedType.F16 || type == QuantizedType.BF16) {
            encodeHalves(source, sourceOffset, target, targetOffset, count);
            return;
        }
        int size = type.blockSize();
        for (long block = 0; block < count / size; block++) {
            MemorySegment.copy(source, Memory.FLOAT, sourceOffset + Float.BYTES * block * size, values, 0, size);
            encodeBlock(target.asSlice(targetOffset + block * type.blockBytes(), type.blockBytes()));
        }
    }

    private void encodeHalves(
            MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        for (long i = 0; i < count; i++) {
            float value = source.get(Memory.FLOAT, sourceOffset + Float.BYTES * i);
            if (type == QuantizedType.F16) {
                setHalf(target, targetOffset + Short.BYTES * i, value);
            } else {
                target.set(Memory.SHORT, targetOffset + Short.BYTES * i, Memory.toBf16(value));
            }
        }
    }

    private void encodeBlock(MemorySegment block) {
        switch (type) {
            case Q8_0 -> q8v0(block);
            case Q4_0 -> q4v0(block);
            case Q4_K -> q4k(block);
            default -> throw new AssertionError(type);
        }
    }

    /** The largest magnitude becomes 127. */
    private void q8v0(MemorySegment block) {
        float d = Math.abs(extreme()) / 127;
        float inverse = d == 0 ? 0 : 1 / d;
        setHalf(block, 0, d);
        for (int i = 0; i < 32; i++) {
            float q = values[i] * inverse;
            setByte(block, 2 + i, Math.round(Math.abs(q)) * (int) Math.signum(q));
        }
    }

    /** The value of largest magnitude becomes -8, the one end of the range that the other does not have. */
    private void q4v0(MemorySegment block) {
        float d = extreme() / -8;
        float inverse = d == 0 ? 0 : 1 / d;
        setHalf(block, 0, d);
        for (int i = 0; i < 16; i++) {
            int low = Math.min(15, (int) (values[i] * inverse + 8.5f));
            int high = Math.min(15, (int) (values[i + 16] * inverse + 8.5f));
            setByte(block, 2 + i, low | high << 4);
        }
    }

    /** The value of largest magnitude, with its sign. */
    private float extreme() {
        float extreme = 0;
        for (float value : values) {
            if (!Float.isFinite(value)) {
                throw new IllegalArgumentException("found " + value + ", " + type + " holds finite values only");
            }
            if (Math.abs(value) > Math.abs(extreme)) {
                extreme = value;
            }
        }
        return extreme;
    }

    /** Every part is fitted by itself; then the parts' scales and mins are rounded to six bits and the integers chosen anew. */
    private void q4k(MemorySegment block) {
        extreme(); // refuses what is not finite
        float[] scales = new float[8];
        float[] mins = new float[8];
        float largestScale = 0;
        float largestMin = 0;
        for (int part = 0; part < 8; part++) {
            fit.fit(values, 32 * part);
            scales[part] = fit.scale();
            mins[part] = fit.min();
            largestScale = Math.max(largestScale, scales[part]);
            largestMin = Math.max(largestMin, mins[part]);
        }
        float d = setHalf(block, 0, largestScale / 63);
        float dMin = setHalf(block, 2, largestMin / 63);
        block.asSlice(4, 140).fill((byte) 0);
        for (int part = 0; part < 8; part++) {
            int scale = sixBits(scales[part], largestScale);
            int min = sixBits(mins[part], largestMin);
            setScales(block, part, scale, min);
            for (int i = 0; i < 32 && d * scale != 0; i++) {
                int q = Math.clamp(Math.round((values[32 * part + i] + dMin * min) / (d * scale)), 0, 15);
                int at = 16 + 32 * (part / 2) + i;
                setByte(block, at, block.get(ValueLayout.JAVA_BYTE, at) | q << 4 * (part % 2));
            }
        }
    }

    private static int sixBits(float value, float largest) {
        return largest == 0 ? 0 : Math.min(63, Math.round(63 * value / largest));
    }

    /** Where the twelve bytes of scales and mins have those of a part; they are zero before. */
    private static void setScales(MemorySegment block, int part, int scale, int min) {
        if (part < 4) {
            setByte(block, 4 + part, scale);
            setByte(block, 8 + part, min);
        } else {
            setByte(block, 8 + part, scale & 15 | (min & 15) << 4);
            setByte(block, part, block.get(ValueLayout.JAVA_BYTE, part) | scale >> 4 << 6);
            setByte(block, 4 + part, block.get(ValueLayout.JAVA_BYTE, 4 + part) | min >> 4 << 6);
        }
    }

    private static void setByte(MemorySegment block, long at, int value) {
        block.set(ValueLayout.JAVA_BYTE, at, (byte) value);
    }

    /** Rounds to binary16 and says what it became. */
    private float setHalf(MemorySegment block, long at, float value) {
        short half = Float.floatToFloat16(value);
        float rounded = Float.float16ToFloat(half);
        if (Float.isInfinite(rounded) && Float.isFinite(value)) {
            throw new IllegalArgumentException(
                    "found a value or scale of " + value + ", the largest in " + type + " is 65504 (BF16 holds more)");
        }
        block.set(Memory.SHORT, at, half);
        return rounded;
    }
}
