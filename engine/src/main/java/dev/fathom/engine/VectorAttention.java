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
final class VectorAttention implements AttentionKernels {
    private static final VectorSpecies<Float> SPECIES = Lanes.SPECIES;

    private static final int TILE = KeyValueStore.TILE;
    private static final int ROWS = TileProduct.ROWS;

    /** Bytes of one row of one tile of scores. */
    static final long SCORE_ROW = 4L * TILE;

    /** Forward: rows of one unit of work. A multiple of {@link TileProduct#ROWS}. */
    private static final int UNIT_ROWS = 64;

    /** Below this many rows one at a time is cheaper than a padded block of eight. */
    private static final int FEWEST_BLOCKED_ROWS = 3;

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

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public DType keyValueType() {
        return DType.F32;
    }

    @Override
    public void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        AttentionKernels.check(DType.F32, q, heads, segments, store, out, logSumExp);
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
    static void mask(long row, long tileStep, int position, float filler) {
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
     * Work is divided over (sequence, key/value head), whose gradients are disjoint; within one, chunks of rows follow in order, so that no
     * sum depends on threads.
     */
    @Override
    public void attentionBackward(
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
        AttentionKernels.checkBackward(DType.F32, dOut, q, out, logSumExp, heads, segments, store, dq, dStore);
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
                    AttentionBackward backward =
                            new AttentionBackward(pool, worker, store, segments.rowCount()[segment]);
                    long slot = segments.slot()[segment];
                    backward.load(store.keyTile(slot, head));
                    long row = segments.rowStart()[segment];
                    for (int h = head * group; h < (head + 1) * group; h++) {
                        long qOffset = 4L * h * store.keyDim();
                        long outOffset = 4L * h * store.valueDim();
                        for (int first = 0; first < to; first += AttentionBackward.CHUNK) {
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
                    backward.writeTo(dStore, slot, head);
                });
    }
}
