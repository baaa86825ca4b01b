package dev.fathom.engine;

import dev.fathom.engine.quant.StoredWeights;

/** A weight that nobody trains, multiplied in the type that a file stores it in. */
public final class StoredWeight implements Weight {
    private final StoredGemm gemm;
    private final StoredGemm.Prepared prepared;

    public StoredWeight(StoredWeights weights, StoredGemm gemm) {
        this.gemm = gemm;
        this.prepared = gemm.prepare(weights);
    }

    @Override
    public long outputs() {
        return prepared.outputs();
    }

    @Override
    public long inputs() {
        return prepared.inputs();
    }

    @Override
    public DType operands() {
        return DType.F32;
    }

    @Override
    public DType roundedResult() {
        return DType.F32;
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Tensor y) {
        gemm.forward(x, groups, prepared, y);
    }
}
