package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Variable;
import java.util.List;
import java.util.function.IntFunction;

/** From tokens to the states that the head reads: embedding, layers, final norm, all with RMSNorm. */
record Decoder(Embedding embedding, List<DecoderLayer> layers, Parameter finalNorm, float eps) {

    /** See {@link LanguageModel#forward(Ops, Batch, RoutingLog, IntFunction)}. */
    LanguageModel.States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        Variable x = embedding.lookUp(ops, batch.ids());
        Ops.Residual stream =
                new Ops.Residual(x, ops.rmsNorm(x, layers.getFirst().inputNorm(), eps));
        for (int i = 0; i < layers.size(); i++) {
            Parameter nextNorm = i + 1 < layers.size() ? layers.get(i + 1).inputNorm() : finalNorm;
            stream = layers.get(i).forward(ops, stream, nextNorm, batch, stores.apply(i), log);
        }
        return new LanguageModel.States(stream.sum(), stream.normed());
    }
}
