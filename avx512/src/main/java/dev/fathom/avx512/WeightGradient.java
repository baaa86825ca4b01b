package dev.fathom.avx512;

import dev.fathom.engine.Lanes;
import dev.fathom.engine.Memory;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.ref.Reference;

/**
 * {@code dw_g = Σ_r dy[r] x[r]ᵀ}, or {@code +=}: a product whose reduction runs over rows. Neighbouring rows of dy and of x are zipped into pairs first, in panels, every
 * element rounded if it is F32; nothing needs to be transposed, as {@link MicroKernel} reads A across just as well.
 *
 * <p>A task has a piece of one group's dw to itself and zips its columns of dy and x, block by block of rows, into scratch memory that its core's second-level
 * cache holds beside the piece. Some columns are zipped by several tasks: that is cheaper than to have cores wait for and read each other's. A chain goes on
 * from what the block before left in dw: neither blocks nor pieces change a bit.
 *
 * <p>Many rows are cut into stretches, each with a sum of its own; in the end the sums are added in order. A thread then mostly reads rows that it wrote itself, and
 * pieces may be large. How many stretches there are is a matter of the number of rows and of the size of dw, not of threads, so the bits are the same on any number.
 */
final class WeightGradient {
    /** Pairs of rows in a block. */
    private static final int BLOCK = 128;

    /** Most columns of a piece either way. */
    private static final int MAX_COLUMNS = 256;

    /** Pieces are cut between vectors. */
    private static final int GRAIN = MicroKernel.LANES;

    /** Pieces that are narrower cost more to zip than they are worth. */
    private static final int MIN_COLUMNS = 64;

    private static final int TASKS_PER_THREAD = 2;

    /** Fewest rows of a stretch. */
    private static final int STRETCH = 512;

    private static final int MAX_STRETCHES = 4;

    /** Most elements of a sum of its own: 4 MiB. */
    private static final long LARGEST_SUM = 1 << 20;

    /** Elements of sums that one task adds. */
    private static final long GRAIN_OF_SUMS = 1 << 14;

    private final WorkerPool pool;

    WeightGradient(WorkerPool pool) {
        this.pool = pool;
    }

    void compute(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        int outputs = Math.toIntExact(dy.columns());
        int inputs = Math.toIntExact(x.columns());
        long size = (long) outputs * inputs;
        int[] firstStretch = new int[groups.count() + 1];
        for (int g = 0; g < groups.count(); g++) {
            firstStretch[g + 1] = firstStretch[g] + stretches(groups.to(g) - groups.from(g), size);
        }
        int stretches = firstStretch[groups.count()];
        int outputParts = parts(outputs, 1);
        int inputParts = parts(inputs, 1);
        int wanted = pool.parallelism() == 1 ? 1 : pool.parallelism() * TASKS_PER_THREAD;
        while (stretches * outputParts * inputParts < wanted) {
            boolean across = outputs / outputParts < inputs / inputParts;
            int more = across ? parts(inputs, inputParts + 1) : parts(outputs, outputParts + 1);
            if (more == (across ? inputParts : outputParts)) {
                break;
            }
            inputParts = across ? more : inputParts;
            outputParts = across ? outputParts : more;
        }
        int pieces = outputParts * inputParts;
        int across = inputParts;
        int down = outputParts;
        // A group's first sum is made in dw, its others here.
        long sums = stretches == groups.count() ? 0 : pool.partials(4 * size * (stretches - groups.count()));
        pool.run(stretches * pieces, (task, worker) -> {
            int stretch = task / pieces;
            int group = 0;
            while (stretch >= firstStretch[group + 1]) {
                group++;
            }
            int place = stretch - firstStretch[group];
            int ofGroup = firstStretch[group + 1] - firstStretch[group];
            int output = task % pieces / across;
            int input = task % across;
            Columns a = Columns.of(dy, output, down);
            Columns b = Columns.of(x, input, across);
            long whole = place == 0 ? dw.address() + 4 * size * group : sums + 4 * size * (stretch - group - 1);
            long piece = whole + 4L * ((long) inputs * a.first + b.first);
            int from = start(groups, group, place, ofGroup);
            int to = start(groups, group, place + 1, ofGroup);
            boolean add = accumulate && place == 0;
            if (from < to) {
                compute(a, b, from, to, piece, 4L * inputs, add, worker);
            } else if (!add) {
                for (int row = 0; row < a.panels.columns(); row++) {
                    Memory.zero(piece + 4L * inputs * row, 4L * b.panels.columns());
                }
            }
        });
        for (int g = 0; g < groups.count(); g++) {
            for (int stretch = firstStretch[g] + 1; stretch < firstStretch[g + 1]; stretch++) {
                add(sums + 4 * size * (stretch - g - 1), size, dw.address() + 4 * size * g);
            }
        }
        Reference.reachabilityFence(dy);
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(dw);
    }

