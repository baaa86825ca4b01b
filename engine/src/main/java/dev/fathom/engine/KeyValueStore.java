package dev.fathom.engine;

import java.util.Objects;
import java.util.function.Function;

/**
 * Keys and values of one attention layer, in the layout that attention walks, in training and in generation alike.
 *
 * <p>Sixteen consecutive positions form a tile. A sequence occupies whole tiles from its slot on; unused positions of its last tile hold finite
 * numbers. What the tiles hold depends on the type, which is for {@link AttentionKernels} to say; gradients are always F32.
 *
 * <ul>
 *   <li>F32, {@code [tiles, heads * tileFloats]}: per tile and head the keys with the position running fastest, {@code [keyDim][16]}, so that
 *       one vector holds one key dimension of sixteen positions, then the values {@code [16][valueDim]}.
 *   <li>BF16, {@code [heads, slots * (keyWidth + valueWidth)]}: pairs as bf16 dot products take them, 32 bits that hold two neighbours along
 *       the reduction, the earlier one in the lower half. Scores reduce over key dimensions: per head come first the tiles of keys, each
 *       {@code [keyWidth / 2][16]} pairs. Outputs reduce over positions: then come the values in panels of sixteen columns, each
 *       {@code [slots / 2][16]} pairs, so that a sequence of any length is one matrix.
 *   <li>I8, {@code [slots, bytes]}: per position and head the blocks of the key, then those of the value ({@link BlockKeyValues}), which nobody attends to as
 *       they are: {@link QuantizedAttention} expands them.
 * </ul>
 *
 * @param data zero where nothing was stored
 */
public record KeyValueStore(Tensor data, int heads, int keyDim, int valueDim) {
    /** Positions per tile; fixed, so that results do not depend on the vector width. */
    public static final int TILE = 16;

    /** A store for these packed sequences, which begin here, in memory from the workspace; zeroed where anything of it will stay unused. */
    public static KeyValueStore in(
            Workspace workspace, DType type, Segments segments, int heads, int keyDim, int valueDim) {
        long[] shape = shape(type, segments.slots(), heads, keyDim, valueDim);
        boolean full = segments.rows() == segments.slots() && keyDim == even(keyDim) && valueDim == tiled(valueDim);
        Tensor data = full ? workspace.allocate(type, shape) : workspace.zeros(type, shape);
        return new KeyValueStore(data, heads, keyDim, valueDim);
    }

    /** A store of its own memory. */
    public static KeyValueStore allocate(DType type, long slots, int heads, int keyDim, int valueDim) {
        return new KeyValueStore(
                Tensor.zeros(type, shape(type, slots, heads, keyDim, valueDim)), heads, keyDim, valueDim);
    }

    /**
     * A store of which perhaps little will be used.
     *
     * @param shared whether many sequences will fill it, so that large pages pay
     */
    public static KeyValueStore reserve(DType type, long slots, int heads, int keyDim, int valueDim, boolean shared) {
        return new KeyValueStore(
                Tensor.reserve(type, shared, shape(type, slots, heads, keyDim, valueDim)), heads, keyDim, valueDim);
    }

    /** Bytes that one position takes. */
    public static long bytesPerPosition(DType type, int heads, int keyDim, int valueDim) {
        long[] shape = shape(type, TILE, heads, keyDim, valueDim);
        return shape[0] * shape[1] * type.bytes() / TILE;
    }

    private static long[] shape(DType type, long slots, int heads, int keyDim, int valueDim) {
        return switch (type) {
            case F32 -> new long[] {slots / TILE, (long) heads * TILE * (keyDim + valueDim)};
            case BF16 -> new long[] {heads, slots * (even(keyDim) + tiled(valueDim))};
            case I8 -> new long[] {slots, heads * recordBytes(keyDim, valueDim)};
            case I32 -> throw new IllegalArgumentException("keys and values are F32, BF16 or I8, not I32");
        };
    }

    /** Bytes of one position of one head in blocks. */
    private static long recordBytes(int keyDim, int valueDim) {
        return (long) BlockKeyValues.BYTES * (BlockKeyValues.blocks(keyDim) + BlockKeyValues.blocks(valueDim));
    }

    private static int even(int dim) {
        return (dim + 1) & -2;
    }

    private static int tiled(int dim) {
        return (dim + TILE - 1) & -TILE;
    }

    /** Room for the gradients of what lies in this store: F32, in memory from a source of tensors of this shape. */
    KeyValueStore gradient(Function<long[], Tensor> memory) {
        return new KeyValueStore(
                memory.apply(shape(DType.F32, slots(), heads, keyDim, valueDim)), heads, keyDim, valueDim);
    }

    /** Positions there is room for. */
    public long slots() {
        return switch (data.dtype()) {
            case F32 -> data.rows() * TILE;
            case BF16 -> data.columns() / (keyWidth() + valueWidth());
            default -> data.rows();
        };
    }

