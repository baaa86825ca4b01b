package dev.fathom.model;

import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.quant.StoredMatrix;

/** The table {@code [vocabulary, hidden]} that tokens are looked up in. */
sealed interface Embedding {
    /** The rows of these ids, I32 {@code [N]}. */
    Variable lookUp(Ops ops, Tensor ids);

    /** A parameter. */
    record Trained(Parameter table) implements Embedding {
        @Override
        public Variable lookUp(Ops ops, Tensor ids) {
            return ops.embedding(table, ids);
        }
    }

    /** A matrix in a file, of which only the rows asked for are read. */
    record Stored(StoredMatrix table) implements Embedding {
        @Override
        public Variable lookUp(Ops ops, Tensor ids) {
            return ops.embedding(table, ids);
        }
    }
}
