package dev.fathom.engine;

/** A {@link Parameter} and its packed copy in the layouts of the {@link Gemm} that multiplies by it. */
public final class TrainedWeight implements Weight {
    private final Parameter parameter;
    private final Gemm gemm;
    private final Gemm.Packed packed;

    /** @param parameter {@code [outputs, inputs]} or {@code [groups, outputs, inputs]} */
    public TrainedWeight(Parameter parameter, Gemm gemm) {
        this.parameter = parameter;
        this.gemm = gemm;
        this.packed = gemm.pack(parameter.value());
    }

    public Parameter parameter() {
        return parameter;
    }

    Gemm gemm() {
        return gemm;
    }

    Gemm.Packed packed() {
        return packed;
    }

    @Override
    public long outputs() {
        return packed.outputs();
    }

    @Override
    public long inputs() {
        return packed.inputs();
    }

    @Override
    public DType operands() {
        return gemm.precision().operands();
    }

    @Override
    public DType roundedResult() {
        return gemm.roundedResult();
    }

    /** Packs again; to be called after the optimizer changed the parameter. */
    public void refresh() {
        packed.refresh();
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Tensor y) {
        gemm.forward(x, groups, packed, y);
    }

    /** Writes the parameter's gradient or adds to it. */
    void backwardWeight(Tensor dy, Tensor x, RowGroups groups) {
        boolean accumulate = parameter.hasGradient();
        gemm.backwardWeight(dy, x, groups, parameter.gradientToWrite(), accumulate);
    }

    /** Writes the gradients of the parameter and of x, or adds to them. */
    void backward(Tensor dy, Variable x, RowGroups groups) {
        backwardWeight(dy, x.value(), groups);
        boolean accumulate = x.hasGradient();
        gemm.backwardInput(dy, groups, packed, x.gradientToWrite(), accumulate);
    }
}
