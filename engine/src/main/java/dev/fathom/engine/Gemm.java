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
 * <p>Tensors may be column views. Results are F32 unless said otherwise. The operands x and dy are F32 or BF16: where {@link #precision()} is {@link Precision#BF16}, products
 * multiply bf16 values, and round an operand that is F32 each time. So whoever makes a tensor that only products read best writes it in
 * {@link Precision#operands()}: rounded once, to the same bits, with half the traffic. An exact product takes BF16 values as they are.
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

    /**
     * The type of a forward product's y for a reader that is content with bf16: BF16 where this implementation rounds sums as it stores them, each once, else
     * F32.
     */
    default DType roundedResult() {
        return DType.F32;
    }

    /** {@code y[r] = W_g x[r]} for the rows of each group; y is F32 or {@link #roundedResult()}. x {@code [rows, inputs]}, y {@code [rows, outputs]}. */
    void forward(Tensor x, RowGroups groups, Packed weights, Tensor y);

    /** {@code dx[r] = Wᵀ_g dy[r]}, or {@code +=} if accumulate. dy {@code [rows, outputs]}, dx {@code [rows, inputs]}. */
    void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate);

    /** {@code dw_g = Σ_r dy[r] x[r]ᵀ} over the rows of each group, or {@code +=} if accumulate. dw dense {@code [groups, outputs, inputs]}. */
    void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate);

    /** Checks the shape of x or dy, of either type. */
    static void requireOperand(String role, Tensor operand, long rows, long columns) {
        operand.require(role, operand.dtype() == DType.BF16 ? DType.BF16 : DType.F32, rows, columns);
    }

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
