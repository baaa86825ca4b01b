package dev.fathom.engine.quant;

import dev.fathom.engine.GuardedMemory;
import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.function.Supplier;

/**
 * Random stored matrices: random bits, with scales of a size that weights have. They end where their memory ends ({@link GuardedMemory}), or one byte before, which
 * aligns nothing.
 */
public final class StoredTestWeights {
    private StoredTestWeights() {}

    public static StoredMatrix random(QuantizedType type, long rows, long columns, Random random) {
        long bytes = rows * type.bytes(columns);
        MemorySegment data = memory(bytes, random);
        for (long i = 0; i < bytes; i++) {
            data.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        for (long block = 0; block < bytes; block += type.blockBytes()) {
            switch (type) {
                case F32 -> data.set(Memory.FLOAT, block, (float) random.nextGaussian());
                case F16 -> half(data, block, (float) random.nextGaussian());
                case BF16 -> data.set(Memory.SHORT, block, Memory.toBf16((float) random.nextGaussian()));
                case Q8_0, Q4_0, Q5_0, IQ4_NL, IQ4_XS -> half(data, block, scale(random));
                case Q4_1, Q5_1, Q4_K, Q5_K -> {
                    half(data, block, scale(random));
                    half(data, block + 2, scale(random));
                }
                case Q2_K -> {
                    half(data, block + 80, scale(random));
                    half(data, block + 82, scale(random));
                }
                case Q3_K -> half(data, block + 108, scale(random));
                case Q6_K -> half(data, block + 208, scale(random));
            }
        }
        return new StoredMatrix.Blocks(type, data, rows, columns);
    }

    /** E4M3 numbers, none of them NaN, with scales for blocks of 128 x 128. */
    public static StoredMatrix.Float8Blocks randomFloat8(long rows, long columns, Random random) {
        return float8(rows, columns, random, () -> (byte) random.nextInt());
    }

    /** All E4M3 numbers in turn, one row going on where the last one ended, but for NaN. */
    public static StoredMatrix.Float8Blocks allFloat8(long rows, long columns) {
        byte[] next = {0};
        return float8(rows, columns, new Random(13), () -> next[0]++);
    }

    private static StoredMatrix.Float8Blocks float8(long rows, long columns, Random random, Supplier<Byte> numbers) {
        MemorySegment data = memory(rows * columns, random);
        for (long i = 0; i < rows * columns; i++) {
            byte bits = numbers.get();
            data.set(ValueLayout.JAVA_BYTE, i, (bits & 0x7f) == 0x7f ? 0 : bits);
        }
        long blocks = Float8.blocks(rows) * Float8.blocks(columns);
        MemorySegment scales = memory(4 * blocks, random);
        for (long i = 0; i < blocks; i++) {
            scales.set(Memory.FLOAT, 4 * i, scale(random));
        }
        return new StoredMatrix.Float8Blocks(data, scales, rows, columns);
    }

    private static MemorySegment memory(long bytes, Random random) {
        return random.nextBoolean()
                ? GuardedMemory.allocate(bytes)
                : GuardedMemory.allocate(bytes + 1).asSlice(0, bytes);
    }

    private static float scale(Random random) {
        return (random.nextBoolean() ? 1 : -1) * (0.01f + 0.02f * random.nextFloat());
    }

    private static void half(MemorySegment data, long at, float value) {
        data.set(Memory.SHORT, at, Float.floatToFloat16(value));
    }
}
