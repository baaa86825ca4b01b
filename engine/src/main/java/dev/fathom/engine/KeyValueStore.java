package dev.fathom.engine;

/**
 * Keys and values of one attention layer, in the tiled layout that attention walks, in training and in generation alike.
 *
 * <p>Sixteen consecutive positions form a tile. Per tile and head lie first the keys with the position running fastest,
 * {@code [keyDim][16]}, so that one vector holds one key dimension of sixteen positions, then the values {@code [16][valueDim]}.
 * A sequence occupies whole tiles from its slot on; unused positions of its last tile hold finite numbers.
 *
 * @param data F32, {@code [tiles, heads * tileFloats]}, zero-filled before first use
 */
public record KeyValueStore(Tensor data, int heads, int keyDim, int valueDim) {
    /** Positions per tile; fixed, so that results do not depend on the vector width. */
    public static final int TILE = 16;

    /** A store with room for {@code slots} positions (a multiple of {@link #TILE}) in memory from the workspace, zeroed. */
    public static KeyValueStore in(Workspace workspace, long slots, int heads, int keyDim, int valueDim) {
        return new KeyValueStore(
                workspace.zeros(DType.F32, slots / TILE, (long) heads * TILE * (keyDim + valueDim)),
                heads,
                keyDim,
                valueDim);
    }

    /** A store of its own memory. */
    public static KeyValueStore allocate(long slots, int heads, int keyDim, int valueDim) {
        return new KeyValueStore(
                Tensor.zeros(DType.F32, slots / TILE, (long) heads * TILE * (keyDim + valueDim)),
                heads,
                keyDim,
                valueDim);
    }

    /** Floats of one head in one tile. */
    public int tileFloats() {
        return TILE * (keyDim + valueDim);
    }

    /** Absolute address of the keys of the tile that holds this slot (a multiple of 16), for one head: {@code [keyDim][16]}. */
    public long keyTile(long slot, int head) {
        return data.rowAddress(slot / TILE) + 4L * head * tileFloats();
    }

    /** Absolute address of the values of that tile and head: {@code [16][valueDim]}. */
    public long valueTile(long slot, int head) {
        return keyTile(slot, head) + 4L * TILE * keyDim;
    }
}
