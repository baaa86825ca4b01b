package dev.fathom.engine;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Causal softmax attention over packed sequences, forward and backward (DeepSeek-V2 §2.1, arXiv 2405.04434, once keys and values have been
 * formed; any other multi-head or grouped-query attention as well: the key width may differ from the value width).
 *
 * <p>The trick is the layout of {@link KeyValueStore}. Keys lie transposed in tiles of sixteen positions, so that a vector of scores is one
 * dimension of sixteen keys times one number of the query: no horizontal sums, and the positions of a tile are the sixteen lanes
 * of the softmax. Values lie in rows, so that the output is a row of values times one probability.
 *
 * <p><b>The order of every sum</b> (this is what makes training reproduce what was sampled, to the bit):
 *
 * <ul>
 *   <li>score {@code s_j}: one chain of fused multiply-adds over the key dimensions, from 0, times the scale;
 *   <li>{@code p_j = exp(s_j - max s)}, {@link VectorMath#exp};
 *   <li>denominator: {@code p_j} is added to lane {@code j mod 16} in the order of j, then the lanes pairwise ({@link Lanes#sum});
 *   <li>output: one chain over j, from 0, of {@code p_j v_j}, times 1 / denominator.
 * </ul>
 *
 * Rows are computed eight at a time where there are so many (each loaded key then serves eight queries), else one by one: the
 * chains are the same. A row of a block may walk further tiles than it needs; there its probabilities are exactly 0 and add nothing, as
 * long as the numbers in unused positions are finite.
 *
 * <p>The scores of a block are kept in scratch memory (8 × length), not streamed with a running maximum as FlashAttention does (arXiv
 * 2205.14135): in a CPU's cache they are free, and rescaling would tie the bits to the block size. The backward pass follows
 * FlashAttention: probabilities are computed again from the kept log-sum-exp, and {@code dS = p (dP - D)} with {@code D = dO · O}.
 */
final class VectorAttention {
    private static final VectorSpecies<Float> SPECIES = Lanes.SPECIES;

    private static final int TILE = KeyValueStore.TILE;
    private static final int ROWS = TileProduct.ROWS;

    /** Bytes of one row of one tile of scores. */
    private static final long SCORE_ROW = 4L * TILE;

    /** Forward: rows of one unit of work. A multiple of {@link TileProduct#ROWS}. */
    private static final int UNIT_ROWS = 64;

    /** Below this many rows one at a time is cheaper than a padded block of eight. */
    private static final int FEWEST_BLOCKED_ROWS = 3;

    /** Backward: rows whose probabilities are kept at a time; the reduction length of dK and dV. A multiple of 16. */
    private static final int CHUNK = 64;

    /**
     * Backward: bytes from a tile of scores to the next. One row more than needed, because rows 4096 bytes apart would compete for the same
     * cache set.
     */
    private static final long CHUNK_TILE = (CHUNK + 1) * SCORE_ROW;

    /** Sixteen times 1, then sixteen times -1: a window of sixteen, so placed, tells used positions of a tile from unused ones. */
    private static final MemorySegment MASK_WINDOW = Arena.global().allocate(2 * SCORE_ROW, Memory.ALIGNMENT);

    private static final long MASKS = MASK_WINDOW.address();

    static {
        for (int i = 0; i < 2 * TILE; i++) {
            Memory.setFloat(MASKS + 4L * i, i < TILE ? 1f : -1f);
        }
    }

    private final WorkerPool pool;

    VectorAttention(WorkerPool pool) {
        this.pool = pool;
    }

    // ---- forward

    /** See {@link Kernels#attention}. */
    void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        check(q, heads, segments, store, out, logSumExp);
        SegmentWork.run(
                pool,
                segments,
                store.heads(),
                UNIT_ROWS,
                (long) heads / store.heads() * (store.keyDim() + store.valueDim()) * TILE,
                (long) heads / store.heads() * (store.keyDim() + store.valueDim()),
                (segment, head, from, to, worker) ->
                        attend(q, heads, scale, segments, store, out, logSumExp, segment, head, from, to, worker));
    }

    /** Rows from..to of one segment, all query heads of one key/value head. */
    private void attend(
            Tensor q,
            int heads,
            float scale,
            Segments segments,
            KeyValueStore store,
            Tensor out,
            Tensor logSumExp,
            int segment,
            int keyValueHead,
            int from,
            int to,
            int worker) {
        int group = heads / store.heads();
        int head = keyValueHead * group;
        long row = (long) segments.rowStart()[segment] + from;
        int position = segments.position()[segment] + from;
        long keys = store.keyTile(segments.slot()[segment], keyValueHead);
        long qAddress = q.rowAddress(row) + 4L * head * store.keyDim();
        long outAddress = out.rowAddress(row) + 4L * head * store.valueDim();
        long lseAddress = logSumExp.rowAddress(row) + 4L * head;
        long qRow = 4 * q.rowStride();
        long outRow = 4 * out.rowStride();
        long lseRow = 4 * logSumExp.rowStride();
        long qHead = 4L * store.keyDim();
        long outHead = 4L * store.valueDim();
        int rows = to - from;
        // Blocks of eight along the rows of a head or, when decoding, along the heads that share the keys.
        if (rows >= group) {
            for (int g = 0; g < group; g++) {
                for (int r = 0; r < rows; r += ROWS) {
                    attendBlock(
                            store,
                            keys,
                            scale,
                            Math.min(ROWS, rows - r),
                            position + r,
                            1,
                            qAddress + r * qRow + g * qHead,
                            qRow,
                            outAddress + r * outRow + g * outHead,
                            outRow,
                            lseAddress + r * lseRow + 4L * g,
                            lseRow,
                            worker);
                }
            }
        } else {
            for (int r = 0; r < rows; r++) {
                for (int g = 0; g < group; g += ROWS) {
                    attendBlock(
                            store,
                            keys,
                            scale,
                            Math.min(ROWS, group - g),
                            position + r,
                            0,
                            qAddress + r * qRow + g * qHead,
                            qHead,
                            outAddress + r * outRow + g * outHead,
                            outHead,
                            lseAddress + r * lseRow + 4L * g,
                            4,
                            worker);
                }
            }
        }
    }

    /** Up to eight queries; query i stands at {@code position + i * positionStep}. Strides in bytes. */
    private void attendBlock(
            KeyValueStore store,
            long keys,
            float scale,
            int count,
            int position,
            int positionStep,
            long q,
            long qStride,
            long out,
            long outStride,
            long lse,
            long lseStride,
            int worker) {
        int keyDim = store.keyDim();
        int valueDim = store.valueDim();
        long tileStride = 4 * store.data().rowStride();
        long values = keys + 4L * TILE * keyDim;
        int tiles = (position + (count - 1) * positionStep) / TILE + 1;
        long scoreTile = ROWS * SCORE_ROW;
        long lanes = pool.scratch(
                worker,
                Lanes.BYTES + 4L * ROWS * keyDim + 4L * ROWS * valueDim + (tiles + 1L) * scoreTile + Memory.ALIGNMENT);
        long queries = lanes + Lanes.BYTES;
        long sums = queries + 4L * ROWS * keyDim;
        long scores = Memory.align(sums + 4L * ROWS * valueDim);
        if (count < FEWEST_BLOCKED_ROWS) {
            for (int i = 0; i < count; i++) {
                int rowPosition = position + i * positionStep;
                int rowTiles = rowPosition / TILE + 1;
                // With narrow vectors a tile of scores is several vectors.
                for (int part = 0; part < TILE; part += Lanes.COUNT) {
                    TileProduct.one(
                            q + i * qStride,
                            4,
                            0,
                            keys + 4L * part,
                            tileStride,
                            SCORE_ROW,
                            0,
                            keyDim,
                            1,
                            rowTiles,
                            scores + 4L * part,
                            SCORE_ROW,
                            scale);
                }
                mask(scores, SCORE_ROW, rowPosition, Float.NEGATIVE_INFINITY);
                float max = max(scores, SCORE_ROW, rowTiles);
                float denominator = softmax(scores, SCORE_ROW, rowTiles, rowTiles, max, lanes);
                TileProduct.oneRow(
                        scores, 4, SCORE_ROW, values, 4L * valueDim, tileStride, TILE, rowTiles, valueDim, sums);
                writeRow(sums, valueDim, 1 / denominator, out + i * outStride);
                Memory.setFloat(lse + i * lseStride, max + VectorMath.log(denominator));
            }
            return;
        }
        long block = q;
        long blockStride = qStride;
        if (count < ROWS) {
            // A last block of fewer rows is filled up with zeros.
            block = queries;
            blockStride = 4L * keyDim;
            for (int i = 0; i < count; i++) {
                Memory.copy(q + i * qStride, queries + i * blockStride, blockStride);
            }
            Memory.zero(queries + count * blockStride, (ROWS - count) * blockStride);
        }
        int tile = 0;
        for (; tile + 2 <= tiles; tile += 2) {
            for (int part = 0; part < TILE; part += Lanes.COUNT) {
                long b = keys + tile * tileStride + 4L * part;
                long c = scores + tile * scoreTile + 4L * part;
                TileProduct.eight(
                        block,
                        blockStride,
                        4,
                        0,
                        b,
                        b + tileStride,
                        SCORE_ROW,
                        0,
                        keyDim,
                        1,
                        c,
                        c + scoreTile,
                        SCORE_ROW,
                        scale,
                        false);
            }
        }
        if (tile < tiles) {
            for (int part = 0; part < TILE; part += Lanes.COUNT) {
                TileProduct.eight(
                        block,
                        blockStride,
                        4,
                        0,
                        keys + tile * tileStride + 4L * part,
                        SCORE_ROW,
                        0,
                        keyDim,
                        1,
                        scores + tile * scoreTile + 4L * part,
                        SCORE_ROW,
                        scale,
                        false);
            }
        }
        for (int i = 0; i < count; i++) {
            int rowPosition = position + i * positionStep;
            long row = scores + i * SCORE_ROW;
            int used = rowPosition / TILE + 1;
            mask(row, scoreTile, rowPosition, Float.NEGATIVE_INFINITY);
            float max = max(row, scoreTile, used);
            float denominator = softmax(row, scoreTile, used, tiles, max, lanes);
            Memory.setFloat(lse + i * lseStride, max + VectorMath.log(denominator));
            // The factor of the output, kept in the row's place of the query copy, which is no longer needed.
            Memory.setFloat(queries + 4L * i, 1 / denominator);
        }
        // Rows that fill up the block keep their scores, finite numbers, as weights; their sums are not read.
        TileProduct.eightRows(
                scores,
                SCORE_ROW,
                4,
                scoreTile,
                values,
                4L * valueDim,
                tileStride,
                TILE,
                tiles,
                valueDim,
                sums,
                4L * valueDim);
        for (int i = 0; i < count; i++) {
            writeRow(sums + 4L * i * valueDim, valueDim, Memory.getFloat(queries + 4L * i), out + i * outStride);
        }
    }

    /**
     * Puts {@code filler} where a row goes past its position, in the tile that it ends in. Unused positions may hold anything, and so may their
     * scores; with -∞ for a score they are keys of weight 0.
     */
    private static void mask(long row, long tileStep, int position, float filler) {
        long last = row + position / TILE * tileStep;
        long used = MASKS + 4L * (TILE - 1 - position % TILE);
        for (long part = 0; part < SCORE_ROW; part += 4L * Lanes.COUNT) {
            VectorMask<Float> unused = FloatVector.fromMemorySegment(SPECIES, ALL, used + part, ORDER)
                    .compare(VectorOperators.LT, 0f);
            FloatVector.fromMemorySegment(SPECIES, ALL, last + part, ORDER)
                    .blend(filler, unused)
                    .intoMemorySegment(ALL, last + part, ORDER);
        }
    }

    /** Largest score of the first tiles of one row, {@code tileStep} bytes apart. */
    private static float max(long row, long tileStep, int tiles) {
        FloatVector max = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
        // Compare and blend: Java's own max distinguishes zeros and NaN at four times the price. A NaN score is ignored
        // here and comes
        // back through its exponential.
        for (int part = 0; part < TILE; part += Lanes.COUNT) {
            long address = row + 4L * part;
            for (int tile = 0; tile < tiles; tile++) {
                FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, address, ORDER);
                max = max.blend(s, s.compare(VectorOperators.GT, max));
                address += tileStep;
            }
        }
        return max.reduceLanes(VectorOperators.MAX);
    }

    /**
     * Turns the scores of the first {@code used} tiles of a row into {@code exp(s - max)} and sums them, tile after tile into sixteen lanes,
     * then the lanes pairwise; further tiles up to {@code tiles} become 0.
     */
    private static float softmax(long row, long tileStep, int used, int tiles, float max, long lanes) {
        for (int part = 0; part < TILE; part += Lanes.COUNT) {
            long address = row + 4L * part;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int tile = 0; tile < used; tile++) {
                FloatVector p = VectorMath.exp(FloatVector.fromMemorySegment(SPECIES, ALL, address, ORDER)
                        .sub(max));
                p.intoMemorySegment(ALL, address, ORDER);
                sum = sum.add(p);
                address += tileStep;
            }
            for (int tile = used; tile < tiles; tile++) {
                FloatVector.zero(SPECIES).intoMemorySegment(ALL, address, ORDER);
                address += tileStep;
            }
            sum.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        return Lanes.sum(lanes);
    }

    /**
     * {@code out = sums * factor}. Adding 0 gives an underflown -0 the sign it has in a row that walked further tiles, where the chain went
     * on with {@code + 0}.
     */
    private static void writeRow(long sums, int width, float factor, long out) {
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        int d = 0;
        for (; d <= width - Lanes.COUNT; d += Lanes.COUNT) {
            FloatVector.fromMemorySegment(SPECIES, ALL, sums + 4L * d, ORDER)
                    .fma(f, FloatVector.zero(SPECIES))
                    .intoMemorySegment(ALL, out + 4L * d, ORDER);
        }
        for (; d < width; d++) {
            Memory.setFloat(out + 4L * d, Math.fma(Memory.getFloat(sums + 4L * d), factor, 0f));
        }
    }

    // ---- backward

    /**
     * See {@link Kernels#attentionBackward}. Work is divided over (sequence, key/value head), whose gradients are disjoint; within one,
     * chunks of rows follow in order, so that no sum depends on threads.
     */
    void attentionBackward(
            Tensor dOut,
            Tensor q,
            Tensor out,
            Tensor logSumExp,
            int heads,
            float scale,
            Segments segments,
            KeyValueStore store,
            Tensor dq,
            KeyValueStore dStore) {
        check(q, heads, segments, store, out, logSumExp);
        check(dq, heads, segments, dStore, dOut, logSumExp);
        if (dStore.heads() != store.heads()
                || dStore.keyDim() != store.keyDim()
                || dStore.valueDim() != store.valueDim()) {
            throw new IllegalArgumentException("dStore must have the layout of store, is " + dStore + ", not " + store);
        }
        for (int s = 0; s < segments.count(); s++) {
            if (segments.position()[s] != 0) {
                throw new IllegalArgumentException("backward needs whole sequences: segment " + s
                        + " starts at position " + segments.position()[s]);
            }
        }
        int group = heads / store.heads();
        long width = 3L * store.keyDim() + 2L * store.valueDim();
        SegmentWork.run(
                pool,
                segments,
                store.heads(),
                Integer.MAX_VALUE,
                group * width * TILE,
                group * width,
                (segment, head, from, to, worker) -> {
                    Backward backward = new Backward(pool, worker, store, segments.rowCount()[segment]);
                    long slot = segments.slot()[segment];
                    backward.load(store.keyTile(slot, head));
                    long row = segments.rowStart()[segment];
                    for (int h = head * group; h < (head + 1) * group; h++) {
                        long qOffset = 4L * h * store.keyDim();
                        long outOffset = 4L * h * store.valueDim();
                        for (int first = 0; first < to; first += CHUNK) {
                            backward.chunk(
                                    first,
                                    scale,
                                    q.rowAddress(row + first) + qOffset,
                                    4 * q.rowStride(),
                                    dOut.rowAddress(row + first) + outOffset,
                                    4 * dOut.rowStride(),
                                    out.rowAddress(row + first) + outOffset,
                                    4 * out.rowStride(),
                                    logSumExp.rowAddress(row + first) + 4L * h,
                                    4 * logSumExp.rowStride(),
                                    dq.rowAddress(row + first) + qOffset,
                                    4 * dq.rowStride());
                        }
                    }
                    backward.addTo(dStore, slot, head);
                });
    }

    /**
     * The backward pass of one sequence and key/value head. Everything it needs is copied into scratch memory in the layout each
     * product wants, with widths padded to whole vectors by zeros, so that the products need no tails; the copies are linear in the
     * length, the products quadratic.
     */
    private static final class Backward {
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

        Backward(WorkerPool pool, int worker, KeyValueStore store, int rows) {
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
                VectorKeyValues.transpose(
                        value, 4L * valueDim, valueDim, TILE, valueTiles + SCORE_ROW * tile * valueDim);
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
                    addRow(dQueries + 4L * (i - block) * keyWidth, keyDim, dq + i * dqStride);
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
                mask(weights + row, CHUNK_TILE, attended - 1, Float.NEGATIVE_INFINITY);
                // Not left to the weight 0: dP of an unused position may be infinite.
                mask(dScores + row, CHUNK_TILE, attended - 1, correction);
            }
            for (int part = 0; part < TILE; part += Lanes.COUNT) {
                long p = weights + row + 4L * part;
                long ds = dScores + row + 4L * part;
                for (int tile = 0; tile < used; tile++) {
                    FloatVector weight = VectorMath.exp(FloatVector.fromMemorySegment(SPECIES, ALL, p, ORDER)
                            .sub(lse));
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

        /** Adds the gradients of keys and values to the store of gradients. */
        void addTo(KeyValueStore dStore, long slot, int head) {
            long dStoreTile = 4 * dStore.data().rowStride();
            long dKey = dStore.keyTile(slot, head);
            long dValue = dStore.valueTile(slot, head);
            for (int tile = 0; tile < tiles; tile++) {
                addRow(dKeyTiles + 4L * tile * TILE * keyWidth, TILE * keyDim, dKey + tile * dStoreTile);
                for (int j = 0; j < Math.min(TILE, rows - tile * TILE); j++) {
                    addRow(
                            dValueRows + 4L * (tile * TILE + j) * valueWidth,
                            valueDim,
                            dValue + tile * dStoreTile + 4L * j * valueDim);
                }
            }
        }

        private static void addRow(long from, int width, long to) {
            int d = 0;
            for (; d <= width - Lanes.COUNT; d += Lanes.COUNT) {
                FloatVector.fromMemorySegment(SPECIES, ALL, to + 4L * d, ORDER)
                        .add(FloatVector.fromMemorySegment(SPECIES, ALL, from + 4L * d, ORDER))
                        .intoMemorySegment(ALL, to + 4L * d, ORDER);
            }
            for (; d < width; d++) {
                Memory.setFloat(to + 4L * d, Memory.getFloat(to + 4L * d) + Memory.getFloat(from + 4L * d));
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

    private static void check(
            Tensor q, int heads, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        if (heads % store.heads() != 0) {
            throw new IllegalArgumentException(
                    heads + " query heads cannot share " + store.heads() + " key/value heads evenly");
        }
        long rows = segments.rows();
        q.require("queries", DType.F32, rows, (long) heads * store.keyDim());
        out.require("attention output", DType.F32, rows, (long) heads * store.valueDim());
        logSumExp.require("logSumExp", DType.F32, rows, heads);
        VectorKeyValues.check(segments, store);
    }
}
