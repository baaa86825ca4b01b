package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** A dense transformer of the Llama family (arXiv 2302.13971): Llama, Qwen2 or Qwen3, which differ in their attention only. */
public final class LlamaModel implements LanguageModel {
    private final LlamaConfig config;
    private final Engine engine;
    private final Parameters parameters;
    private final Weights weights;
    private final Decoder decoder;
    private final Weight head;

    private LlamaModel(LlamaConfig config, Engine engine, Parameters parameters) {
        this.config = config;
        this.engine = engine;
        this.parameters = parameters;
        this.weights = new Weights(parameters, engine);
        RopeTable rope = RopeTable.of(config.ropeFrequencies(), config.maxPositionEmbeddings());
        Parameter embedding = weights.vector("model.embed_tokens.weight");
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(DecoderLayer.of(config, rope, weights, LlamaParameters.layer(i)));
        }
        decoder = new Decoder(embedding, layers, weights.vector("model.norm.weight"), (float) config.rmsNormEpsilon());
        head = weights.matrix(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
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
        return LlamaParameters.checkpointTensors(config, parameters);
    }

    @Override
    public void refresh() {
        weights.refresh();
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
        return new KeyValueShape(config.numKeyValueHeads(), config.headDim(), config.headDim());
    }

    @Override
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        return decoder.forward(ops, batch, log, stores);
    }
}
