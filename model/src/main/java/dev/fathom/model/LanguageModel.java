package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.engine.Workspace;
import java.util.function.IntFunction;

/** A decoder-only transformer: what generation needs to know of one, whether somebody trains it or not. */
public sealed interface LanguageModel permits TrainableModel, Transformer {
    /** What computes. */
    Engine engine();

    /** The output head {@code [vocabulary, hidden]}. */
    Weight head();

    int vocabSize();

    /** Layers that keep keys and values. */
    int numHiddenLayers();

    /** Longest sequence. */
    int maxPositionEmbeddings();

    /** What one layer keeps of a position. */
    KeyValueShape keyValueShape();

    /**
     * The forward pass, of which there is one: for training and for generation.
     *
     * @param stores the key/value store of each layer: what is there already is attended to, the batch's rows are added
     * @throws RuntimeException if a token is outside the vocabulary or a position outside {@link #maxPositionEmbeddings}
     */
    States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores);

    /** Operations that only compute, to run {@link #forward} on. */
    default Ops inference(Workspace workspace) {
        return Ops.inference(engine(), head().operands(), workspace);
    }

    /** Training or scoring of whole sequences: keys and values live in the workspace. */
    default States forward(Ops ops, Batch batch, RoutingLog log) {
        return forward(ops, batch, log, layer -> keyValueShape().in(engine(), ops.workspace(), batch));
    }

    /** Memory for the keys and values of one layer, for {@code slots} positions. */
    default KeyValueStore allocateKeyValues(long slots) {
        return keyValueShape().allocate(engine(), slots);
    }

    /**
     * The same, taken from the system as it is used.
     *
     * @param shared whether many sequences will fill it; one alone is mostly far shorter than it may be
     */
    default KeyValueStore reserveKeyValues(long slots, boolean shared) {
        return keyValueShape().reserve(engine(), slots, shared);
    }

    /** Mixtures of experts that the forward pass goes through, numbered from 0 in a {@link RoutingLog}. */
    default int mixtures() {
        return 0;
    }

    /** Experts that a mixture chooses for a token; 0 without mixtures. */
    default int numExpertsPerToken() {
        return 0;
    }

    /** An empty log with a place for every mixture of experts. */
    default RoutingLog newRoutingLog() {
        return new RoutingLog(0, 0);
    }

    /** Whether the model has a multi-token-prediction module. */
    default boolean predictsMultipleTokens() {
        return false;
    }

    /**
     * The multi-token-prediction module's states, from which {@link #head()} predicts the token after next.
     *
     * @param hidden of {@link States}, {@code [N, hidden]}; training detaches it if the main model is not to learn from this loss
     * @param nextIds I32 {@code [N]}: the token that follows each row's
     * @param store keys and values of the module's own layer, of {@link #keyValueShape}
     * @throws IllegalStateException if there is no such module
     */
    default Variable predictAhead(
            Ops ops, Variable hidden, Tensor nextIds, Batch batch, RoutingLog log, KeyValueStore store) {
        throw new IllegalStateException("num_nextn_predict_layers is 0: the model has no multi-token prediction");
    }

    /** {@link #predictAhead(Ops, Variable, Tensor, Batch, RoutingLog, KeyValueStore)} on whole sequences: keys and values live in the workspace. */
    default Variable predictAhead(Ops ops, Variable hidden, Tensor nextIds, Batch batch, RoutingLog log) {
        return predictAhead(ops, hidden, nextIds, batch, log, keyValueShape().in(engine(), ops.workspace(), batch));
    }

    /**
     * What the layers make of a batch.
     *
     * @param hidden the residual stream after the last layer {@code [N, hidden]}: what multi-token prediction starts from
     * @param normed after the final norm: what the head reads
     */
    record States(Variable hidden, Variable normed) {}

    /**
     * Heads and widths of a layer's keys and values.
     *
     * @param heads key/value heads, each shared by as many query heads as divides them
     */
    record KeyValueShape(int heads, int keyDim, int valueDim) {
        KeyValueStore allocate(Engine engine, long slots) {
            return KeyValueStore.allocate(engine.kernels().keyValueType(), slots, heads, keyDim, valueDim);
        }

        KeyValueStore reserve(Engine engine, long slots, boolean shared) {
            return KeyValueStore.reserve(engine.kernels().keyValueType(), slots, heads, keyDim, valueDim, shared);
        }

        KeyValueStore in(Engine engine, Workspace workspace, Batch batch) {
            return KeyValueStore.in(
                    workspace, engine.kernels().keyValueType(), batch.segments(), heads, keyDim, valueDim);
        }
    }
}
