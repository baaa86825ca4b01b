package dev.fathom.avx512;

import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.Memory;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * {@code dw_g += Σ_r dy[r] x[r]ᵀ}: a product whose reduction runs over rows. Neighbouring rows of dy and of x are zipped into pairs first, in panels, every
 * element rounded once; nothing needs to be transposed, as {@link MicroKernel} reads A across just as well. Tasks divide dw.
 */
final class WeightGradient {
    /** Pairs of rows per block: a panel of dy and one of x take 24 KiB each. */
    private static final int BLOCK = 128;

    /** Pairs of rows zipped by one task. */
    private static final int ZIPPED = 16;

    private static final int TASKS_PER_THREAD = 4;

    private final WorkerPool pool;
    private MemorySegment memory = MemorySegment.NULL;

    WeightGradient(WorkerPool pool) {
        this.pool = pool;
    }

    void accumulate(Tensor dy, Tensor x, RowGroups groups, Tensor dw) {
        int count = groups.count();
        int[] firstPair = new int[count + 1];
        for (int g = 0; g < count; g++) {
            firstPair[g + 1] = firstPair[g] + (groups.to(g) - groups.from(g) + 1) / 2;
        }
        int pairs = firstPair[count];
        if (pairs == 0) {
            return;
        }
        Panels outputs = new Panels(Math.toIntExact(dy.columns()));
        Panels inputs = new Panels(Math.toIntExact(x.columns()));
        long dyBytes = Memory.align(outputs.bytes(pairs));
        long a = reserve(dyBytes + inputs.bytes(pairs));
        long b = a + dyBytes;
        pool.run((pairs + ZIPPED - 1) / ZIPPED, (task, worker) -> {
            int from = task * ZIPPED;
            int to = Math.min(pairs, from + ZIPPED);
            zip(dy, groups, firstPair, from, to, outputs, a, pairs);
            zip(x, groups, firstPair, from, to, inputs, b, pairs);
        });

        int wanted = pool.threads() * TASKS_PER_THREAD;
        int parts = Math.clamp((wanted + count * outputs.count() - 1) / (count * outputs.count()), 1, inputs.count());
        pool.run(count * outputs.count() * parts, (task, worker) -> {
            int part = task % parts;
            int output = task / parts % outputs.count();
            int group = task / parts / outputs.count();
            long target =
                    dw.address() + 4L * inputs.columns() * ((long) group * outputs.columns() + Panels.first(output));
            for (int pair = firstPair[group]; pair < firstPair[group + 1]; pair += BLOCK) {
                int length = Math.min(BLOCK, firstPair[group + 1] - pair);
                for (int input = part * inputs.count() / parts; input < (part + 1) * inputs.count() / parts; input++) {
                    MicroKernel.multiply(
                            a + Panels.offset(output, pairs) + pair * outputs.pairBytes(output),
                            4,
                            outputs.pairBytes(output),
                            b + Panels.offset(input, pairs) + pair * inputs.pairBytes(input),
                            inputs.width(input),
                            target + 4L * Panels.first(input),
                            4L * inputs.columns(),
                            length,
                            outputs.width(output),
                            true);
                }
            }
        });
        Reference.reachabilityFence(dy);
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(dw);
    }

    /** Writes the pairs {@code from} to {@code to} of all panels. A group's last row may be without a partner. */
    private static void zip(
            Tensor source,
            RowGroups groups,
            int[] firstPair,
            int from,
            int to,
            Panels panels,
            long target,
            long pairs) {
        int group = 0;
        for (int pair = from; pair < to; pair++) {
            while (pair >= firstPair[group + 1]) {
                group++;
            }
            int row = groups.from(group) + 2 * (pair - firstPair[group]);
            boolean alone = row + 1 == groups.to(group);
            long even = source.rowAddress(row);
            long odd = alone ? even : source.rowAddress(row + 1);
            for (int panel = 0; panel < panels.count(); panel++) {
                long skip = 4L * Panels.first(panel);
                long at = target + Panels.offset(panel, pairs) + pair * panels.pairBytes(panel);
                if (alone) {
                    Bfloat16.zipLast(even + skip, panels.width(panel), at);
                } else {
                    Bfloat16.zip(even + skip, odd + skip, panels.width(panel), at);
                }
            }
        }
    }

    private long reserve(long bytes) {
        if (memory.byteSize() < bytes) {
            memory = Arena.ofAuto().allocate(Memory.align(bytes + bytes / 4), Memory.ALIGNMENT);
        }
        return memory.address();
    }
}
