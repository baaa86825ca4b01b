package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The backward pass of {@link VectorAttention} for one sequence and key/value head. Everything it needs is copied into scratch memory in the layout each
 * product wants, with widths padded to whole vectors by zeros, so that the products need no tails; the copies are linear in the
 * length, the products quadratic.
 */
final class AttentionBackward {
    private static final VectorSpecies<Float> SPECIES = Lanes.SPECIES;

    private static final int TILE = KeyValueStore.TILE;
    private static final int ROWS = TileProduct.ROWS;
    private static final long SCORE_ROW = VectorAttention.SCORE_ROW;

    /** Rows whose probabilities are kept at a time; the reduction length of dK and dV. A multiple of 16. */
    static final int CHUNK = 64;

    /**
     * Bytes from a tile of scores to the next. One row more than needed, because rows 4096 bytes apart would compete for the same
     * cache set.
     */
    private static final long CHUNK_TILE = (CHUNK + 1) * SCORE_ROW;

    private final int rows;
    private final int tiles;
    private final int keyDim;
    private final int valueDim;
    /** Widths rounded up to a tile: whole vectors on any machine, and whole blocks of eight rows. */
    private final int keyWidth;

    private final int valueWidth;
    private final long storeTile;
    private final long lanes;
    /** [CHUNK][keyWidth] and [CHUNK][valueWidth]. */
    private final long queries;

    private final long dOuts;
    /** [8][keyWidth]. */
    private final long dQueries;
    /** [CHUNK]: D = dO · O. */
    private final long corrections;
    /** [tiles][CHUNK + 1][16]. */
    private final long weights;

    private final long dScores;
    /** The keys in rows, [tiles * 16][keyWidth]; the values transposed, [tiles][valueDim][16]. */
    private final long keyRows;

    private final long valueTiles;
    /** [tiles][keyWidth][16] and [tiles * 16][valueWidth]. */
    private final long dKeyTiles;

    private final long dValueRows;
    private long keys;

    AttentionBackward(WorkerPool pool, int worker, KeyValueStore store, int rows) {
        this.rows = rows;
        this.tiles = (rows + TILE - 1) / TILE;
        this.keyDim = store.keyDim();
        this.valueDim = store.valueDim();
        this.keyWidth = (keyDim + TILE - 1) / TILE * TILE;
        this.valueWidth = (valueDim + TILE - 1) / TILE * TILE;
        this.storeTile = 4 * store.data().rowStride();
        long evenTiles = (tiles + 1) & -2;
        long keyBytes = 4L * TILE * keyWidth;
        long valueBytes = 4L * TILE * valueWidth;
        long afterLanes = Lanes.BYTES;
        long afterQueries = afterLanes + 4L * CHUNK * keyWidth;
        long afterDOuts = afterQueries + 4L * CHUNK * valueWidth;
        long afterDQueries = afterDOuts + 4L * ROWS * keyWidth;
        long afterCorrections = afterDQueries + 4L * CHUNK;
        long afterWeights = afterCorrections + evenTiles * CHUNK_TILE;
        long afterDScores = afterWeights + evenTiles * CHUNK_TILE;
        long afterKeyRows = afterDScores + tiles * keyBytes;
        long afterValueTiles = afterKeyRows + tiles * 4L * TILE * valueDim;
        long afterDKeyTiles = afterValueTiles + tiles * keyBytes;
        long bytes = afterDKeyTiles + tiles * valueBytes;
        this.lanes = pool.scratch(worker, bytes);
        this.queries = lanes + afterLanes;
        this.dOuts = lanes + afterQueries;
        this.dQueries = lanes + afterDOuts;
        this.corrections = lanes + afterDQueries;
        this.weights = lanes + afterCorrections;
        this.dScores = lanes + afterWeights;
        this.keyRows = lanes + afterDScores;
        this.valueTiles = lanes + afterKeyRows;
        this.dKeyTiles = lanes + afterValueTiles;
        this.dValueRows = lanes + afterDKeyTiles;
    }

