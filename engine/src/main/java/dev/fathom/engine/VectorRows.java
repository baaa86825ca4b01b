package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/** {@link RowKernels} on the JDK's Vector API. Each operation lives beside its backward pass. */
final class VectorRows implements RowKernels {
    private final WorkerPool pool;

    VectorRows(WorkerPool pool) {
        this.pool = pool;
    }

    @Override
    public String name() {
        return "vector " + Lanes.SPECIES.vectorBitSize() + "-bit";
    }

    @Override
    public void addBias(Tensor y, Tensor bias, long from, long to, int worker) {
        VectorBias.addBias(y, bias, from, to);
    }

    @Override
    public void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            int worker) {
        long scratch = pool.scratch(worker, VectorNorm.scratchBytes(y.columns()));
        VectorNorm.rmsNorm(x, residual, weight, eps, sum, y, inverseRms, from, to, scratch);
    }

    @Override
    public void rmsNormHeads(
            Tensor x,
            int heads,
            Tensor weight,
            float eps,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            int worker) {
        long scratch = pool.scratch(worker, Lanes.BYTES);
        VectorHeadNorm.rmsNormHeads(x, heads, weight, eps, y, inverseRms, from, to, scratch);
    }

    @Override
    public void rope(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker) {
        long scratch = pool.scratch(worker, VectorRope.scratchBytes(table));
        VectorRope.rope(x, heads, headDim, offset, positions, table, inverse, from, to, scratch);
    }

    @Override
    public void ropeHalves(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker) {
        VectorRope.ropeHalves(x, heads, headDim, offset, positions, table, inverse, from, to);
    }

    @Override
    public void swiGlu(Tensor gateUp, Tensor out, long from, long to, int worker) {
        long scratch = pool.scratch(worker, VectorElementwise.swiGluScratchBytes(out.columns()));
        VectorElementwise.swiGlu(gateUp, out, from, to, scratch);
    }

    @Override
    public void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp, long from, long to, int worker) {
        long scratch = pool.scratch(worker, VectorElementwise.swiGluScratchBytes(dOut.columns()));
        VectorElementwise.swiGluBackward(dOut, gateUp, dGateUp, from, to, scratch);
    }

    @Override
    public void combineBackward(
            Tensor dy,
            Tensor expertOut,
            Tensor rowOf,
            Tensor gates,
            Tensor dExpertOut,
            Tensor dGates,
            long from,
            long to,
            int worker) {
        long scratch = pool.scratch(worker, VectorExperts.combineScratchBytes(dy.columns()));
        VectorExperts.combineBackward(dy, expertOut, rowOf, gates, dExpertOut, dGates, from, to, scratch);
    }

    @Override
    public void largest(long x, int width, long pieces, long out) {
        for (long i = 0; i < pieces; i++) {
            Memory.setFloat(out + 4 * i, VectorLogProbs.largest(x + 4 * i * width, width));
        }
    }

    @Override
    public void sums(long x, int width, long pieces, long out, long lanes) {
        for (long i = 0; i < pieces; i++) {
            Memory.setFloat(out + 4 * i, Lanes.sumOfRow(x + 4 * i * width, width, lanes));
        }
    }

    @Override
    public void exponentials(long x, float inverseTemperature, float max, int width, long lanes, long out) {
        VectorLogProbs.exponentials(x, inverseTemperature, max, width, lanes, out);
    }
}
