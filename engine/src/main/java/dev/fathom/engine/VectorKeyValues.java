package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import jdk.incubator.vector.FloatVector;

/**
 * Moves keys and values between rows, as the projections produce them, and the tiles of {@link KeyValueStore}, as {@link VectorAttention} walks
 * them; and their gradients back.
 *
 * <p>A key changes from a row into a column of its tile. For sixteen rows at a time the loop over rows is the inner one, so that writes are
 * consecutive (in a decoding step there is one row, and its column is written with gaps). Several key parts may come from
 * different tensors: in multi-head latent attention the rotary part is one vector shared by all heads (DeepSeek-V2 §2.1.3), stored
 * with a head stride of 0; its gradient is then the sum over the heads, in their order.
 *
 * <p>Pairs in bf16 are written by {@link PairKeyValues}, blocks of eight bits by {@link QuantizedAttention}.
 */
final class VectorKeyValues {
    private static final int TILE = KeyValueStore.TILE;

    /** Bytes from one key dimension of a tile to the next. */
    private static final long COLUMN = 4L * TILE;

    /** Rows of one unit of work. */
    private static final int UNIT_ROWS = 64;

    /** How many sequences ahead it looks. */
    private static final int AHEAD = 4;

    private final WorkerPool pool;
    private final AttentionKernels attention;

    /** @param attention who reads what is stored, and may write it in a way of its own */
    VectorKeyValues(WorkerPool pool, AttentionKernels attention) {
        this.pool = pool;
        this.attention = attention;
    }

    /** Where a sequence that follows later will be written, to look ahead. */
    private static long later(Segments segments, int s) {
        int later = Math.min(s + AHEAD, segments.count() - 1);
        return segments.slot()[later] + segments.position()[later];
    }