    /** Transposes keys and values and clears their gradients. */
    void load(long keyAddress) {
        keys = keyAddress;
        for (int tile = 0; tile < tiles; tile++) {
            long key = keys + tile * storeTile;
            long value = key + 4L * TILE * keyDim;
            // A tile of values is transposed into columns as keys are when they are stored; keys the other way
            // round.
            VectorKeyValues.transpose(value, 4L * valueDim, valueDim, TILE, valueTiles + SCORE_ROW * tile * valueDim);
            long keyRow = keyRows + 4L * tile * TILE * keyWidth;
            for (int d = 0; d < keyDim; d++) {
                long to = keyRow + 4L * d;
                for (int j = 0; j < TILE; j++) {
                    Memory.setInt(to, Memory.getInt(key + 4L * j));
                    to += 4L * keyWidth;
                }
                key += SCORE_ROW;
            }
            for (int d = keyDim; d < keyWidth; d++) {
                for (int j = 0; j < TILE; j++) {
                    Memory.setFloat(keyRow + 4L * (j * keyWidth + d), 0f);
                }
            }
        }
        Memory.zero(dKeyTiles, 4L * tiles * TILE * keyWidth);
        Memory.zero(dValueRows, 4L * tiles * TILE * valueWidth);
    }

    /** Rows {@code first ..} of the sequence, at most {@link #CHUNK}, of one query head; addresses of its first row, strides in bytes. */
    void chunk(
            int first,
            float scale,
            long q,
            long qStride,
            long dOut,
            long dOutStride,
            long out,
            long outStride,
            long lse,
            long lseStride,
            long dq,
            long dqStride) {
        int count = Math.min(CHUNK, rows - first);
        int padded = (count + ROWS - 1) / ROWS * ROWS;
        copyRows(q, qStride, keyDim, queries, keyWidth, count, padded);
        copyRows(dOut, dOutStride, valueDim, dOuts, valueWidth, count, padded);
        for (int i = 0; i < count; i++) {
            float d = Lanes.dot(dOut + i * dOutStride, out + i * outStride, valueDim, lanes);
            Memory.setFloat(corrections + 4L * i, d);
        }
        for (int block = 0; block < padded; block += ROWS) {
            int blockTiles = Math.min(tiles, (first + block + ROWS - 1) / TILE + 1);
            products(block, blockTiles, scale);
            for (int i = block; i < block + ROWS; i++) {
                // A row that fills up the block attends to nothing.
                int attended = i < count ? first + i + 1 : 0;
                float rowLse = i < count ? Memory.getFloat(lse + i * lseStride) : 0f;
                float correction = i < count ? Memory.getFloat(corrections + 4L * i) : 0f;
                scoreGradients(i, attended, blockTiles, rowLse, correction, scale);
            }
            queryGradients(block, blockTiles);
            for (int i = block; i < Math.min(count, block + ROWS); i++) {
                Memory.copy(dQueries + 4L * (i - block) * keyWidth, dq + i * dqStride, 4L * keyDim);
            }
        }
        keyValueGradients(first, padded);
    }

