package dev.fathom.engine;

/** The matrix, or stack of expert matrices, of a linear layer: what {@link Ops#linear} multiplies by. */
public sealed interface Weight permits TrainedWeight, StoredWeight {
    long outputs();

    long inputs();

    /** The type in which to hand over what nothing but products reads. */
    DType operands();

    /** The type of results for a reader that is content with bf16: see {@link Gemm#roundedResult()}. */
    DType roundedResult();

    /** {@code y[r] = W_g x[r]} for the rows of each group. x {@code [rows, inputs]}, y {@code [rows, outputs]}, F32 or {@link #roundedResult()}. */
    void forward(Tensor x, RowGroups groups, Tensor y);
}
