package dev.fathom.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Matrix products in pure Java on the Vector API, the built-in {@link Gemm}.
 *
 * <p><b>The rule.</b> Every element of {@code y} and {@code dx} is one chain of fused multiply-adds from zero, in index order
 * of its reduction; every element of {@code dw} one such chain over the rows of its group, in row order, then added. Blocks,
 * tiles, vector width and threads only decide when a step of the chain is taken, never its place in it, so the results are
 * those of the obvious scalar loop with {@link Math#fma}, to the bit, on every machine. {@link Precision#BF16} rounds both
 * operands first and is otherwise the same.
 *
 * <p>How it works: weights are packed once into panels ({@link VectorPanels}). A product is cut into tasks, each some rows of
 * one group by some panels. A task copies its rows of x to scratch memory, block by block of the reduction, and lets the
 * {@link VectorMicroKernel} run over tiles; sums that do not fill a whole tile, or that must be added, go through scratch.
 */
public final class VectorGemm implements Gemm {
    private static final int PANEL = VectorMicroKernel.PANEL;
    private static final int LANES = VectorMicroKernel.LANES;
    private static final int BLOCK = VectorMicroKernel.BLOCK;
    private static final int TILE_ROWS = VectorMicroKernel.TILE_ROWS;

    /** Most rows per task: with {@link VectorMicroKernel#BLOCK} inputs each they fit the second-level cache. */
    private static final int MAX_ROWS = 96;

    /** Rows per block of the weight gradient: a panel of x and eight columns of dy fit the first-level cache. */
    private static final int GRADIENT_ROWS = 128;

    /** Most inputs of a weight gradient's piece: with as many outputs it fits the second-level cache beside its columns of dy and x. */
    private static final int MAX_PIECE_PANELS = Math.max(1, 256 / PANEL);

    /** Most blocks of outputs of a piece. */
    private static final int MAX_PIECE_BLOCKS = 5;

    /** Most results per task across, so that scratch memory stays small. */
    private static final int MAX_PANELS = Math.max(1, 1024 / PANEL);

    /** Tasks per thread if there is enough work: evens out threads of unequal speed. */
    private static final int TASKS_PER_THREAD = 4;

    /** Multiplications worth a task of their own, about 5 microseconds. */
    private static final long TASK_WORK = 1 << 18;

    /** Where chains start: a row of zeros as long as the widest tile. */
    private static final MemorySegment ZEROS = Arena.global().allocate(8 * VectorMicroKernel.VECTOR, Memory.ALIGNMENT);

    private final Precision precision;
    private final WorkerPool pool;

    /** @param pool whose threads work on each product; stays the caller's to close */
    public VectorGemm(Precision precision, WorkerPool pool) {
        this.precision = precision;
        this.pool = pool;
    }

    @Override
    public String name() {
        return "vector " + VectorMicroKernel.SPECIES.vectorBitSize() + "-bit "
                + (precision == Precision.BF16 ? "bf16" : "f32");
    }

    @Override
    public Precision precision() {
        return precision;
    }

    @Override
    public Packed pack(Tensor weights) {
        return new VectorPanels(weights, precision, pool);
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
        VectorPanels panels = panels(weights, groups);
        multiply(x, groups, panels.forward(), panels.inputs(), panels.outputs(), y, false, "x", "y");
    }

    @Override
    public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
        VectorPanels panels = panels(weights, groups);
        multiply(dy, groups, panels.backward(), panels.outputs(), panels.inputs(), dx, accumulate, "dy", "dx");
    }

    private static VectorPanels panels(Packed weights, RowGroups groups) {
        if (!(weights instanceof VectorPanels panels)) {
            throw new IllegalArgumentException(
                    "weights were packed by another Gemm: " + weights.getClass().getSimpleName());
        }
        if (groups.count() != panels.groups()) {
            throw new IllegalArgumentException(
                    groups.count() + " groups of rows for " + panels.groups() + " weight matrices");
        }
        return panels;
    }

    private void multiply(
            Tensor x,
            RowGroups groups,
            MemorySegment panels,
            long length,
            long results,
            Tensor y,
            boolean accumulate,
            String xRole,
            String yRole) {
        Gemm.requireOperand(xRole, x, groups.rows(), length);
        y.require(yRole, DType.F32, groups.rows(), results);
        Product product = new Product(x, groups, panels, length, results, y, accumulate);
        pool.run(product.tasks, product);
        // The tasks know addresses only: without these the collector might free a tensor while it is read.
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(y);
        Reference.reachabilityFence(panels);
    }

    @Override
    public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        long outputs = dy.columns();
        long inputs = x.columns();
        Gemm.requireOperand("dy", dy, groups.rows(), outputs);
        Gemm.requireOperand("x", x, groups.rows(), inputs);
        dw.require("dw", DType.F32, groups.count() * outputs, inputs);
        if (!dw.isDense()) {
            throw new IllegalArgumentException("dw must be dense, is " + dw);
        }
        Gradient gradient = new Gradient(dy, x, groups, dw, accumulate);
        pool.run(gradient.tasks, gradient);
        Reference.reachabilityFence(dy);
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(dw);
    }

    @Override
    public void close() {}

    /** {@code y = x Wᵀ} as tasks: each some rows of one group by some panels. */
    private final class Product implements WorkerPool.Task {
        private final DType type;
        private final long x;
        private final long xStride;
        private final long y;
        private final long yStride;
        private final RowGroups groups;
        private final long panels;
        private final int length;
        private final int results;
        private final boolean accumulate;
        private final int maxRows;
        private final int panelBlocks;
        private final int tasks;

        Product(
                Tensor x,
                RowGroups groups,
                MemorySegment panels,
                long length,
                long results,
                Tensor y,
                boolean accumulate) {
            this.type = x.dtype();
            this.x = x.address();
            this.xStride = x.rowStride() * type.bytes();
            this.y = y.address();
            this.yStride = 4 * y.rowStride();
            this.groups = groups;
            this.panels = panels.address();
            this.length = Math.toIntExact(length);
            this.results = Math.toIntExact(results);
            this.accumulate = accumulate;

            // Few rows cost as much as four: then reading the weights is the work.
            int rows = groups.rows();
            long wanted = Math.min(
                    (long) pool.parallelism() * TASKS_PER_THREAD, length * results * Math.max(4, rows) / TASK_WORK);
            if (pool.parallelism() == 1) {
                wanted = 1;
            }
            // First shorter row blocks, down to two tiles; then fewer panels per task.
            long share = wanted <= 1 ? MAX_ROWS : (rows + wanted - 1) / wanted;
            this.maxRows = (int) Math.clamp(roundUp(share, TILE_ROWS), 16, MAX_ROWS);
            int rowBlocks = rowBlocks();
            int panelCount = VectorPanels.panels(results);
            long across = rowBlocks == 0 ? 1 : (wanted + rowBlocks - 1) / rowBlocks;
            long least = (panelCount + MAX_PANELS - 1) / MAX_PANELS;
            this.panelBlocks = (int) Math.clamp(across, least, panelCount);
            this.tasks = Math.multiplyExact(rowBlocks, panelBlocks);
        }

        private int rowBlocks() {
            int blocks = 0;
            for (int g = 0; g < groups.count(); g++) {
                blocks += blocksOf(groups.to(g) - groups.from(g));
            }
            return blocks;
        }

        private int blocksOf(int rows) {
            return (rows + maxRows - 1) / maxRows;
        }

        @Override
        public void run(int task, int worker) {
            int block = task / panelBlocks;
            int group = 0;
            while (block >= blocksOf(groups.to(group) - groups.from(group))) {
                block -= blocksOf(groups.to(group) - groups.from(group));
                group++;
            }
            int groupRows = groups.to(group) - groups.from(group);
            // Blocks of even height, in whole tiles, instead of full ones and a rest.
            int height = (int) roundUp((groupRows + blocksOf(groupRows) - 1) / blocksOf(groupRows), TILE_ROWS);
            int from = Math.min(groupRows, block * height);
            int to = Math.min(groupRows, from + height);
            int panelCount = VectorPanels.panels(results);
            int across = task % panelBlocks;
            int fromPanel = (int) ((long) panelCount * across / panelBlocks);
            int toPanel = (int) ((long) panelCount * (across + 1) / panelBlocks);
            if (from < to) {
                multiply(group, groups.from(group) + from, to - from, fromPanel, toPanel, worker);
            }
        }

        private void multiply(int group, int firstRow, int rows, int fromPanel, int toPanel, int worker) {
            int paddedRows = (int) roundUp(rows, TILE_ROWS);
            long sumStride = (toPanel - fromPanel) * VectorMicroKernel.PANEL_ROW;
            long xBlock = pool.scratch(worker, paddedRows * (VectorMicroKernel.ROW + sumStride));
            long sums = xBlock + paddedRows * VectorMicroKernel.ROW;
            long groupPanels = panels + group * VectorPanels.groupBytes(results, length);
            long xRows = x + firstRow * xStride;
            long yRows = y + firstRow * yStride;
            boolean round = precision == Precision.BF16;
            // A single last row runs alone, four panels at a time; two or three rows run as four.
            int tiledRows = rows % 4 == 1 ? rows - 1 : rows;
            for (int from = 0; from < length; from += BLOCK) {
                int steps = Math.min(BLOCK, length - from);
                boolean first = from == 0;
                boolean last = from + steps == length;
                long operand = xRows + (long) from * type.bytes();
                VectorPanels.copy(type, operand, xStride, rows, steps, xBlock, VectorMicroKernel.ROW, steps, round);
                for (int p = fromPanel; p < toPanel && tiledRows > 0; p++) {
                    long panel = groupPanels + ((long) p * length + from) * VectorMicroKernel.PANEL_ROW;
                    long yPanel = yRows + 4L * p * PANEL;
                    long sumPanel = sums + (p - fromPanel) * VectorMicroKernel.PANEL_ROW;
                    tiles(
                            xBlock,
                            tiledRows,
                            panel,
                            steps,
                            first,
                            last,
                            yPanel,
                            sumPanel,
                            sumStride,
                            results - p * PANEL);
                }
                if (tiledRows < rows) {
                    long xRow = xBlock + tiledRows * VectorMicroKernel.ROW;
                    long yRow = yRows + tiledRows * yStride;
                    long sumRow = sums + tiledRows * sumStride;
                    lastRow(xRow, groupPanels, from, steps, fromPanel, toPanel, yRow, sumRow);
                }
            }
        }

        /** All rows but perhaps the last by one panel, for one block of the reduction. */
        private void tiles(
                long xBlock,
                int rows,
                long panel,
                int steps,
                boolean first,
                boolean last,
                long yPanel,
                long sumPanel,
                long sumStride,
                int remaining) {
            int columns = Math.min(PANEL, remaining);
            boolean narrow = columns <= LANES;
            boolean whole = !accumulate && columns % LANES == 0;
            int tile;
            for (int row = 0; row < rows; row += tile) {
                tile = TILE_ROWS == 8 && rows - row > 4 ? 8 : 4;
                int tileRows = Math.min(tile, rows - row);
                boolean direct = whole && tileRows == tile;
                long target = direct ? yPanel + row * yStride : sumPanel + row * sumStride;
                long stride = direct ? yStride : sumStride;
                long start = first ? ZEROS.address() : target;
                long startStride = first ? 0 : stride;
                long a = xBlock + row * VectorMicroKernel.ROW;
                if (tile == 8) {
                    if (narrow) {
                        VectorMicroKernel.rows8Narrow(a, panel, steps, start, startStride, target, stride);
                    } else {
                        VectorMicroKernel.rows8(a, panel, steps, start, startStride, target, stride);
                    }
                } else if (narrow) {
                    VectorMicroKernel.rows4Narrow(a, panel, steps, start, startStride, target, stride);
                } else {
                    VectorMicroKernel.rows4(a, panel, steps, start, startStride, target, stride);
                }
                if (last && !direct) {
                    VectorPanels.finish(target, stride, tileRows, columns, yPanel + row * yStride, yStride, accumulate);
                }
            }
        }

        /** One row by all panels of the task, for one block of the reduction. */
        private void lastRow(
                long xRow, long groupPanels, int from, int steps, int fromPanel, int toPanel, long yRow, long sumRow) {
            long panelBytes = length * VectorMicroKernel.PANEL_ROW;
            long b = groupPanels + fromPanel * panelBytes + from * VectorMicroKernel.PANEL_ROW;
            int end = Math.min(results, toPanel * PANEL);
            int width;
            for (int column = fromPanel * PANEL; column < end; column += width) {
                int remaining = end - column;
                width = remaining > 3 * PANEL ? 4 * PANEL : PANEL;
                int written = width == PANEL && remaining <= LANES ? LANES : width;
                boolean direct = !accumulate && remaining >= written;
                long target = direct ? yRow + 4L * column : sumRow + 4L * (column - fromPanel * PANEL);
                long start = from == 0 ? ZEROS.address() : target;
                if (written == 4 * PANEL) {
                    VectorMicroKernel.row1Wide(xRow, b, panelBytes, steps, start, target);
                } else if (written == PANEL) {
                    VectorMicroKernel.row1(xRow, b, steps, start, target);
                } else {
                    VectorMicroKernel.row1Narrow(xRow, b, steps, start, target);
                }
                if (from + steps == length && !direct) {
                    int columns = Math.min(written, remaining);
                    VectorPanels.finish(target, 0, 1, columns, yRow + 4L * column, 0, accumulate);
                }
                b += width / PANEL * panelBytes;
            }
        }
    }

    /** {@code dw = dyᵀ x} or {@code +=} as tasks: each some blocks of outputs by some panels of inputs of one group. */
    private final class Gradient implements WorkerPool.Task {
        private final DType dyType;
        private final long dy;
        private final long dyStride;
        private final DType xType;
        private final long x;
        private final long xStride;
        private final long dw;
        private final RowGroups groups;
        private final boolean accumulate;
        private final int outputs;
        private final int inputs;
        private final int outputBlocks;
        private final int panels;
        private final int down;
        private final int across;
        private final int tasks;

        Gradient(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
            this.dyType = dy.dtype();
            this.dy = dy.address();
            this.dyStride = dy.rowStride() * dyType.bytes();
            this.xType = x.dtype();
            this.x = x.address();
            this.xStride = x.rowStride() * xType.bytes();
            this.dw = dw.address();
            this.groups = groups;
            this.accumulate = accumulate;
            this.outputs = Math.toIntExact(dy.columns());
            this.inputs = Math.toIntExact(x.columns());
            this.outputBlocks = (outputs + VectorGradientKernel.OUTPUTS - 1) / VectorGradientKernel.OUTPUTS;
            this.panels = VectorPanels.panels(inputs);
            long work = (long) outputs * inputs * groups.rows();
            long wanted = Math.min((long) pool.parallelism() * TASKS_PER_THREAD, work / TASK_WORK);
            int vertical = (outputBlocks + MAX_PIECE_BLOCKS - 1) / MAX_PIECE_BLOCKS;
            int horizontal = (panels + MAX_PIECE_PANELS - 1) / MAX_PIECE_PANELS;
            // Large pieces copy their columns of dy and x least often; small enough that all threads have some.
            while ((long) groups.count() * vertical * horizontal < wanted
                    && (vertical < outputBlocks || horizontal < panels)) {
                boolean wide = (long) inputs * vertical > (long) outputs * horizontal;
                if (horizontal < panels && (wide || vertical == outputBlocks)) {
                    horizontal++;
                } else {
                    vertical++;
                }
            }
            this.down = vertical;
            this.across = horizontal;
            this.tasks = Math.multiplyExact(Math.multiplyExact(groups.count(), down), across);
        }

        @Override
        public void run(int task, int worker) {
            int horizontal = task % across;
            int vertical = task / across % down;
            int group = task / across / down;
            int fromBlock = (int) ((long) outputBlocks * vertical / down);
            int toBlock = (int) ((long) outputBlocks * (vertical + 1) / down);
            int fromPanel = (int) ((long) panels * horizontal / across);
            int toPanel = (int) ((long) panels * (horizontal + 1) / across);
            int firstOutput = fromBlock * VectorGradientKernel.OUTPUTS;
            int pieceOutputs = Math.min(outputs, toBlock * VectorGradientKernel.OUTPUTS) - firstOutput;
            int firstInput = fromPanel * PANEL;
            int pieceInputs = Math.min(inputs, toPanel * PANEL) - firstInput;
            long target = dw + 4L * (((long) group * outputs + firstOutput) * inputs + firstInput);
            if (groups.to(group) > groups.from(group)) {
                piece(group, firstOutput, pieceOutputs, firstInput, pieceInputs, target, worker);
            } else if (!accumulate) {
                for (int output = 0; output < pieceOutputs; output++) {
                    Memory.zero(target + 4L * output * inputs, 4L * pieceInputs);
                }
            }
        }

        private void piece(
                int group,
                int firstOutput,
                int pieceOutputs,
                int firstInput,
                int pieceInputs,
                long target,
                int worker) {
            int blocks = (pieceOutputs + VectorGradientKernel.OUTPUTS - 1) / VectorGradientKernel.OUTPUTS;
            int piecePanels = VectorPanels.panels(pieceInputs);
            long panelBytes = GRADIENT_ROWS * VectorMicroKernel.PANEL_ROW;
            long blockBytes = GRADIENT_ROWS * VectorGradientKernel.OUTPUT_ROW;
            // Whole tiles that nothing needs to be added to are their own place for sums.
            boolean direct = !accumulate && pieceOutputs % 4 == 0 && pieceInputs % PANEL == 0;
            long scratchStride = piecePanels * VectorMicroKernel.PANEL_ROW;
            long scratchRows = direct ? 0 : (long) blocks * VectorGradientKernel.OUTPUTS;
            long dyBlocks =
                    pool.scratch(worker, blocks * blockBytes + piecePanels * panelBytes + scratchRows * scratchStride);
            long xPanels = dyBlocks + blocks * blockBytes;
            long sums = direct ? target : xPanels + piecePanels * panelBytes;
            long sumStride = direct ? 4L * inputs : scratchStride;
            int to = groups.to(group);
            for (int row = groups.from(group); row < to; row += GRADIENT_ROWS) {
                int rows = Math.min(GRADIENT_ROWS, to - row);
                copyOutputs(row, rows, firstOutput, pieceOutputs, dyBlocks);
                copyInputs(row, rows, firstInput, pieceInputs, xPanels);
                boolean first = row == groups.from(group);
                for (int p = 0; p < piecePanels; p++) {
                    long panel = xPanels + p * panelBytes;
                    long sumPanel = sums + p * VectorMicroKernel.PANEL_ROW;
                    for (int block = 0; block < blocks; block++) {
                        int done = block * VectorGradientKernel.OUTPUTS;
                        int blockOutputs = Math.min(VectorGradientKernel.OUTPUTS, pieceOutputs - done);
                        long sumBlock = sumPanel + done * sumStride;
                        tiles(dyBlocks + block * blockBytes, blockOutputs, panel, rows, first, sumBlock, sumStride);
                    }
                }
            }
            if (!direct) {
                VectorPanels.finish(sums, sumStride, pieceOutputs, pieceInputs, target, 4L * inputs, accumulate);
            }
        }

        /** One block of outputs by one panel. */
        private void tiles(
                long dyBlock, int blockOutputs, long panel, int rows, boolean first, long sums, long sumStride) {
            int tile;
            for (int output = 0; output < blockOutputs; output += tile) {
                tile = TILE_ROWS == 8 && blockOutputs - output > 4 ? 8 : 4;
                long target = sums + output * sumStride;
                long start = first ? ZEROS.address() : target;
                long startStride = first ? 0 : sumStride;
                long a = dyBlock + 4L * output;
                if (tile == 8) {
                    VectorGradientKernel.outputs8(a, panel, rows, start, startStride, target, sumStride);
                } else {
                    VectorGradientKernel.outputs4(a, panel, rows, start, startStride, target, sumStride);
                }
            }
        }

        private void copyOutputs(int row, int rows, int first, int count, long to) {
            for (int done = 0; done < count; done += VectorGradientKernel.OUTPUTS) {
                int columns = Math.min(VectorGradientKernel.OUTPUTS, count - done);
                VectorPanels.copy(
                        dyType,
                        dy + row * dyStride + (long) (first + done) * dyType.bytes(),
                        dyStride,
                        rows,
                        columns,
                        to + (long) done * 4 * GRADIENT_ROWS,
                        VectorGradientKernel.OUTPUT_ROW,
                        (int) roundUp(columns, TILE_ROWS),
                        precision == Precision.BF16);
            }
        }

        private void copyInputs(int row, int rows, int first, int count, long to) {
            for (int done = 0; done < count; done += PANEL) {
                VectorPanels.copy(
                        xType,
                        x + row * xStride + (long) (first + done) * xType.bytes(),
                        xStride,
                        rows,
                        Math.min(PANEL, count - done),
                        to + (long) done * 4 * GRADIENT_ROWS,
                        VectorMicroKernel.PANEL_ROW,
                        PANEL,
                        precision == Precision.BF16);
            }
        }
    }

    private static long roundUp(long value, int multiple) {
        return (value + multiple - 1) / multiple * multiple;
    }
}
