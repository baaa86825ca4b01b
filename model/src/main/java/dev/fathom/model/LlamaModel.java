package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.List;
import java.util.function.IntFunction;

/** A dense transformer of the Llama family (arXiv 2302.13971) that can be trained: Llama, Qwen2 or Qwen3, which differ in their attention only. */
public final class LlamaModel implements TrainableModel {
    private final LlamaConfig config;
    private final TrainedWeights weights;
    private final Transformer transformer;

    private LlamaModel(LlamaConfig config, Engine engine, Parameters parameters) {
        this.config = config;
        this.weights = new TrainedWeights(parameters, engine);
        this.transformer = Transformer.of(config, engine, weights, RotaryPairs.HALVES);
    }

    /** A model with random weights, the same for the same seed on any number of threads. */
    public static LlamaModel random(LlamaConfig config, Engine engine, long seed) {
        return new LlamaModel(config, engine, LlamaParameters.declare(config).build(seed, engine.pool()));
    }

    /** A model whose weights are all zero, to be filled through {@link #checkpointTensors} and {@link #refresh}. */
    public static LlamaModel empty(LlamaConfig config, Engine engine) {
        return new LlamaModel(config, engine, LlamaParameters.declare(config).allocate());
    }

    public LlamaConfig config() {
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
        return LlamaParameters.checkpointTensors(config, weights.parameters());
    }

    @Override
    public void refresh() {
        weights.refresh();
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
}
