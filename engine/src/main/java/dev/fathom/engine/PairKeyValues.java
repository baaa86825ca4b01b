package dev.fathom.engine;

/**
 * Rounds keys and values to bf16 and writes them as the pairs of a BF16 {@link KeyValueStore}: once, when they are stored, so that a cache costs half the
 * memory and traffic and attention converts nothing.
 *
 * <p>A pair of a key is two dimensions of one row and is written whole; where a part of a key begins or ends inside a pair, its half is. A
 * pair of values is two positions: whole where both rows are at hand, else one half, beside whatever the other position holds.
 */
final class PairKeyValues {
    private static final int TILE = KeyValueStore.TILE;

    /** Bytes of sixteen pairs. */
    private static final long VECTOR = 4L * TILE;

    private PairKeyValues() {}

    /**
     * Writes part of the keys of a few rows that follow each other in one tile.
     *
     * @param rows address of the first row's floats, {@code rowStride} bytes apart
     * @param tile address of the tile of keys, {@code [keyWidth / 2][16]} pairs
     * @param lane position of the first row in its tile
     * @param dim first key dimension
     * @param scratch room for {@code 16 * (width + 1)} bf16 values
     */
    static void storeKeys(
            long rows, long rowStride, int width, int count, long tile, int lane, int dim, int keyDim, long scratch) {
        if (width == 0) {
            return;
        }
        int lead = dim % 2;
        int pairs = (width - lead) / 2;
        long rounded = 4L * pairs;
        Bfloat16.round(rows + 4L * lead, rowStride, count, 2 * pairs, scratch, rounded);
        VectorKeyValues.transpose(scratch, rounded, pairs, count, tile + VECTOR * ((dim + 1) / 2) + 4L * lane);
        int last = dim + width - 1;
        for (int i = 0; i < count; i++) {
            if (lead == 1) {
                setHalf(tile, dim, lane + i, Memory.getFloat(rows + i * rowStride));
            }
            if (last % 2 == 0) {
                setHalf(tile, last, lane + i, Memory.getFloat(rows + i * rowStride + 4L * (width - 1)));
                if (last == keyDim - 1) {
                    setHalf(tile, keyDim, lane + i, 0);
                }
            }
        }
    }

    private static void setHalf(long tile, int dim, int lane, float value) {
        long half = tile + VECTOR * (dim / 2) + 4L * lane + 2L * (dim % 2);
        Memory.ALL.set(Memory.SHORT, half, Memory.toBf16(value));
    }

    /** Writes the values of {@code count} rows from this slot on, for one head; {@code rows} is the address of the first, strides in bytes. */
    static void storeValues(long rows, long rowStride, int count, long slot, int head, KeyValueStore store) {
        for (int panel = 0; panel < store.valueWidth() / TILE; panel++) {
            long from = rows + VECTOR * panel;
            int width = Math.min(TILE, store.valueDim() - TILE * panel);
            int i = 0;
            if (slot % 2 == 1) {
                Bfloat16.zipHalf(from, true, width, store.valuePanel(slot - 1, head, panel));
                i = 1;
            }
            long to = store.valuePanel(slot + i, head, panel);
            for (; i + 2 <= count; i += 2, to += VECTOR) {
                Bfloat16.zip(from + i * rowStride, from + (i + 1) * rowStride, width, to);
            }
            if (i < count) {
                Bfloat16.zipHalf(from + i * rowStride, false, width, to);
            }
        }
    }
}
