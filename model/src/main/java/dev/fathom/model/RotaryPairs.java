package dev.fathom.model;

import dev.fathom.engine.Ops;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;

/** Which elements of a head rotary position embeddings turn together. A matter of how the rows of the projections are ordered, not of the model. */
enum RotaryPairs {
    /** {@code (x[p], x[p + headDim / 2])}: Hugging Face's checkpoints, and GGUF's of most architectures. */
    HALVES,
    /** {@code (x[2p], x[2p + 1])}: GGUF files of the {@code llama} architecture, as Meta released its weights. */
    NEIGHBOURS;

    void rotate(Ops ops, Variable x, int heads, int headDim, Tensor positions, RopeTable table) {
        if (this == HALVES) {
            ops.ropeHalves(x, heads, headDim, 0, positions, table);
        } else {
            ops.rope(x, heads, headDim, 0, positions, table);
        }
    }
}
