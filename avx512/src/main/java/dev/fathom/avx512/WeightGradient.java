package dev.fathom.avx512;

import dev.fathom.engine.Memory;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * {@code dw_g += Σ_r dy[r] x[r]ᵀ}: a product whose reduction runs over rows. Neighbouring rows of dy and of x are zipped into pairs first, in panels, every
 * element rounded once at most; nothing needs to be transposed, as {@link MicroKernel} reads A across just as well.
 *
 * <p>This goes chunk by chunk of rows, so that what was zipped is multiplied while the caches hold it. Tasks divide the zipping, then dw. A chain goes on from
 * what the chunk before left in dw: chunks change no bit.
 */
final class WeightGradient {
    /** Pairs of rows in a block: a panel of dy and one of x take 24 KiB each. */
    private static final int BLOCK = 128;

    /** Zipped bytes per chunk, unless that is less than a block: about the second-level cache of one core. */
    private static final long CHUNK_BYTES = 1 << 20;

    /** Pairs of rows zipped by one task. */
    private static final int ZIPPED = 16;

    private static final int TASKS_PER_THREAD = 4;

    private final WorkerPool pool;
    private MemorySegment memory = MemorySegment.NULL;

    WeightGradient(WorkerPool pool) {
        this.pool = pool;
    }

    void accumulate(Tensor dy, Tensor x, RowGroups groups, Tensor dw) {
        Operand a = new Operand(dy);
        Operand b = new Operand(x);
        int[] firstPair = new int[groups.count() + 1];
        for (int g = 0; g < groups.count(); g++) {
            firstPair[g + 1] = firstPair[g] + (groups.to(g) - groups.from(g) + 1) / 2;
        }
        int pairs = firstPair[groups.count()];
        int chunk = (int) Math.clamp(CHUNK_BYTES / (a.panels.bytes(1) + b.panels.bytes(1)), BLOCK, 4 * BLOCK);
        chunk = Math.min(chunk, pairs);
        reserve(a, b, chunk);
        for (int from = 0; from < pairs; from += chunk) {
            accumulate(a, b, groups, firstPair, from, Math.min(pairs, from + chunk), dw.address());
        }
        Reference.reachabilityFence(dy);
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(dw);
    }

    /** A matrix and where its zipped chunk goes. */
    private static final class Operand {
        final Tensor rows;
        final Panels panels;
        long memory;
        int capacity;

        Operand(Tensor rows) {
            this.rows = rows;
            this.panels = new Panels(Math.toIntExact(rows.columns()));
        }

        long address(int panel, int pair) {
            return memory + Panels.offset(panel, capacity) + pair * panels.pairBytes(panel);
        }
    }

    private void accumulate(Operand a, Operand b, RowGroups groups, int[] firstPair, int from, int to, long dw) {
        pool.run((to - from + ZIPPED - 1) / ZIPPED, (task, worker) -> {
            int first = from + task * ZIPPED;
            int last = Math.min(to, first + ZIPPED);
            zip(a, groups, firstPair, first, last, from);
            zip(b, groups, firstPair, first, last, from);
        });
        int firstGroup = 0;
        while (firstPair[firstGroup + 1] <= from) {
            firstGroup++;
        }
        int lastGroup = firstGroup;
        while (firstPair[lastGroup + 1] < to) {
            lastGroup++;
        }
        int start = firstGroup;
        int outputPanels = a.panels.count();
        int tiles = (lastGroup - firstGroup + 1) * outputPanels;
        int parts = Math.clamp((pool.parallelism() * TASKS_PER_THREAD + tiles - 1) / tiles, 1, b.panels.count());
        pool.run(tiles * parts, (task, worker) -> {
            int part = task % parts;
            int output = task / parts % outputPanels;
            int group = start + task / parts / outputPanels;
            long target = dw + 4L * b.panels.columns() * ((long) group * a.panels.columns() + Panels.first(output));
            int end = Math.min(firstPair[group + 1], to);
            int inputPanels = b.panels.count();
            for (int pair = Math.max(firstPair[group], from); pair < end; pair += BLOCK) {
                for (int input = part * inputPanels / parts; input < (part + 1) * inputPanels / parts; input++) {
                    MicroKernel.multiply(
                            a.address(output, pair - from),
                            4,
                            a.panels.pairBytes(output),
                            b.address(input, pair - from),
                            b.panels.width(input),
                            target + 4L * Panels.first(input),
                            4L * b.panels.columns(),
                            Math.min(BLOCK, end - pair),
                            a.panels.width(output),
                            true);
                }
            }
        });
    }

    /** Zips pairs {@code from} to {@code to} into their places in a chunk. A group's last row may be without a partner. */
    private static void zip(Operand operand, RowGroups groups, int[] firstPair, int from, int to, int chunk) {
        Panels panels = operand.panels;
        long elementBytes = operand.rows.dtype().bytes();
        int group = 0;
        for (int pair = from; pair < to; pair = Math.min(to, firstPair[group])) {
            while (pair >= firstPair[group + 1]) {
                group++;
            }
            int row = groups.from(group) + 2 * (pair - firstPair[group]);
            int last = Math.min(to, firstPair[group + 1]);
            int rows = Math.min(groups.to(group) - row, 2 * (last - pair));
            Rounding.zip(
                    operand.rows.dtype(),
                    operand.rows.rowAddress(row),
                    elementBytes * operand.rows.rowStride(),
                    rows,
                    panels.columns(),
                    operand.memory,
                    Panels.offset(1, operand.capacity),
                    pair - chunk);
            group++;
        }
    }

    /** Room for a chunk of both operands. */
    private void reserve(Operand a, Operand b, int chunk) {
        long aBytes = Memory.align(a.panels.bytes(chunk));
        long bytes = aBytes + b.panels.bytes(chunk);
        if (memory.byteSize() < bytes) {
            memory = Memory.allocate(bytes + bytes / 4);
        }
        a.memory = memory.address();
        b.memory = a.memory + aBytes;
        a.capacity = chunk;
        b.capacity = chunk;
    }
}
