package dev.fathom.engine;

/** RMSNorm of each head of a row by itself, as Qwen3 norms queries and keys. A head is a short row of {@link VectorNorm}. */
final class VectorHeadNorm {
    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorHeadNorm(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    void rmsNormHeads(Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms) {
        long rows = x.rows();
        int width = Math.toIntExact(weight.size());
        check(x, heads, weight, inverseRms);
        y.require("y", DType.F32, rows, (long) heads * width);
        pool.forBlocks(
                rows,
                Grain.rows(rows, 2L * heads * width),
                (from, to, worker) -> rowKernels.rmsNormHeads(x, heads, weight, eps, y, inverseRms, from, to, worker));
    }

    static void rmsNormHeads(
            Tensor x,
            int heads,
            Tensor weight,
            float eps,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            long lanes) {
        int width = Math.toIntExact(weight.size());
        for (long n = from; n < to; n++) {
            for (int h = 0; h < heads; h++) {
                long at = 4L * h * width;
                long input = x.rowAddress(n) + at;
                float squares = Lanes.dot(input, input, width, lanes);
                float inverse = (float) (1 / Math.sqrt((double) squares / width + eps));
                Checks.setFloat(inverseRms, n * heads + h, inverse);
                VectorNorm.scale(input, inverse, weight.address(), y.rowAddress(n) + at, width);
            }
        }
    }

    /** Each head as a row of {@link VectorNorm#rmsNormBackward}. */
    void rmsNormHeadsBackward(
            Tensor dy, Tensor x, int heads, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight) {
        long rows = x.rows();
        int width = Math.toIntExact(weight.size());
        check(x, heads, weight, inverseRms);
        dy.require("dy", DType.F32, rows, (long) heads * width);
        dx.require("dx", DType.F32, rows, (long) heads * width);
        Checks.denseF32("dWeight", dWeight, width);
        long partial = Memory.align(4L * width);
        long blocks = (rows + VectorNorm.BLOCK - 1) / VectorNorm.BLOCK;
        long partials = pool.partials(blocks * partial);
        pool.forBlocks(rows, VectorNorm.BLOCK, (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            long sums = partials + from / VectorNorm.BLOCK * partial;
            Memory.zero(sums, 4L * width);
            for (long n = from; n < to; n++) {
                for (int h = 0; h < heads; h++) {
                    long at = 4L * h * width;
                    long dOut = dy.rowAddress(n) + at;
                    long input = x.rowAddress(n) + at;
                    long gradient = dx.rowAddress(n) + at;
                    float inverse = Checks.floatAt(inverseRms, n * heads + h);
                    float dot = VectorNorm.tripleDot(weight.address(), dOut, input, width, lanes);
                    float pull = (float) (-(double) dot * inverse * inverse * inverse / width);
                    VectorNorm.gradients(weight.address(), dOut, input, inverse, pull, gradient, gradient, sums, width);
                }
            }
        });
        for (long block = 0; block < blocks; block++) {
            VectorElementwise.add(dWeight.address(), partials + block * partial, dWeight.address(), width);
        }
    }

    private static void check(Tensor x, int heads, Tensor weight, Tensor inverseRms) {
        x.require("x", DType.F32, x.rows(), heads * weight.size());
        Checks.denseF32("weight", weight, weight.size());
        Checks.denseF32("inverseRms", inverseRms, x.rows() * heads);
    }
}
