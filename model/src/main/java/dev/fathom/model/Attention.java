package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Variable;

/** The attention of a layer. */
sealed interface Attention permits MultiHeadLatentAttention, GroupedQueryAttention {

    /** What one position leaves in the store. */
    LanguageModel.KeyValueShape keyValueShape();

    /** h {@code [N, hidden]} after the layer's norm; the store belongs to this layer. */
    Variable forward(Ops ops, Variable h, Batch batch, KeyValueStore store);
}
