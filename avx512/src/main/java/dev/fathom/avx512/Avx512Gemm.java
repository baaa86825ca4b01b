package dev.fathom.avx512;

import dev.fathom.engine.DType;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.ref.Reference;

/**
 * Matrix products in bf16 with f32 sums by {@link MicroKernel}.
 *
 * <p>A task takes some rows of one group, rounds them to bf16 in its scratch memory unless they are, and walks the panels of the weights. Long
 * reductions are cut into blocks that stay in the caches; as a chain continues from what is in memory, neither that nor the division into
 * tasks changes a bit. Weight gradients are {@link WeightGradient}'s.
 */
final class Avx512Gemm implements Gemm {
    /** Most tiles of rows per task: with a block of the reduction they fit the second-level cache, beside a panel of the weights. */
    private static final int MAX_TILES = 12;

    /** Elements of the reduction per block. */
    private static final int BLOCK = 512;

    /** Tasks per thread if there is enough work: evens out threads of unequal speed. */
    private static final int TASKS_PER_THREAD = 4;

    /** Multiplications worth a task of their own, about 5 microseconds. */
    private static final long TASK_WORK = 1 << 19;

    /** Rows so many bytes apart compete for the same places of the first-level cache: they are copied even if they need no rounding. */
    private static final int CROWDED = 2048;

    /** Bytes of weights that the second-level cache holds beside a task's rows. */
    private static final long SHARED_WEIGHTS = 256 << 10;

    private final WorkerPool pool;
    private final WeightGradient weightGradient;

    Avx512Gemm(WorkerPool pool) {
        this.pool = pool;
        this.weightGradient = new WeightGradient(pool);
    }

    @Override
    public String name() {
        return "AVX-512 bf16";
    }

    @Override
    public Precision precision() {
        return Precision.BF16;
    }

    @Override
    public DType roundedResult() {
        return DType.BF16;
    }

    @Override
    public Packed pack(Tensor weights) {
        return new PackedWeights(weights, pool);
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
        PackedWeights packed = packed(weights, groups);
        Gemm.requireOperand("x", x, groups.rows(), packed.inputs());
        Gemm.requireOperand("y", y, groups.rows(), packed.outputs());
        multiply(x, groups, packed.forward(), y, false);
    }

