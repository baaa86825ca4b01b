package dev.fathom.engine;

import dev.fathom.engine.quant.QuantizedType;

/**
 * Rounds keys and values to eight bits and writes them as the blocks of an I8 {@link KeyValueStore}: 32 elements with one scale, a binary16, 127 steps of
 * which are the largest of them (GGUF's Q8_0). An element is off by half a step at most, and by what rounding the scale costs.
 *
 * <p>The parts of a key are written in the order of their dimensions. Where one begins inside a block, the block is rounded anew with what it holds already;
 * the widths of released models are whole blocks.
 */
final class BlockKeyValues {
    static final QuantizedType TYPE = QuantizedType.Q8_0;

    /** Elements of a block. */
    static final int BLOCK = TYPE.blockSize();

    /** Bytes of a block. */
    static final int BYTES = TYPE.blockBytes();

    private static final long SCALE_BYTES = 2;

    private BlockKeyValues() {}

    static int blocks(int dim) {
        return (dim + BLOCK - 1) / BLOCK;
    }

    /**
     * Writes some dimensions of a row, in blocks from {@code blocks} on.
     *
     * @param row address of the floats
     * @param dim the first of the dimensions
     */
    static void store(long row, int width, int dim, long blocks) {
        for (int done = 0; done < width; ) {
            int start = (dim + done) % BLOCK;
            int count = Math.min(BLOCK - start, width - done);
            round(row + 4L * done, start, count, blocks + (long) BYTES * ((dim + done) / BLOCK));
            done += count;
        }
    }

    private static void round(long row, int start, int count, long block) {
        long integers = block + SCALE_BYTES;
        float before = start == 0 ? 0 : scale(block);
        float largest = 0;
        for (int i = 0; i < start; i++) {
            largest = larger(largest, before * Memory.ALL.get(Memory.BYTE, integers + i));
        }
        for (int i = 0; i < count; i++) {
            largest = larger(largest, Memory.getFloat(row + 4L * i));
        }
        float step = largest / 127;
        float inverse = step == 0 ? 0 : 1 / step;
        Memory.ALL.set(Memory.SHORT, block, Float.floatToFloat16(step));
        for (int i = 0; i < start; i++) {
            set(integers + i, before * Memory.ALL.get(Memory.BYTE, integers + i) * inverse);
        }
        for (int i = 0; i < count; i++) {
            set(integers + start + i, Memory.getFloat(row + 4L * i) * inverse);
        }
        for (int i = start + count; i < BLOCK; i++) {
            set(integers + i, 0);
        }
    }

    /** The larger magnitude; NaN, if one is, so that it stays visible in the scale. */
    private static float larger(float magnitude, float x) {
        return Math.max(magnitude, Math.abs(x));
    }

    private static void set(long integer, float inSteps) {
        Memory.ALL.set(Memory.BYTE, integer, (byte) Math.rint(Math.clamp(inSteps, -127f, 127f)));
    }

    private static float scale(long block) {
        return Float.float16ToFloat(Memory.ALL.get(Memory.SHORT, block));
    }

    /** One element. */
    static float element(long blocks, int dim) {
        long block = blocks + (long) BYTES * (dim / BLOCK);
        return scale(block) * Memory.ALL.get(Memory.BYTE, block + SCALE_BYTES + dim % BLOCK);
    }
}
