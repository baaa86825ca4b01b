package dev.fathom.onednn;

import dev.fathom.engine.Memory;

/**
 * oneDNN's {@code target = source x weights} for one reduction length and one number of results, with a handful of row counts.
 *
 * <p>oneDNN generates code per shape, which takes longer than multiplying. Experts get other row counts in every step, so
 * rows are cut into blocks of a few fixed sizes, each with its own primitive, made once. All share one layout of the weights, the
 * one oneDNN prefers for its largest block.
 */
final class OneDnnMatmul implements AutoCloseable {
    /** Row counts with a primitive. No 1: oneDNN multiplies a single row by another kernel, in another order. */
    static final int[] BLOCKS = {2, 4, 8, 16, 32, 64, 128};

    static final int MAX_ROWS = 128;

    private final int type;
    private final int length;
    private final int results;
    private final int workers;
    private final OneDnnProduct[] products = new OneDnnProduct[BLOCKS.length];
    private final long weights;
    private final long weightsBytes;
    private final long scratchBytes;

    /**
     * @param targetStride distance of the target's rows in elements
     * @param workers number of threads that will call {@link #run}
     */
    OneDnnMatmul(int type, int length, int results, int targetStride, int workers) {
        this.type = type;
        this.length = length;
        this.results = results;
        this.workers = workers;
        long layout = OneDnnLibrary.anyMatrix(type, length, results);
        long most = 0;
        for (int i = BLOCKS.length - 1; i >= 0; i--) {
            long source = OneDnnLibrary.matrix(type, BLOCKS[i], length, length, 1);
            long target = OneDnnLibrary.matrix(OneDnnLibrary.F32, BLOCKS[i], results, targetStride, 1);
            products[i] = OneDnnProduct.multiply(source, layout, target, false, workers);
            layout = products[i].weights();
            most = Math.max(most, products[i].scratchBytes());
        }
        this.weights = layout;
        this.weightsBytes = Memory.align(OneDnnLibrary.bytes(layout));
        this.scratchBytes = Memory.align(most);
    }

    /** Bytes of one packed weight matrix. */
    long weightsBytes() {
        return weightsBytes;
    }

    /** Bytes of scratch memory that {@link #run} needs. */
    long scratchBytes() {
        return scratchBytes;
    }

    int results() {
        return results;
    }

    /** A primitive that brings a strided matrix {@code [length, results]} into the layout of the weights. */
    OneDnnProduct packing(long rowStride, long columnStride) {
        return OneDnnProduct.reorder(
                OneDnnLibrary.matrix(type, length, results, rowStride, columnStride), weights, workers);
    }

    /** Index of the block for so many remaining rows, see {@link #blockFor(int, int[])}. */
    static int blockFor(int rows) {
        return blockFor(rows, BLOCKS);
    }

    /** Index of the largest size that fits, or of the next larger if at most a quarter of that is padding. */
    static int blockFor(int rows, int[] sizes) {
        int block = sizes.length - 1;
        while (block > 0 && sizes[block] > rows) {
            block--;
        }
        boolean largerPays = block + 1 < sizes.length && sizes[block] < rows && 3 * sizes[block + 1] <= 4 * rows;
        return largerPays ? block + 1 : block;
    }

    /** Multiplies {@code BLOCKS[block]} rows; all addresses absolute. */
    void run(int block, int worker, long stream, long source, long weightsAddress, long target, long scratch) {
        products[block].run(worker, stream, source, weightsAddress, target, scratch);
    }

    @Override
    public void close() {
        for (OneDnnProduct product : products) {
            product.close();
        }
    }
}
