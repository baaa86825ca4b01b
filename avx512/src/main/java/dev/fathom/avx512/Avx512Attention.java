package dev.fathom.avx512;

import dev.fathom.engine.AttentionKernels;
import dev.fathom.engine.DType;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Memory;
import dev.fathom.engine.SegmentWork;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorMath;
import dev.fathom.engine.WorkerPool;

/**
 * Causal softmax attention with products in bf16 by {@link MicroKernel}: queries, keys, values and softmax weights are rounded, all sums and the
 * softmax are f32.
 *
 * <p>A block of queries is taken at a time, its scores kept in scratch memory from the first position to the last. Keys and values
 * lie in the store as the micro-kernel wants its second operand; queries, and the weights once they are rounded, are first operands as they are.
 *
 * <p><b>The order of every sum</b> is a matter of positions alone, never of the block:
 *
 * <ul>
 *   <li>score {@code s_j}: one chain over the pairs of key dimensions;
 *   <li>{@code p_j = exp(scale s_j - m)} with {@code m = scale max s};
 *   <li>denominator: {@code p_j} is added to lane {@code j mod 16} in the order of j, then the lanes pairwise;
 *   <li>output: one chain over the pairs of positions of rounded {@code p_j v_j}, times 1 / denominator.
 * </ul>
 *
 * A chain of the output may go on over further positions, up to what another row of the block attends to: there the weights are exactly 0
 * and add nothing, as long as the values are finite.
 */
final class Avx512Attention implements AttentionKernels {
    private static final int TILE = KeyValueStore.TILE;

    /** Bytes of one tile of one row of scores: one vector. */
    static final long VECTOR = 4L * TILE;

    /** Most queries of a block. A multiple of {@link #STRIP}. */
    private static final int BLOCK = 64;

    /** Bytes of scores worth keeping in the caches: longer sequences get lower blocks. */
    private static final long SCORES = 256 << 10;

    /** Bytes for the two numbers that come out of a row's softmax. */
    private static final int STATISTICS = 8;

    /** Queries whose outputs are computed together, over the positions that the last of them attends to. */
    static final int STRIP = 16;

    private final WorkerPool pool;

    Avx512Attention(WorkerPool pool) {
        this.pool = pool;
    }

    @Override
    public String name() {
        return "AVX-512 bf16";
    }

    @Override
    public DType keyValueType() {
        return DType.BF16;
    }

    @Override
    public boolean storeKeys(
            long from,
            long rowBytes,
            int rows,
            int headStride,
            int width,
            int dim,
            KeyValueStore store,
            long slot,
            long next) {
        if (width % 2 != 0 || dim % 2 != 0) {
            return false;
        }
        for (int r = 0; r < rows; r++) {
            AppendKernel.keys(from + r * rowBytes, headStride, width, dim, store, slot + r, next);
        }
        return true;
    }

    @Override
    public boolean storeValues(
            long from, long rowBytes, int rows, int headStride, KeyValueStore store, long slot, long next) {
        int lead = (int) (slot % 2);
        int pairs = store.valueDim() % TILE == 0 ? Math.max(0, (rows - lead) / 2) : 0;
        for (int head = 0; head < store.heads() && pairs > 0; head++) {
            Rounding.zipTiles(
                    from + lead * rowBytes + 4L * head * headStride,
                    rowBytes,
                    2 * pairs,
                    store.valueDim() / TILE,
                    store.valuePanel(slot + lead, head, 0),
                    store.valuePanel(slot, head, 1) - store.valuePanel(slot, head, 0));
        }
        for (int r = 0; r < rows; r++) {
            if (pairs == 0 || r < lead || r >= lead + 2 * pairs) {
                AppendKernel.values(from + r * rowBytes, headStride, store, slot + r, next);
            }
        }
        return true;
    }