    /**
     * Reads keys back, rounded as they are kept.
     *
     * @param slot of the first, a multiple of {@link #TILE}
     * @param target F32 {@code [positions, keyDim]}
     */
    void readKeys(long slot, int head, Tensor target) {
        target.require("keys", DType.F32, target.rows(), keyDim);
        Objects.checkFromIndexSize(slot, target.rows(), slots());
        if (data.dtype() == DType.I8) {
            for (long n = 0; n < target.rows(); n++) {
                for (int d = 0; d < keyDim; d++) {
                    Memory.setFloat(
                            target.rowAddress(n) + 4L * d, BlockKeyValues.element(keyBlocks(slot + n, head), d));
                }
            }
            return;
        }
        for (long n = 0; n < target.rows(); n++) {
            long tile = keyTile(slot + n - n % TILE, head);
            long lane = n % TILE;
            long row = target.rowAddress(n);
            for (int d = 0; d < keyDim; d++) {
                float key = data.dtype() == DType.F32
                        ? Memory.getFloat(tile + 4L * ((long) d * TILE + lane))
                        : Memory.fromBf16(
                                Memory.ALL.get(Memory.SHORT, tile + 4L * (d / 2L * TILE + lane) + 2L * (d % 2)));
                Memory.setFloat(row + 4L * d, key);
            }
        }
    }

    /**
     * Copies the keys and values of some positions, as a sequence moves or takes over what another has in common with it. The two ranges may
     * overlap.
     *
     * @param from first position, a multiple of {@link #TILE}
     * @param to where it goes, a multiple of {@link #TILE}
     * @param positions a multiple of {@link #TILE}
     */
    public void copy(long from, long to, long positions) {
        if ((from | to | positions) % TILE != 0
                || Math.min(from, Math.min(to, positions)) < 0
                || Math.max(from, to) + positions > slots()) {
            throw new IndexOutOfBoundsException(
                    positions + " positions from " + from + " to " + to + " of " + slots() + ", in whole tiles");
        }
        if (positions == 0) {
            return;
        }
        if (data.dtype() == DType.I8) {
            Memory.copy(keyBlocks(from, 0), keyBlocks(to, 0), positions * data.columns());
            return;
        }
        if (data.dtype() == DType.F32) {
            Memory.copy(keyTile(from, 0), keyTile(to, 0), 4 * positions / TILE * heads * tileFloats());
            return;
        }
        for (int head = 0; head < heads; head++) {
            Memory.copy(keyTile(from, head), keyTile(to, head), 2 * positions * keyWidth());
            for (int panel = 0; panel < valueWidth() / TILE; panel++) {
                Memory.copy(valuePanel(from, head, panel), valuePanel(to, head, panel), 2 * positions * TILE);
            }
        }
    }

    /** Checks type and shape. */
    void require(DType type) {
        long[] shape = shape(type, slots(), heads, keyDim, valueDim);
        data.require("key/value store", type, shape[0], shape[1]);
    }

    /** Floats of one head in one F32 tile. */
    public int tileFloats() {
        return TILE * (keyDim + valueDim);
    }

    /** Key dimensions in BF16 pairs: an odd last one has a partner, which queries meet with 0. */
    public int keyWidth() {
        return even(keyDim);
    }

    /** Columns of the BF16 panels of values. */
    public int valueWidth() {
        return tiled(valueDim);
    }

    /** I8: absolute address of the blocks of the key at this slot, for one head. */
    long keyBlocks(long slot, int head) {
        return data.rowAddress(slot) + head * recordBytes(keyDim, valueDim);
    }

    /** I8: absolute address of the blocks of the value at this slot, for one head. */
    long valueBlocks(long slot, int head) {
        return keyBlocks(slot, head) + (long) BlockKeyValues.BYTES * BlockKeyValues.blocks(keyDim);
    }

    /** Absolute address of the keys of the tile that holds this slot (a multiple of 16), for one head. */
    public long keyTile(long slot, int head) {
        return data.dtype() == DType.F32
                ? data.rowAddress(slot / TILE) + 4L * head * tileFloats()
                : data.rowAddress(head) + 2 * slot * keyWidth();
    }

    /** F32: absolute address of the values of that tile and head, {@code [16][valueDim]}. */
    public long valueTile(long slot, int head) {
        return keyTile(slot, head) + 4L * TILE * keyDim;
    }

    /** BF16: absolute address of the pairs of values from this slot (a multiple of 2) on, columns {@code 16 panel ..}, for one head. */
    public long valuePanel(long slot, int head, int panel) {
        return data.rowAddress(head) + 2 * (slots() * (keyWidth() + (long) panel * TILE) + slot * TILE);
    }
}
