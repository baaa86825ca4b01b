package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Attention over keys and values that are kept in eight bits: those that a call hears are expanded to what another implementation reads, one layer at a time.
 * So a cache takes half the memory of bf16 and results depend on nothing but what is kept; expanding costs a pass over memory in every step.
 *
 * <p>For generation: a backward pass has no use for rounded keys.
 */
final class QuantizedAttention implements AttentionKernels {
    /** Positions that are expanded at a time. */
    private static final int PART = 256;

    private final WorkerPool pool;
    private final AttentionKernels inner;
    private final VectorKeyValues keyValues;
    private final ThreadLocal<Workspace> memory = ThreadLocal.withInitial(Workspace::new);

    /** @param inner who computes */
    QuantizedAttention(WorkerPool pool, AttentionKernels inner) {
        this.pool = pool;
        this.inner = inner;
        this.keyValues = new VectorKeyValues(pool, inner);
    }

    @Override
    public String name() {
        return inner.name() + " over keys and values in eight bits";
    }

    @Override
    public DType keyValueType() {
        return DType.I8;
    }

    /** What keys and values of one pass lie in, which nobody keeps. */
    @Override
    public DType temporaryType() {
        return inner.keyValueType();
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
        for (int r = 0; r < rows; r++) {
            for (int head = 0; head < store.heads(); head++) {
                long floats = from + r * rowBytes + 4L * head * headStride;
                BlockKeyValues.store(floats, width, dim, store.keyBlocks(slot + r, head));
            }
        }
        return true;
    }

    @Override
    public boolean storeValues(
            long from, long rowBytes, int rows, int headStride, KeyValueStore store, long slot, long next) {
        for (int r = 0; r < rows; r++) {
            for (int head = 0; head < store.heads(); head++) {
                long floats = from + r * rowBytes + 4L * head * headStride;
                BlockKeyValues.store(floats, store.valueDim(), 0, store.valueBlocks(slot + r, head));
            }
        }
        return true;
    }

    @Override
    public void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        if (store.data().dtype() != DType.I8) {
            inner.attention(q, heads, scale, segments, store, out, logSumExp);
            return;
        }
        AttentionKernels.check(DType.I8, q, heads, segments, store, out, logSumExp);
        int[] lengths = new int[segments.count()];
        Arrays.setAll(lengths, s -> segments.rowCount()[s] == 0 ? 0 : segments.position()[s] + segments.rowCount()[s]);
        Segments whole = Segments.packed(lengths);
        Workspace workspace = memory.get();
        workspace.reset();
        KeyValueStore expanded = KeyValueStore.in(
                workspace, inner.keyValueType(), whole, store.heads(), store.keyDim(), store.valueDim());
        Tensor rows = workspace.allocate(
                DType.F32, PART, store.data().columns() / BlockKeyValues.BYTES * BlockKeyValues.BLOCK);
        int values = BlockKeyValues.blocks(store.keyDim()) * BlockKeyValues.BLOCK;
        int headStride = values + BlockKeyValues.blocks(store.valueDim()) * BlockKeyValues.BLOCK;
        for (int s = 0; s < lengths.length; s++) {
            for (int from = 0; from < lengths[s]; from += PART) {
                int count = Math.min(PART, lengths[s] - from);
                Tensor source = rows.rows(0, count);
                expand(store, segments.slot()[s] + from, source);
                Segments part =
                        new Segments(1, new int[1], new int[] {count}, new int[] {from}, new long[] {whole.slot()[s]});
                keyValues.storeKeys(source, 0, headStride, store.keyDim(), 0, part, expanded);
                keyValues.storeValues(source, values, headStride, part, expanded);
            }
        }
        Segments rowsOnly = new Segments(
                segments.count(), segments.rowStart(), segments.rowCount(), segments.position(), whole.slot());
        inner.attention(q, heads, scale, rowsOnly, expanded, out, logSumExp);
    }

    /** Decodes the keys and values of positions that follow each other, {@code [positions, heads * (key blocks + value blocks) * 32]}. */
    private void expand(KeyValueStore store, long slot, Tensor rows) {
        MemorySegment blocks = store.data().segment();
        long bytes = store.data().columns();
        pool.forBlocks(rows.rows(), 16, (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                BlockKeyValues.TYPE.decode(
                        blocks,
                        (slot + r) * bytes,
                        rows.segment(),
                        rows.rowAddress(r) - rows.segment().address(),
                        rows.columns());
            }
        });
    }

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
        throw new UnsupportedOperationException("keys and values in eight bits are for generation, not for training");
    }
}