    @Override
    public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
        PackedWeights packed = packed(weights, groups);
        Gemm.requireOperand("dy", dy, groups.rows(), packed.outputs());
        dx.require("dx", DType.F32, groups.rows(), packed.inputs());
        multiply(dy, groups, packed.backward(), dx, accumulate);
    }

    @Override
    public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        Gemm.requireOperand("dy", dy, groups.rows(), dy.columns());
        Gemm.requireOperand("x", x, groups.rows(), x.columns());
        dw.require("dw", DType.F32, groups.count() * dy.columns(), x.columns());
        if (!dw.isDense()) {
            throw new IllegalArgumentException("dw must be dense, is " + dw);
        }
        weightGradient.compute(dy, x, groups, dw, accumulate);
    }

    @Override
    public void close() {}

    private static PackedWeights packed(Packed weights, RowGroups groups) {
        if (!(weights instanceof PackedWeights packed)) {
            throw new IllegalArgumentException(
                    "weights were packed by another Gemm: " + weights.getClass().getSimpleName());
        }
        if (groups.count() != packed.groups()) {
            throw new IllegalArgumentException(
                    groups.count() + " groups of rows for " + packed.groups() + " weight matrices");
        }
        return packed;
    }

    private void multiply(Tensor x, RowGroups groups, PackedWeights.Orientation weights, Tensor y, boolean accumulate) {
        int rows = groups.rows();
        if (rows == 0) {
            return;
        }
        int panels = weights.panels().count();
        long work = (long) weights.length() * weights.panels().columns() * rows / TASK_WORK;
        int wanted =
                pool.parallelism() == 1 ? 1 : (int) Math.clamp(work, 1, (long) pool.parallelism() * TASKS_PER_THREAD);
        // A task walks the weights of its rows once: large weights are divided, small ones walked by many tasks.
        int rowTasks = weights.groupBytes() > SHARED_WEIGHTS ? 1 : wanted;
        int height = Math.clamp((tiles(rows) + rowTasks - 1) / rowTasks, 1, MAX_TILES);
        int[] firstBlock = new int[groups.count() + 1];
        for (int g = 0; g < groups.count(); g++) {
            int tiles = tiles(groups.to(g) - groups.from(g));
            int blocks = (tiles + height - 1) / height;
            if (groups.count() == 1 && blocks > 1) {
                blocks = Math.min(tiles, (blocks + pool.threads() - 1) / pool.threads() * pool.threads());
            }
            firstBlock[g + 1] = firstBlock[g] + blocks;
        }
        int blocks = firstBlock[groups.count()];
        // Few rows: the panels are divided, too.
        int parts = Math.clamp((wanted + blocks - 1) / blocks, 1, panels);
        pool.run(blocks * parts, (task, worker) -> {
            int block = task / parts;
            int group = 0;
            while (block >= firstBlock[group + 1]) {
                group++;
            }
            // Blocks of even height, give or take a tile.
            int tiles = tiles(groups.to(group) - groups.from(group));
            int place = block - firstBlock[group];
            int ofGroup = firstBlock[group + 1] - firstBlock[group];
            int from = groups.from(group) + place * tiles / ofGroup * MicroKernel.ROWS;
            int to = Math.min(groups.to(group), groups.from(group) + (place + 1) * tiles / ofGroup * MicroKernel.ROWS);
            int part = task % parts;
            multiply(
                    x,
                    from,
                    to - from,
                    weights,
                    group,
                    part * panels / parts,
                    (part + 1) * panels / parts,
                    y,
                    accumulate,
                    worker);
        });
        // The tasks know addresses only: without these the collector might free a tensor while it is read.
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(y);
        Reference.reachabilityFence(weights);
    }

    private void multiply(
            Tensor x,
            int first,
            int rows,
            PackedWeights.Orientation weights,
            int group,
            int firstPanel,
            int lastPanel,
            Tensor y,
            boolean accumulate,
            int worker) {
        int length = weights.length();
        boolean rounded = y.dtype() == DType.BF16;
        // Nothing can go on from a rounded result.
        int most = rounded ? length : Math.min(BLOCK, length);
        Panels panels = weights.panels();
        long from = x.rowAddress(first);
        long stride = x.rowStride() * x.dtype().bytes();
        boolean inPlace = x.dtype() == DType.BF16 && length % 2 == 0 && stride % CROWDED != 0;
        long rowBytes = inPlace ? stride : Rounding.rowBytes(most);
        long scratch = inPlace ? 0 : pool.scratch(worker, rows * rowBytes);
        for (int k = 0; k < length; k += most) {
            int columns = Math.min(most, length - k);
            int pairs = (columns + 1) / 2;
            long operand = from + (long) k * x.dtype().bytes();
            if (!inPlace) {
                Rounding.rows(x.dtype(), operand, stride, rows, columns, scratch, rowBytes);
            }
            for (int panel = firstPanel; panel < lastPanel; panel++) {
                MicroKernel.multiply(
                        inPlace ? operand : scratch,
                        rowBytes,
                        4,
                        weights.panel(group, panel) + k / 2 * panels.pairBytes(panel),
                        panels.width(panel),
                        y.rowAddress(first) + (long) y.dtype().bytes() * Panels.first(panel),
                        y.dtype().bytes() * y.rowStride(),
                        pairs,
                        rows,
                        rounded ? MicroKernel.Result.ROUNDED : MicroKernel.Result.of(accumulate || k > 0));
            }
        }
    }

    /** Tiles that so many rows fill, the last one perhaps in part. */
    private static int tiles(int rows) {
        return (rows + MicroKernel.ROWS - 1) / MicroKernel.ROWS;
    }
}