    /** Into how many stretches so many rows are cut; sums that do not stay in the caches would cost more than they save. */
    private static int stretches(int rows, long size) {
        return size > LARGEST_SUM ? 1 : Math.clamp(rows / STRETCH, 1, MAX_STRETCHES);
    }

    /** First row of a stretch; pairs stay together. */
    private static int start(RowGroups groups, int group, int stretch, int ofGroup) {
        int rows = groups.to(group) - groups.from(group);
        return groups.from(group) + (stretch == ofGroup ? rows : (int) ((long) rows * stretch / ofGroup) & -2);
    }

    /** {@code to += sum}. */
    private void add(long sum, long size, long to) {
        pool.forBlocks(
                size,
                GRAIN_OF_SUMS,
                (first, last, worker) ->
                        Lanes.add(to + 4 * first, sum + 4 * first, to + 4 * first, (int) (last - first)));
    }

    /** At least so many parts of even width, unless they became too narrow; more if they were too wide. */
    private static int parts(int columns, int least) {
        int most = Math.max(1, columns / MIN_COLUMNS);
        return Math.max(Math.min(least, most), (columns + MAX_COLUMNS - 1) / MAX_COLUMNS);
    }

    /** Some columns of dy or of x. */
    private record Columns(Tensor rows, int first, Panels panels) {
        static Columns of(Tensor rows, int part, int parts) {
            int columns = Math.toIntExact(rows.columns());
            int first = start(columns, part, parts);
            return new Columns(rows, first, new Panels(start(columns, part + 1, parts) - first));
        }

        private static int start(int columns, int part, int parts) {
            return part == parts ? columns : (int) ((long) columns * part / parts / GRAIN * GRAIN);
        }

        /** Zips rows from this one on. A group's last row may be without a partner. */
        void zip(int row, int count, long to) {
            long elementBytes = rows.dtype().bytes();
            Rounding.zip(
                    rows.dtype(),
                    rows.rowAddress(row) + elementBytes * first,
                    elementBytes * rows.rowStride(),
                    count,
                    panels.columns(),
                    to,
                    Panels.offset(1, BLOCK),
                    0);
        }
    }

    private void compute(Columns a, Columns b, int from, int to, long dw, long dwRow, boolean accumulate, int worker) {
        long aBytes = Memory.align(a.panels.bytes(BLOCK));
        long aPairs = pool.scratch(worker, aBytes + b.panels.bytes(BLOCK));
        long bPairs = aPairs + aBytes;
        for (int row = from; row < to; row += 2 * BLOCK) {
            int rows = Math.min(2 * BLOCK, to - row);
            a.zip(row, rows, aPairs);
            b.zip(row, rows, bPairs);
            // Down the rows of dw inside: the micro-kernel asks for the next tile's before it gets there.
            for (int input = 0; input < b.panels.count(); input++) {
                for (int output = 0; output < a.panels.count(); output++) {
                    MicroKernel.multiply(
                            aPairs + Panels.offset(output, BLOCK),
                            4,
                            a.panels.pairBytes(output),
                            bPairs + Panels.offset(input, BLOCK),
                            b.panels.width(input),
                            dw + Panels.first(output) * dwRow + 4L * Panels.first(input),
                            dwRow,
                            (rows + 1) / 2,
                            a.panels.width(output),
                            MicroKernel.Result.of(accumulate || row > from));
                }
            }
        }
    }
}