    /** Scores and dP of eight rows: {@code S = scale Q K^T}, {@code dP = dO V^T}. */
    private void products(int block, int blockTiles, float scale) {
        long a = queries + 4L * block * keyWidth;
        long aRow = 4L * keyWidth;
        long da = dOuts + 4L * block * valueWidth;
        long daRow = 4L * valueWidth;
        int tile = 0;
        for (; tile + 2 <= blockTiles; tile += 2) {
            for (int part = 0; part < TILE; part += Lanes.COUNT) {
                long key = keys + tile * storeTile + 4L * part;
                long value = valueTiles + 4L * tile * TILE * valueDim + 4L * part;
                long c = weights + tile * CHUNK_TILE + block * SCORE_ROW + 4L * part;
                long dc = dScores + tile * CHUNK_TILE + block * SCORE_ROW + 4L * part;
                TileProduct.eight(
                        a,
                        aRow,
                        4,
                        0,
                        key,
                        key + storeTile,
                        SCORE_ROW,
                        0,
                        keyDim,
                        1,
                        c,
                        c + CHUNK_TILE,
                        SCORE_ROW,
                        scale,
                        false);
                TileProduct.eight(
                        da,
                        daRow,
                        4,
                        0,
                        value,
                        value + 4L * TILE * valueDim,
                        SCORE_ROW,
                        0,
                        valueDim,
                        1,
                        dc,
                        dc + CHUNK_TILE,
                        SCORE_ROW,
                        1f,
                        false);
            }
        }
        if (tile < blockTiles) {
            for (int part = 0; part < TILE; part += Lanes.COUNT) {
                long key = keys + tile * storeTile + 4L * part;
                long value = valueTiles + 4L * tile * TILE * valueDim + 4L * part;
                long c = weights + tile * CHUNK_TILE + block * SCORE_ROW + 4L * part;
                long dc = dScores + tile * CHUNK_TILE + block * SCORE_ROW + 4L * part;
                TileProduct.eight(a, aRow, 4, 0, key, SCORE_ROW, 0, keyDim, 1, c, SCORE_ROW, scale, false);
                TileProduct.eight(da, daRow, 4, 0, value, SCORE_ROW, 0, valueDim, 1, dc, SCORE_ROW, 1f, false);
            }
        }
    }

    /**
     * {@code p = exp(s - logSumExp)} and {@code dS = p (dP - D) scale} for one row, in place; both 0 past its position, up to an even
     * number of tiles, because the key gradients take two tiles at a time.
     */
    private void scoreGradients(int i, int attended, int blockTiles, float lse, float correction, float scale) {
        int used = (attended + TILE - 1) / TILE;
        int evenTiles = (blockTiles + 1) & -2;
        long row = i * SCORE_ROW;
        if (attended > 0) {
            VectorAttention.mask(weights + row, CHUNK_TILE, attended - 1, Float.NEGATIVE_INFINITY);
            // Not left to the weight 0: dP of an unused position may be infinite.
            VectorAttention.mask(dScores + row, CHUNK_TILE, attended - 1, correction);
        }
        for (int part = 0; part < TILE; part += Lanes.COUNT) {
            long p = weights + row + 4L * part;
            long ds = dScores + row + 4L * part;
            for (int tile = 0; tile < used; tile++) {
                FloatVector weight = VectorMath.exp(
                        FloatVector.fromMemorySegment(SPECIES, ALL, p, ORDER).sub(lse));
                weight.intoMemorySegment(ALL, p, ORDER);
                FloatVector.fromMemorySegment(SPECIES, ALL, ds, ORDER)
                        .sub(correction)
                        .mul(weight)
                        .mul(scale)
                        .intoMemorySegment(ALL, ds, ORDER);
                p += CHUNK_TILE;
                ds += CHUNK_TILE;
            }
            for (int tile = used; tile < evenTiles; tile++) {
                FloatVector.zero(SPECIES).intoMemorySegment(ALL, p, ORDER);
                FloatVector.zero(SPECIES).intoMemorySegment(ALL, ds, ORDER);
                p += CHUNK_TILE;
                ds += CHUNK_TILE;
            }
        }
    }

    /** {@code dQ = dS K} of eight rows. */
    private void queryGradients(int block, int blockTiles) {
        TileProduct.eightRows(
                dScores + block * SCORE_ROW,
                SCORE_ROW,
                4,
                CHUNK_TILE,
                keyRows,
                4L * keyWidth,
                4L * TILE * keyWidth,
                TILE,
                blockTiles,
                keyWidth,
                dQueries,
                4L * keyWidth);
    }

