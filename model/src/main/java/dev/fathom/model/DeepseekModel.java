package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A DeepSeek-V3 transformer: multi-head latent attention, dense layers first and mixtures of experts after, multi-token prediction
 * (arXiv 2412.19437 section 2). The same forward pass serves training and generation.
 */
public final class DeepseekModel {
    private final DeepseekConfig config;
    private final Engine engine;
    private final Parameters parameters;
    private final Weights weights;
    private final Parameter embedding;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final Parameter finalNorm;
    private final Weight head;
    private final @Nullable MultiTokenPrediction prediction;
    private final List<MixtureOfExperts> mixtures = new ArrayList<>();

    private DeepseekModel(DeepseekConfig config, Engine engine, Parameters parameters) {
        this.config = config;
        this.engine = engine;
        this.parameters = parameters;
        this.weights = new Weights(parameters, engine);
        RopeTable rope = RopeTable.of(config.ropeFrequencies(), config.maxPositionEmbeddings());
        embedding = weights.vector("model.embed_tokens.weight");
        int moe = 0;
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            boolean experts = config.isMoeLayer(i);
            layers.add(keep(DecoderLayer.of(config, rope, weights, DeepseekParameters.layer(i), experts ? moe : -1)));
            moe += experts ? 1 : 0;
        }
        finalNorm = weights.vector("model.norm.weight");
        head = weights.matrix(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
        if (config.hasPredictionModule()) {
            String prefix = DeepseekParameters.layer(config.numHiddenLayers());
            prediction = new MultiTokenPrediction(config, rope, weights, prefix, embedding, moe);
            keep(prediction.layer());
        } else {
            prediction = null;
        }
    }

    private DecoderLayer keep(DecoderLayer layer) {
        if (layer.feedForward() instanceof MixtureOfExperts mixture) {
            mixtures.add(mixture);
        }
        return layer;
    }

    /** A model with random weights, the same for the same seed on any number of threads. */
    public static DeepseekModel random(DeepseekConfig config, Engine engine, long seed) {
        return new DeepseekModel(
                config, engine, DeepseekParameters.declare(config).build(seed, engine.pool()));
    }

    /** A model whose weights are all zero, to be filled through {@link #checkpointTensors} and {@link #refresh}. */
    public static DeepseekModel empty(DeepseekConfig config, Engine engine) {
        return new DeepseekModel(
                config, engine, DeepseekParameters.declare(config).allocate());
    }

    public DeepseekConfig config() {
        return config;
    }

    public Engine engine() {
        return engine;
    }

    public Parameters parameters() {
        return parameters;
    }

    /** The output head {@code [vocabulary, hidden]}. */
    public Weight head() {
        return head;
    }

    /** The tensors of a Hugging Face checkpoint, as views into the parameters, under the released names. */
    public List<NamedTensor> checkpointTensors() {
        return DeepseekParameters.checkpointTensors(parameters);
    }

    /** Packs every matrix again; to be called after the parameters changed. */
    public void refresh() {
        weights.refresh();
    }

    /** Number of mixtures of experts in the main model, numbered from 0 in a {@link RoutingLog}; the MTP module's comes after. */
    public int mixtures() {
        return config.numHiddenLayers() - config.firstKDenseReplace();
    }

    /** An empty log with a place for every mixture of experts. */
    public RoutingLog newRoutingLog() {
        return new RoutingLog(mixtures.size(), config.numRoutedExperts());
    }

    /** Moves the routing biases by one step of size gamma against the logged load. */
    public void updateRoutingBiases(RoutingLog log, float gamma) {
        for (int i = 0; i < mixtures.size(); i++) {
            long[] load = log.load(i);
            boolean used = false;
            for (long count : load) {
                used |= count > 0;
            }
            if (used) {
                mixtures.get(i).updateBias(load, gamma);
            }
        }
    }

    /** Memory for the keys and values of one layer, for {@code slots} positions. */
    public KeyValueStore allocateKeyValues(long slots) {
        return KeyValueStore.allocate(
                slots, config.numAttentionHeads(), config.queryKeyHeadDim(), config.valueHeadDim());
    }

    private KeyValueStore keyValuesIn(Workspace workspace, Batch batch) {
        return KeyValueStore.in(
                workspace,
                batch.segments().slots(),
                config.numAttentionHeads(),
                config.queryKeyHeadDim(),
                config.valueHeadDim());
    }

    /**
     * What the layers make of a batch.
     *
     * @param hidden the residual stream after the last layer {@code [N, hidden]}: what multi-token prediction starts from
     * @param normed after the final norm: what the head reads
     */
    public record States(Variable hidden, Variable normed) {}

    /** Training or scoring of whole sequences: keys and values live in the workspace. */
    public States forward(Ops ops, Batch batch, RoutingLog log) {
        return forward(ops, batch, log, layer -> keyValuesIn(ops.workspace(), batch));
    }

    /** @param stores the key/value store of each layer: what is there already is attended to, the batch's rows are added */
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        float eps = (float) config.rmsNormEpsilon();
        Variable x = ops.embedding(embedding, batch.ids());
        Ops.Residual stream =
                new Ops.Residual(x, ops.rmsNorm(x, layers.getFirst().inputNorm(), eps));
        for (int i = 0; i < layers.size(); i++) {
            Parameter nextNorm = i + 1 < layers.size() ? layers.get(i + 1).inputNorm() : finalNorm;
            stream = layers.get(i).forward(ops, stream, nextNorm, batch, stores.apply(i), log);
        }
        return new States(stream.sum(), stream.normed());
    }

    /** Whether the model has a multi-token-prediction module. */
    public boolean predictsMultipleTokens() {
        return prediction != null;
    }

    /**
     * The multi-token-prediction module's states, from which {@link #head()} predicts the token after next.
     *
     * @param hidden from {@link States#hidden()}, detached if the main model is not to learn from this loss
     * @param nextIds I32 {@code [N]}: the token that follows each row's
     */
    public Variable predictAhead(Ops ops, Variable hidden, Tensor nextIds, Batch batch, RoutingLog log) {
        if (prediction == null) {
            throw new IllegalStateException("num_nextn_predict_layers is 0: the model has no multi-token prediction");
        }
        return prediction.forward(ops, hidden, nextIds, batch, keyValuesIn(ops.workspace(), batch), log);
    }
}