    @Override
    public void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        AttentionKernels.check(DType.BF16, q, heads, segments, store, out, logSumExp);
        int group = heads / store.heads();
        long width = (long) group * (store.keyDim() + store.valueDim());
        DecodeKernel decode = DecodeKernel.of(store);
        SegmentWork.run(pool, segments, store.heads(), BLOCK, width, width, (segment, shared, from, to, worker) -> {
            Keys keys = new Keys(store, segments.slot()[segment], shared);
            long row = (long) segments.rowStart()[segment] + from;
            int position = segments.position()[segment] + from;
            int head = shared * group;
            Rows queries = Rows.of(q, row, (long) head * store.keyDim());
            Rows outputs = Rows.of(out, row, (long) head * store.valueDim());
            Rows sums = Rows.of(logSumExp, row, head);
            int rows = to - from;
            if (rows == 1 && group == 1) {
                decode(decode, keys, next(keys, segments, segment), scale, position, queries, outputs, sums, worker);
                return;
            }
            // Blocks go down the rows of a head or, when decoding, over the heads that share the keys.
            if (rows >= group) {
                int height = blockRows((position + rows + TILE - 1) / TILE);
                for (int g = 0; g < group; g++) {
                    for (int r = 0; r < rows; r += height) {
                        attend(
                                keys,
                                scale,
                                Math.min(height, rows - r),
                                position + r,
                                1,
                                queries.from(r, (long) g * store.keyDim()),
                                outputs.from(r, (long) g * store.valueDim()),
                                sums.from(r, g),
                                worker);
                    }
                }
            } else {
                for (int r = 0; r < rows; r++) {
                    attend(
                            keys,
                            scale,
                            group,
                            position + r,
                            0,
                            queries.from(r, 0).every(store.keyDim()),
                            outputs.from(r, 0).every(store.valueDim()),
                            sums.from(r, 0).every(1),
                            worker);
                }
            }
        });
    }

    /**
     * Work is divided over (sequence, key/value head), whose gradients are disjoint; within one, blocks of rows follow in order, so that no sum
     * depends on threads.
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
        AttentionKernels.checkBackward(DType.BF16, dOut, q, out, logSumExp, heads, segments, store, dq, dStore);
        int group = heads / store.heads();
        long width = group * (3L * store.keyDim() + 2L * store.valueDim());
        SegmentWork.run(
                pool, segments, store.heads(), Integer.MAX_VALUE, width, width, (segment, shared, from, to, worker) -> {
                    long slot = segments.slot()[segment];
                    long row = segments.rowStart()[segment];
                    Avx512AttentionBackward backward =
                            new Avx512AttentionBackward(pool, worker, new Keys(store, slot, shared), to);
                    backward.load();
                    for (int head = shared * group; head < (shared + 1) * group; head++) {
                        backward.head(
                                head == shared * group,
                                scale,
                                Rows.of(q, row, (long) head * store.keyDim()),
                                Rows.of(dOut, row, (long) head * store.valueDim()),
                                Rows.of(out, row, (long) head * store.valueDim()),
                                Rows.of(logSumExp, row, head),
                                Rows.of(dq, row, (long) head * store.keyDim()),
                                new Keys(dStore, slot, shared));
                    }
                });
    }

    /** How many rows of so many tiles of scores are taken together: a multiple of {@link #STRIP}. */
    static int blockRows(int tiles) {
        return Math.clamp(SCORES / (tiles * VECTOR) / STRIP * STRIP, STRIP, BLOCK);
    }

    /** Keys and values of one head and sequence. */
    record Keys(KeyValueStore store, long slot, int head) {
        int keyPairs() {
            return store.keyWidth() / 2;
        }

        /** {@code [keyPairs][16]} pairs. */
        long tile(int tile) {
            return store.keyTile(slot + (long) tile * TILE, head);
        }

        int panels() {
            return store.valueWidth() / TILE;
        }

        /** Pairs of positions from the first on, sixteen columns. */
        long panel(int panel) {
            return store.valuePanel(slot, head, panel);
        }
    }

    /** Rows of floats, {@code stride} bytes apart. */
    record Rows(long address, long stride) {
        static Rows of(Tensor tensor, long row, long column) {
            return new Rows(tensor.rowAddress(row) + 4 * column, 4 * tensor.rowStride());
        }

        Rows from(long row, long column) {
            return new Rows(address + row * stride + 4 * column, stride);
        }

        /** The same beginning, but a row every so many floats. */
        Rows every(long floats) {
            return new Rows(address, 4 * floats);
        }

        long row(int i) {
            return address + i * stride;
        }
    }

    /** What {@link #decode} will be asked for next: tasks go over the heads of a sequence, then over the sequences. */
    private static DecodeKernel.Place next(Keys keys, Segments segments, int segment) {
        if (keys.head + 1 < keys.store.heads()) {
            return DecodeKernel.Place.of(new Keys(keys.store, keys.slot, keys.head + 1));
        }
        int following = Math.min(segment + 1, segments.count() - 1);
        return DecodeKernel.Place.of(new Keys(keys.store, segments.slot()[following], 0));
    }

    /** One query. */
    private void decode(
            DecodeKernel kernel,
            Keys keys,
            DecodeKernel.Place next,
            float scale,
            int position,
            Rows q,
            Rows out,
            Rows logSumExp,
            int worker) {
        long scratch = pool.scratch(worker, kernel.scratchBytes(position / TILE + 1));
        long statistics = kernel.attend(keys, position + 1, scale, next, q.row(0), out.row(0), scratch);
        Memory.setFloat(logSumExp.row(0), logSumExp(statistics));
    }

    private static float logSumExp(long statistics) {
        return Memory.getFloat(statistics) + VectorMath.log(Memory.getFloat(statistics + 4));
    }

    /** So many queries; query i stands at {@code position + i * step}. */
    private void attend(
            Keys keys, float scale, int count, int position, int step, Rows q, Rows out, Rows logSumExp, int worker) {
        KeyValueStore store = keys.store();
        int tiles = (position + (count - 1) * step) / TILE + 1;
        // One vector more than needed, because rows 4096 bytes apart would compete for the same cache set.
        long scoreRow = (tiles + 1) * VECTOR;
        long queryRow = 2L * store.keyWidth();
        long outRow = 4L * store.valueWidth();
        long statistics = pool.scratch(
                worker, STATISTICS + 4L * count + count * (scoreRow + queryRow + outRow) + 3 * Memory.ALIGNMENT);
        long factors = statistics + STATISTICS;
        long queries = Memory.align(factors + 4L * count);
        long sums = Memory.align(queries + count * queryRow);
        long scores = Memory.align(sums + count * outRow);

        roundRows(q, count, store.keyDim(), queries, queryRow);
        for (int tile = 0; tile < tiles; tile++) {
            // Rows before the tile do not attend to it.
            int first = step == 0 ? 0 : Math.max(0, tile * TILE - position);
            MicroKernel.multiply(
                    queries + first * queryRow,
                    queryRow,
                    4,
                    keys.tile(tile),
                    TILE,
                    scores + first * scoreRow + tile * VECTOR,
                    scoreRow,
                    keys.keyPairs(),
                    count - first,
                    MicroKernel.Result.FRESH);
        }
        for (int strip = 0; strip < count; strip += STRIP) {
            int rows = Math.min(STRIP, count - strip);
            int stripTiles = (position + (strip + rows - 1) * step) / TILE + 1;
            for (int i = strip; i < strip + rows; i++) {
                int attended = position + i * step + 1;
                int used = (attended + TILE - 1) / TILE;
                long row = scores + i * scoreRow;
                RowSoftmax.weights(row, attended, scale, statistics);
                float denominator = Memory.getFloat(statistics + 4);
                if (used < stripTiles) {
                    // Two bytes a weight now.
                    Memory.zero(row + used * VECTOR / 2, (stripTiles - used) * VECTOR / 2);
                }
                Memory.setFloat(logSumExp.row(i), logSumExp(statistics));
                Memory.setFloat(factors + 4L * i, 1 / denominator);
            }
            for (int panel = 0; panel < keys.panels(); panel++) {
                MicroKernel.multiply(
                        scores + strip * scoreRow,
                        scoreRow,
                        4,
                        keys.panel(panel),
                        TILE,
                        sums + strip * outRow + panel * VECTOR,
                        outRow,
                        (long) stripTiles * TILE / 2,
                        rows,
                        MicroKernel.Result.FRESH);
            }
        }
        ScaleKernel.scale(sums, outRow, factors, out.address(), out.stride(), store.valueDim(), count);
    }

    /** Rounds rows to bf16; an odd last column gets a 0 for a neighbour. */
    static void roundRows(Rows from, int count, int columns, long to, long toRow) {
        Rounding.exactRows(from.address(), from.stride(), count, columns, to, toRow);
        if (columns % 2 != 0) {
            for (int i = 0; i < count; i++) {
                Memory.ALL.set(Memory.SHORT, to + i * toRow + 2L * columns, (short) 0);
            }
        }
    }
}