    /** See {@link Kernels#storeKeys}. */
    void storeKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store) {
        checkKeys(source, offset, headStride, width, dim, segments, store);
        int heads = store.heads();
        boolean pairs = store.data().dtype() == DType.BF16;
        boolean own = store.data().dtype() == attention.keyValueType();
        SegmentWork.run(pool, segments, 1, UNIT_ROWS, 2L * heads * width, 0, (s, none, from, to, worker) -> {
            long first = source.rowAddress((long) segments.rowStart()[s] + from) + 4L * offset;
            long firstSlot = segments.slot()[s] + segments.position()[s] + from;
            if (own
                    && attention.storeKeys(
                            first,
                            4 * source.rowStride(),
                            to - from,
                            headStride,
                            width,
                            dim,
                            store,
                            firstSlot,
                            later(segments, s))) {
                return;
            }
            long scratch = pool.scratch(worker, 2L * TILE * (width + 1));
            long sourceRow = 4 * source.rowStride();
            for (int r = from; r < to; ) {
                int position = segments.position()[s] + r;
                int lane = position % TILE;
                int count = Math.min(to - r, TILE - lane);
                long rows = source.rowAddress((long) segments.rowStart()[s] + r) + 4L * offset;
                long slot = segments.slot()[s] + position - lane;
                for (int head = 0; head < heads; head++) {
                    long part = rows + 4L * head * headStride;
                    long tile = store.keyTile(slot, head);
                    if (pairs) {
                        PairKeyValues.storeKeys(
                                part, sourceRow, width, count, tile, lane, dim, store.keyDim(), scratch);
                    } else {
                        transpose(part, sourceRow, width, count, tile + 4L * (dim * TILE + lane));
                    }
                }
                r += count;
            }
        });
    }

    /**
     * {@code tile[d][i] = rows[i][d]} for i below count. Four dimensions of a row at a time: four independent columns are written, and the
     * bits travel as integers, which spares the way through a float register.
     */
    static void transpose(long rows, long rowStride, int width, int count, long tile) {
        int d = 0;
        for (; d + 4 <= width; d += 4) {
            long from = rows + 4L * d;
            long to = tile + COLUMN * d;
            for (int i = 0; i < count; i++) {
                int x0 = Memory.getInt(from);
                int x1 = Memory.getInt(from + 4);
                int x2 = Memory.getInt(from + 8);
                int x3 = Memory.getInt(from + 12);
                Memory.setInt(to, x0);
                Memory.setInt(to + COLUMN, x1);
                Memory.setInt(to + 2 * COLUMN, x2);
                Memory.setInt(to + 3 * COLUMN, x3);
                from += rowStride;
                to += 4;
            }
        }
        for (; d < width; d++) {
            long from = rows + 4L * d;
            long to = tile + COLUMN * d;
            for (int i = 0; i < count; i++) {
                Memory.setInt(to, Memory.getInt(from));
                from += rowStride;
                to += 4;
            }
        }
    }

    /** See {@link Kernels#storeKeysBackward}. */
    void storeKeysBackward(
            KeyValueStore dStore, int dim, Segments segments, Tensor dSource, int offset, int headStride, int width) {
        checkKeys(dSource, offset, headStride, width, dim, segments, dStore);
        dStore.require(DType.F32);
        int heads = dStore.heads();
        SegmentWork.run(pool, segments, 1, UNIT_ROWS, 2L * heads * width, 0, (s, none, from, to, worker) -> {
            long sourceRow = 4 * dSource.rowStride();
            for (int r = from; r < to; ) {
                int position = segments.position()[s] + r;
                int lane = position % TILE;
                int count = Math.min(to - r, TILE - lane);
                long rows = dSource.rowAddress((long) segments.rowStart()[s] + r) + 4L * offset;
                long slot = segments.slot()[s] + position - lane;
                for (int head = 0; head < heads; head++) {
                    long tile = dStore.keyTile(slot, head) + 4L * (dim * TILE + lane);
                    if (headStride == 0 && head > 0) {
                        addTransposed(tile, width, count, rows, sourceRow);
                    } else {
                        Transposition.of(tile, COLUMN, width, count, rows + 4L * head * headStride, sourceRow);
                    }
                }
                r += count;
            }
        });
    }

    /** {@code rows[i][d] += tile[d][i]} for i below count. */
    private static void addTransposed(long tile, int width, int count, long rows, long rowStride) {
        for (int i = 0; i < count; i++) {
            long from = tile + 4L * i;
            long to = rows + i * rowStride;
            int d = 0;
            for (; d + 4 <= width; d += 4) {
                // All loads before the stores: the compiler does not know that tile and rows are different memory.
                float x0 = Memory.getFloat(to) + Memory.getFloat(from);
                float x1 = Memory.getFloat(to + 4) + Memory.getFloat(from + COLUMN);
                float x2 = Memory.getFloat(to + 8) + Memory.getFloat(from + 2 * COLUMN);
                float x3 = Memory.getFloat(to + 12) + Memory.getFloat(from + 3 * COLUMN);
                Memory.setFloat(to, x0);
                Memory.setFloat(to + 4, x1);
                Memory.setFloat(to + 8, x2);
                Memory.setFloat(to + 12, x3);
                from += 4 * COLUMN;
                to += 16;
            }
            for (; d < width; d++) {
                Memory.setFloat(to, Memory.getFloat(to) + Memory.getFloat(from));
                from += COLUMN;
                to += 4;
            }
        }
    }

    /** See {@link Kernels#storeValues}. */
    void storeValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store) {
        checkValues(source, offset, headStride, segments, store);
        int heads = store.heads();
        int width = store.valueDim();
        boolean pairs = store.data().dtype() == DType.BF16;
        boolean own = store.data().dtype() == attention.keyValueType();
        SegmentWork.run(pool, segments, 1, UNIT_ROWS, (long) heads * width, 0, (s, none, from, to, worker) -> {
            long first = source.rowAddress((long) segments.rowStart()[s] + from) + 4L * offset;
            long firstSlot = segments.slot()[s] + segments.position()[s] + from;
            long rowBytes = 4 * source.rowStride();
            if (own
                    && attention.storeValues(
                            first, rowBytes, to - from, headStride, store, firstSlot, later(segments, s))) {
                return;
            }
            if (pairs) {
                for (int head = 0; head < heads; head++) {
                    PairKeyValues.storeValues(
                            first + 4L * head * headStride, rowBytes, to - from, firstSlot, head, store);
                }
                return;
            }
            for (int r = from; r < to; r++) {
                int position = segments.position()[s] + r;
                int lane = position % TILE;
                long row = source.rowAddress((long) segments.rowStart()[s] + r) + 4L * offset;
                long slot = segments.slot()[s] + position - lane;
                for (int head = 0; head < heads; head++) {
                    copyRow(row + 4L * head * headStride, width, store.valueTile(slot, head) + 4L * lane * width);
                }
            }
        });
    }

    /** See {@link Kernels#storeValuesBackward}. */
    void storeValuesBackward(KeyValueStore dStore, Segments segments, Tensor dSource, int offset, int headStride) {
        checkValues(dSource, offset, headStride, segments, dStore);
        dStore.require(DType.F32);
        int heads = dStore.heads();
        int width = dStore.valueDim();
        SegmentWork.run(pool, segments, 1, UNIT_ROWS, (long) heads * width, 0, (s, none, from, to, worker) -> {
            for (int r = from; r < to; r++) {
                int position = segments.position()[s] + r;
                int lane = position % TILE;
                long row = dSource.rowAddress((long) segments.rowStart()[s] + r) + 4L * offset;
                long slot = segments.slot()[s] + position - lane;
                for (int head = 0; head < heads; head++) {
                    copyRow(dStore.valueTile(slot, head) + 4L * lane * width, width, row + 4L * head * headStride);
                }
            }
        });
    }

    private static void copyRow(long from, int width, long to) {
        int d = 0;
        for (; d <= width - Lanes.COUNT; d += Lanes.COUNT) {
            FloatVector.fromMemorySegment(SPECIES, ALL, from + 4L * d, ORDER)
                    .intoMemorySegment(ALL, to + 4L * d, ORDER);
        }
        for (; d < width; d++) {
            Memory.setFloat(to + 4L * d, Memory.getFloat(from + 4L * d));
        }
    }

    private static void checkKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store) {
        if (dim < 0 || width < 0 || dim + width > store.keyDim()) {
            throw new IllegalArgumentException(
                    "key dimensions " + dim + ".." + (dim + width) + " of a store of " + store.keyDim());
        }
        checkSource(source, offset, headStride, width, segments, store);
    }

    private static void checkValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store) {
        checkSource(source, offset, headStride, store.valueDim(), segments, store);
    }

    private static void checkSource(
            Tensor source, int offset, int headStride, int width, Segments segments, KeyValueStore store) {
        long end = offset + (store.heads() - 1L) * headStride + width;
        if (source.dtype() != DType.F32
                || source.rows() != segments.rows()
                || offset < 0
                || headStride < 0
                || end > source.columns()) {
            throw new IllegalArgumentException(
                    "needs F32 [" + segments.rows() + ", at least " + end + "], is " + source);
        }
        check(segments, store);
    }

    /** Addresses are computed from slots without further checks: every slot a segment uses must lie in the store. */
    static void check(Segments segments, KeyValueStore store) {
        store.require(store.data().dtype());
        long slots = store.slots();
        for (int s = 0; s < segments.count(); s++) {
            long slot = segments.slot()[s];
            long end = slot + segments.position()[s] + segments.rowCount()[s];
            if (slot < 0 || slot % TILE != 0 || segments.position()[s] < 0 || end > slots) {
                throw new IllegalArgumentException("segment " + s + " uses slots " + slot + ".." + end
                        + " (from a multiple of " + TILE + ") of a store of " + slots);
            }
        }
    }
}