    /** {@code dV += P^T dO}, {@code dK += dS^T Q} over the rows of the chunk, for every tile that one of them attends to. */
    private void keyValueGradients(int first, int padded) {
        int last = Math.min(tiles, (first + padded - 1) / TILE + 1);
        for (int tile = 0; tile < last; tile++) {
            // Rows before the tile do not attend to it.
            int from = Math.max(0, tile * TILE - first);
            for (int j = 0; j < TILE; j += ROWS) {
                long a = weights + tile * CHUNK_TILE + from * SCORE_ROW + 4L * j;
                long b = dOuts + 4L * from * valueWidth;
                long c = dValueRows + 4L * (tile * TILE + j) * valueWidth;
                int d = 0;
                for (; d + 2 * Lanes.COUNT <= valueWidth; d += 2 * Lanes.COUNT) {
                    long next = 4L * (d + Lanes.COUNT);
                    TileProduct.eight(
                            a,
                            4,
                            SCORE_ROW,
                            0,
                            b + 4L * d,
                            b + next,
                            4L * valueWidth,
                            0,
                            padded - from,
                            1,
                            c + 4L * d,
                            c + next,
                            4L * valueWidth,
                            1f,
                            true);
                }
                if (d < valueWidth) {
                    TileProduct.eight(
                            a,
                            4,
                            SCORE_ROW,
                            0,
                            b + 4L * d,
                            4L * valueWidth,
                            0,
                            padded - from,
                            1,
                            c + 4L * d,
                            4L * valueWidth,
                            1f,
                            true);
                }
            }
        }
        for (int tile = 0; tile < last; tile += 2) {
            int from = Math.max(0, tile * TILE - first);
            for (int d = 0; d < keyDim; d += ROWS) {
                long a = queries + 4L * (from * keyWidth + d);
                for (int part = 0; part < TILE; part += Lanes.COUNT) {
                    long b = dScores + tile * CHUNK_TILE + from * SCORE_ROW + 4L * part;
                    long c = dKeyTiles + 4L * (tile * keyWidth + d) * TILE + 4L * part;
                    if (tile + 1 < last) {
                        TileProduct.eight(
                                a,
                                4,
                                4L * keyWidth,
                                0,
                                b,
                                b + CHUNK_TILE,
                                SCORE_ROW,
                                0,
                                padded - from,
                                1,
                                c,
                                c + 4L * TILE * keyWidth,
                                SCORE_ROW,
                                1f,
                                true);
                    } else {
                        TileProduct.eight(
                                a, 4, 4L * keyWidth, 0, b, SCORE_ROW, 0, padded - from, 1, c, SCORE_ROW, 1f, true);
                    }
                }
            }
        }
    }

    /** Writes the gradients of keys and values to the store of gradients. */
    void writeTo(KeyValueStore dStore, long slot, int head) {
        long dStoreTile = 4 * dStore.data().rowStride();
        long dKey = dStore.keyTile(slot, head);
        long dValue = dStore.valueTile(slot, head);
        for (int tile = 0; tile < tiles; tile++) {
            Memory.copy(dKeyTiles + 4L * tile * TILE * keyWidth, dKey + tile * dStoreTile, 4L * TILE * keyDim);
            for (int j = 0; j < Math.min(TILE, rows - tile * TILE); j++) {
                Memory.copy(
                        dValueRows + 4L * (tile * TILE + j) * valueWidth,
                        dValue + tile * dStoreTile + 4L * j * valueDim,
                        4L * valueDim);
            }
        }
    }

    /** Copies rows into rows of a larger width, the rest zero, as are the rows from {@code count} to {@code padded}. */
    private static void copyRows(long from, long stride, int width, long to, int toWidth, int count, int padded) {
        if (width < toWidth || count < padded) {
            Memory.zero(to, 4L * padded * toWidth);
        }
        for (int i = 0; i < count; i++) {
            Memory.copy(from + i * stride, to + 4L * i * toWidth, 4L * width);
        }
    }
}
