package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.List;
import java.util.function.IntFunction;

/**
 * A DeepSeek-V3 transformer that can be trained: multi-head latent attention, dense layers first and mixtures of experts after, multi-token
 * prediction (arXiv 2412.19437 section 2). The same forward pass serves training and generation.
 */
public final class DeepseekModel implements TrainableModel {
    private final DeepseekConfig config;
    private final TrainedWeights weights;
    private final Transformer transformer;
    private final List<MixtureOfExperts> mixtures;

    private DeepseekModel(DeepseekConfig config, Engine engine, Parameters parameters) {
        this.config = config;
        this.weights = new TrainedWeights(parameters, engine);
        this.transformer = Transformer.of(config, engine, weights);
        this.mixtures = transformer.allMixtures();
    }

    /** A model with random weights, the same for the same seed on any number of threads. */
    public static DeepseekModel random(DeepseekConfig config, Engine engine, long seed) {
        return new DeepseekModel(
                config.requireTrainable(),
                engine,
                DeepseekParameters.declare(config).build(seed, engine.pool()));
    }

    /** A model whose weights are all zero, to be filled through {@link #checkpointTensors} and {@link #refresh}. */
    public static DeepseekModel empty(DeepseekConfig config, Engine engine) {
        return new DeepseekModel(
                config.requireTrainable(),
                engine,
                DeepseekParameters.declare(config).allocate());
    }

    public DeepseekConfig config() {
        return config;
    }

    @Override
    public Engine engine() {
        return transformer.engine();
    }

    @Override
    public Parameters parameters() {
        return weights.parameters();
    }

    @Override
    public Weight head() {
        return transformer.head();
    }

    @Override
    public List<NamedTensor> checkpointTensors() {
        return DeepseekParameters.checkpointTensors(weights.parameters());
    }

    @Override
    public void refresh() {
        weights.refresh();
    }

    /** Number of mixtures of experts in the main model, numbered from 0 in a {@link RoutingLog}; the MTP module's comes after. */
    @Override
    public int mixtures() {
        return transformer.mixtures();
    }

    @Override
    public int numExpertsPerToken() {
        return transformer.numExpertsPerToken();
    }

    @Override
    public RoutingLog newRoutingLog() {
        return transformer.newRoutingLog();
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
        return transformer.vocabSize();
    }

    @Override
    public int numHiddenLayers() {
        return transformer.numHiddenLayers();
    }

    @Override
    public int maxPositionEmbeddings() {
        return transformer.maxPositionEmbeddings();
    }

    @Override
    public KeyValueShape keyValueShape() {
        return transformer.keyValueShape();
    }

    @Override
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        return transformer.forward(ops, batch, log, stores);
    }

    @Override
    public boolean predictsMultipleTokens() {
        return transformer.predictsMultipleTokens();
    }

    @Override
    public Variable predictAhead(
            Ops ops, Variable hidden, Tensor nextIds, Batch batch, RoutingLog log, KeyValueStore store) {
        return transformer.predictAhead(ops, hidden, nextIds, batch, log, store);
    }
}
