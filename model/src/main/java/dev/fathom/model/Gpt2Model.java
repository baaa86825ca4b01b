package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/**
 * GPT-2 ("Language Models are Unsupervised Multitask Learners", 2019): learned positions, LayerNorm, GELU, the head tied to the input
 * table. What other small trainers (llm.c, nanoGPT) are measured with.
 */
public final class Gpt2Model implements TrainableModel {
    private final Gpt2Config config;
    private final Engine engine;
    private final Parameters parameters;
    private final TrainedWeights weights;
    private final Parameter embedding;
    private final Parameter positionEmbedding;
    private final List<Gpt2Layer> layers = new ArrayList<>();
    private final Gpt2Layer.Norm finalNorm;
    private final Weight head;

    private Gpt2Model(Gpt2Config config, Engine engine, Parameters parameters) {
        this.config = config;
        this.engine = engine;
        this.parameters = parameters;
        this.weights = new TrainedWeights(parameters, engine);
        embedding = weights.vector("transformer.wte.weight");
        positionEmbedding = weights.vector("transformer.wpe.weight");
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(new Gpt2Layer(config, weights, Gpt2Parameters.layer(i)));
        }
        finalNorm = Gpt2Layer.Norm.of(config, weights, "transformer.ln_f");
        head = weights.matrix("transformer.wte.weight");
    }

    /** A model with random weights, the same for the same seed on any number of threads. */
    public static Gpt2Model random(Gpt2Config config, Engine engine, long seed) {
        return new Gpt2Model(config, engine, Gpt2Parameters.declare(config).build(seed, engine.pool()));
    }

    public Gpt2Config config() {
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

    /** Under GPT-2's names, matrices {@code [outputs, inputs]}. */
    @Override
    public List<NamedTensor> checkpointTensors() {
        List<NamedTensor> tensors = new ArrayList<>();
        for (Parameter parameter : parameters) {
            tensors.add(new NamedTensor(parameter.name(), parameter.value()));
        }
        return tensors;
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
        return new KeyValueShape(config.numAttentionHeads(), config.headDim(), config.headDim());
    }

    @Override
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        // The sum of token and position embedding is the first addition into the residual stream, fused into a norm
        // like the others.
        Ops.Residual stream = layers.getFirst()
                .inputNorm()
                .add(ops, ops.embedding(embedding, batch.ids()), ops.embedding(positionEmbedding, batch.positions()));
        for (int i = 0; i < layers.size(); i++) {
            Gpt2Layer.Norm nextNorm = i + 1 < layers.size() ? layers.get(i + 1).inputNorm() : finalNorm;
            stream = layers.get(i).forward(ops, stream, nextNorm, batch, stores.apply(i));
        }
        return new States(stream.sum(), stream.normed());
    }
}
