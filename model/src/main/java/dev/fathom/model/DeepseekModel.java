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
public final class DeepseekModel implements LanguageModel {
    private final DeepseekConfig config;
    private final Engine engine;
    private final Parameters parameters;
    private final Weights weights;
    private final Decoder decoder;
    private final Weight head;
    private final @Nullable MultiTokenPrediction prediction;
    private final List<MixtureOfExperts> mixtures = new ArrayList<>();

    private DeepseekModel(DeepseekConfig config, Engine engine, Parameters parameters) {
        this.config = config;
        this.engine = engine;
        this.parameters = parameters;
        this.weights = new Weights(parameters, engine);
        RopeTable rope = RopeTable.of(config.ropeFrequencies(), config.maxPositionEmbeddings());
        Parameter embedding = weights.vector("model.embed_tokens.weight");
        List<DecoderLayer> layers = new ArrayList<>();
        int moe = 0;
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            boolean experts = config.isMoeLayer(i);
            layers.add(keep(DecoderLayer.of(config, rope, weights, DeepseekParameters.layer(i), experts ? moe : -1)));
            moe += experts ? 1 : 0;
        }
        decoder = new Decoder(embedding, layers, weights.vector("model.norm.weight"), (float) config.rmsNormEpsilon());
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

    @Override
    public Engine engine() {
        return engine;
    }

    @Override
    public Parameters parameters() {
        return parameters;
    }

    @Override
    public Weight head() {
        return head;
    }

    @Override
    public List<NamedTensor> checkpointTensors() {
        return DeepseekParameters.checkpointTensors(parameters);
    }

    @Override
    public void refresh() {
        weights.refresh();
    }

    /** Number of mixtures of experts in the main model, numbered from 0 in a {@link RoutingLog}; the MTP module's comes after. */
    @Override
    public int mixtures() {
        return config.numHiddenLayers() - config.firstKDenseReplace();
    }

    @Override
    public int numExpertsPerToken() {
        return config.numExpertsPerToken();
    }

    @Override
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

    @Override
    public int vocabSize() {
        return config.vocabSize();
    }

    @Override
    public int numHiddenLayers() {
        return config.numHiddenLayers();
    }

    @Override
    public int maxPositionEmbeddings() {
        return config.maxPositionEmbeddings();
    }

    @Override
    public KeyValueShape keyValueShape() {
        return new KeyValueShape(config.numAttentionHeads(), config.queryKeyHeadDim(), config.valueHeadDim());
    }

    @Override
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        return decoder.forward(ops, batch, log, stores);
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
        return prediction.forward(ops, hidden, nextIds, batch, keyValueShape().in(engine, ops.workspace(), batch), log);
    }
}
