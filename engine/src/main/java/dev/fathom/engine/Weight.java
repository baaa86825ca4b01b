package dev.fathom.engine;

/**
 * The matrix, or stack of expert matrices, of a linear layer: a {@link Parameter} and its packed copy in the layouts of the
 * {@link Gemm} that multiplies by it.
 */
public final class Weight {
    private final Parameter parameter;
    private final Gemm gemm;
    private final Gemm.Packed packed;

    /** @param parameter {@code [outputs, inputs]} or {@code [groups, outputs, inputs]} */
    public Weight(Parameter parameter, Gemm gemm) {
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

    public long outputs() {
        return packed.outputs();
    }

    public long inputs() {
        return packed.inputs();
    }

    /** Packs again; to be called after the optimizer changed the parameter. */
    public void refresh() {
        packed.refresh();
    }
}
