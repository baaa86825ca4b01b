package dev.fathom.engine;

/**
 * Matrix products of linear layers, {@code y = x Wᵀ} with {@code W} as {@code [outputs, inputs]}, forward and backward, for one
 * weight matrix or a stack of expert matrices with a group of rows each.
 *
 * <p><b>The rule behind zero mismatch:</b> a row of {@code y} or {@code dx} depends on that row of the input and the weights
 * alone, to the bit: not on how many rows there are, on the row's place, on the groups or on the number of threads. Work is
 * divided over outputs, never over a reduction. {@code dw} reduces over the rows of a group, in an order that depends only on
 * their number.
 *
 * <p>All tensors here are F32 and may be column views; an implementation of {@link Precision#BF16} rounds operands itself.
 */
public interface Gemm extends AutoCloseable {
    /** Short name for the kernels line, such as {@code "vector 512-bit f32"} or {@code "oneDNN 3.11 bf16"}. */
    String name();

    Precision precision();

    /**
     * Prepares a stack of weight matrices in the layouts the products want. The result keeps a reference to the tensor:
     * after the optimizer changed it, call {@link Packed#refresh()}.
     *
     * @param weights F32 {@code [groups, outputs, inputs]} (or {@code [outputs, inputs]} for one group), dense
     */
    Packed pack(Tensor weights);

    /** {@code y[r] = W_g x[r]} for the rows of each group. x {@code [rows, inputs]}, y {@code [rows, outputs]}. */
    void forward(Tensor x, RowGroups groups, Packed weights, Tensor y);

    /** {@code dx[r] = Wᵀ_g dy[r]}, or {@code +=} if accumulate. dy {@code [rows, outputs]}, dx {@code [rows, inputs]}. */
    void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate);

    /** {@code dw_g += Σ_r dy[r] x[r]ᵀ} over the rows of each group. dw dense {@code [groups, outputs, inputs]}. */
    void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw);

    @Override
    void close();

    /** Weights in an implementation's own layouts. */
    interface Packed {
        int groups();

        long outputs();

        long inputs();

        /** Packs again from the source tensor, after its values changed. */
        void refresh();
    }
}
