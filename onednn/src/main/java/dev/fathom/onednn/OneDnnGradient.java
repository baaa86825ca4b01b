package dev.fathom.onednn;

import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.Memory;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.ArrayList;
import java.util.List;

/**
 * The bf16 weight gradient {@code dw += dyᵀ x} of one layer shape by oneDNN.
 *
 * <p>The rows of a group are reduced in blocks of a few fixed sizes, in order, the last one filled up with zero rows; each block's
 * product is added to dw. The blocks, and with them the bits, depend on the group's row count alone. Work is divided over
 * fixed tiles of dw. A task rounds its columns of dy and x to bf16 into dense blocks in scratch memory; oneDNN reads the block
 * of dy as its transpose, which costs it little once the block is dense.
 */
final class OneDnnGradient implements AutoCloseable {
    /** Row counts with a primitive. */
    private static final int[] BLOCKS = {16, 32, 64, 128, 256};

    private static final int MAX_ROWS = 256;

    /** Most inputs per tile. */
    private static final int MAX_INPUTS = 512;

    /** Tiles to divide the work into, where outputs suffice. */
    private static final int WANTED_TILES = 4;

    /** Most outputs per tile. */
    private static final int MAX_OUTPUTS = 256;

    private final int outputs;
    private final int inputs;
    private final int groups;
    private final List<Tile> tiles = new ArrayList<>();

    /** A fixed part of dw and the products for each row count. */
    private record Tile(int firstOutput, int outputs, int firstInput, int inputs, OneDnnProduct[] products) {}

    OneDnnGradient(int groups, int outputs, int inputs, int workers) {
        this.groups = groups;
        this.outputs = outputs;
        this.inputs = inputs;
        int inputTiles = (inputs + MAX_INPUTS - 1) / MAX_INPUTS;
        // Tall tiles round x less often, several tiles keep several threads busy; never a matter of the thread count.
        int wanted = Math.max(1, WANTED_TILES / (groups * inputTiles));
        int height = Math.clamp(((outputs + wanted - 1) / wanted + 15) / 16 * 16, 32, MAX_OUTPUTS);
        int width = ((inputs + inputTiles - 1) / inputTiles + 63) / 64 * 64;
        for (int output = 0; output < outputs; output += height) {
            for (int input = 0; input < inputs; input += width) {
                int tileOutputs = Math.min(height, outputs - output);
                int tileInputs = Math.min(width, inputs - input);
                tiles.add(new Tile(output, tileOutputs, input, tileInputs, products(tileOutputs, tileInputs, workers)));
            }
        }
    }

    /** Tiles of the same size share their products. */
    private OneDnnProduct[] products(int tileOutputs, int tileInputs, int workers) {
        for (Tile tile : tiles) {
            if (tile.outputs == tileOutputs && tile.inputs == tileInputs) {
                return tile.products;
            }
        }
        OneDnnProduct[] products = new OneDnnProduct[BLOCKS.length];
        for (int i = 0; i < BLOCKS.length; i++) {
            long source = OneDnnLibrary.matrix(OneDnnLibrary.BF16, tileOutputs, BLOCKS[i], 1, tileOutputs);
            long weights = OneDnnLibrary.matrix(OneDnnLibrary.BF16, BLOCKS[i], tileInputs, tileInputs, 1);
            long target = OneDnnLibrary.matrix(OneDnnLibrary.F32, tileOutputs, tileInputs, inputs, 1);
            products[i] = OneDnnProduct.multiply(source, weights, target, true, workers);
        }
        return products;
    }

    void accumulate(Tensor dy, Tensor x, RowGroups rows, Tensor dw, WorkerPool pool, long[] streams) {
        pool.run(groups * tiles.size(), (task, worker) -> {
            int group = task / tiles.size();
            if (rows.to(group) > rows.from(group)) {
                OneDnnLibrary.useOneThread();
                Tile tile = tiles.get(task % tiles.size());
                long target =
                        dw.address() + 4 * (((long) group * outputs + tile.firstOutput) * inputs + tile.firstInput);
                accumulate(dy, x, rows.from(group), rows.to(group), tile, target, pool, worker, streams[worker]);
            }
        });
    }

    private static void accumulate(
            Tensor dy, Tensor x, int from, int to, Tile tile, long target, WorkerPool pool, int worker, long stream) {
        long dyRow = 2L * tile.outputs;
        long xRow = 2L * tile.inputs;
        long scratchBytes = 0;
        for (OneDnnProduct product : tile.products) {
            scratchBytes = Math.max(scratchBytes, product.scratchBytes());
        }
        long dyBytes = Memory.align(MAX_ROWS * dyRow);
        long xBytes = Memory.align(MAX_ROWS * xRow);
        long dyBlock = pool.scratch(worker, dyBytes + xBytes + scratchBytes);
        long xBlock = dyBlock + dyBytes;
        long scratch = xBlock + xBytes;
        int rows;
        for (int row = from; row < to; row += rows) {
            int block = OneDnnMatmul.blockFor(to - row, BLOCKS);
            rows = Math.min(BLOCKS[block], to - row);
            int missing = BLOCKS[block] - rows;
            round(dy, row, rows, tile.firstOutput, tile.outputs, dyBlock, dyRow);
            round(x, row, rows, tile.firstInput, tile.inputs, xBlock, xRow);
            if (missing > 0) {
                Memory.zero(dyBlock + rows * dyRow, missing * dyRow);
                Memory.zero(xBlock + rows * xRow, missing * xRow);
            }
            tile.products[block].run(worker, stream, dyBlock, xBlock, target, scratch);
        }
    }

    private static void round(Tensor operand, int row, int rows, int column, int columns, long to, long toRow) {
        long elementBytes = operand.dtype().bytes();
        long from = operand.rowAddress(row) + elementBytes * column;
        Bfloat16.rows(operand.dtype(), from, elementBytes * operand.rowStride(), rows, columns, to, toRow);
    }

    @Override
    public void close() {
        for (int i = 0; i < tiles.size(); i++) {
            OneDnnProduct[] products = tiles.get(i).products;
            if (tiles.subList(0, i).stream().noneMatch(tile -> tile.products == products)) {
                for (OneDnnProduct product : products) {
                    product.close();
                }
            }
        }
    }
}
