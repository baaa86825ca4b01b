package dev.fathom.engine;

import dev.fathom.engine.quant.StoredWeights;

/**
 * {@code y = x Wᵀ} for weights that stay as a file stores them. Generating a token reads every weight once, so its speed is that of memory, and fewer
 * bits are faster; a prompt reads a weight once for all its rows, and is limited by arithmetic.
 *
 * <p>A row of y depends on that row of x and the weights alone, to the bit: not on how many rows there are, on the groups or on threads.
 */
public interface StoredGemm {
    /** Short name for the kernels line. */
    String name();

    /** Whatever the products want to know once about weights; reads none of them, as far as that can be helped. */
    Prepared prepare(StoredWeights weights);

    /** {@code y[r] = W_g x[r]} for the rows of each group. x F32 {@code [rows, inputs]}, y F32 {@code [rows, outputs]}; both may be column views. */
    void forward(Tensor x, RowGroups groups, Prepared weights, Tensor y);

    /** Weights as an implementation holds them. */
    interface Prepared {
        int groups();

        long outputs();

        long inputs();
    }
}
