package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Variable;

/** The attention of a layer. */
sealed interface Attention permits MultiHeadLatentAttention, GroupedQueryAttention {

    /** h {@code [N, hidden]} after the layer's norm; the store belongs to this layer. */
    Variable forward(Ops ops, Variable h, Batch batch, KeyValueStore store);
}
