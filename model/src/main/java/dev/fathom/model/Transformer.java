package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.LlamaConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Layers, head and, where there is one, the multi-token-prediction module of a DeepSeek or Llama model, over {@link Weights} from wherever they come.
 * A released model is just this; one that is trained has its parameters beside it.
 */
final class Transformer implements LanguageModel {
    private final Engine engine;
    private final Decoder decoder;
    private final Weight head;
    private final @Nullable MultiTokenPrediction prediction;
    private final int vocabSize;
    private final int maxPositionEmbeddings;
    private final int numRoutedExperts;
    private final int numExpertsPerToken;

    private Transformer(
            Engine engine,
            Decoder decoder,
            Weight head,
            @Nullable MultiTokenPrediction prediction,
            int vocabSize,
            int maxPositionEmbeddings,
            int numRoutedExperts,
            int numExpertsPerToken) {
        this.engine = engine;
        this.decoder = decoder;
        this.head = head;
        this.prediction = prediction;
        this.vocabSize = vocabSize;
        this.maxPositionEmbeddings = maxPositionEmbeddings;
        this.numRoutedExperts = numRoutedExperts;
        this.numExpertsPerToken = numExpertsPerToken;
    }

    static Transformer of(DeepseekConfig config, Engine engine, Weights weights) {
        RopeTable rope = RopeTable.of(config.ropeFrequencies(), config.maxPositionEmbeddings());
        Embedding embedding = weights.embedding("model.embed_tokens.weight");
        List<DecoderLayer> layers = new ArrayList<>();
        int moe = 0;
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            boolean experts = config.isMoeLayer(i);
            layers.add(DecoderLayer.of(config, rope, weights, DeepseekParameters.layer(i), experts ? moe : -1));
            moe += experts ? 1 : 0;
        }
        MultiTokenPrediction prediction = config.hasPredictionModule()
                ? new MultiTokenPrediction(
                        config, rope, weights, DeepseekParameters.layer(config.numHiddenLayers()), embedding, moe)
                : null;
        return new Transformer(
                engine,
                new Decoder(embedding, layers, weights.vector("model.norm.weight"), (float) config.rmsNormEpsilon()),
                weights.matrix(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight"),
                prediction,
                config.vocabSize(),
                config.maxPositionEmbeddings(),
                config.numRoutedExperts(),
                config.numExpertsPerToken());
    }

    static Transformer of(LlamaConfig config, Engine engine, Weights weights, RotaryPairs pairs) {
        RopeTable rope = RopeTable.of(config.ropeFrequencies(), config.maxPositionEmbeddings());
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(DecoderLayer.of(config, rope, pairs, weights, LlamaParameters.layer(i)));
        }
        Embedding embedding = weights.embedding("model.embed_tokens.weight");
        return new Transformer(
                engine,
                new Decoder(embedding, layers, weights.vector("model.norm.weight"), (float) config.rmsNormEpsilon()),
                weights.matrix(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight"),
                null,
                config.vocabSize(),
                config.maxPositionEmbeddings(),
                0,
                0);
    }

    @Override
    public Engine engine() {
        return engine;
    }

    @Override
    public Weight head() {
        return head;
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public int numHiddenLayers() {
        return decoder.layers().size();
    }

    @Override
    public int maxPositionEmbeddings() {
        return maxPositionEmbeddings;
    }

    @Override
    public KeyValueShape keyValueShape() {
        return decoder.layers().getFirst().attention().keyValueShape();
    }

    @Override
    public States forward(Ops ops, Batch batch, RoutingLog log, IntFunction<KeyValueStore> stores) {
        return decoder.forward(ops, batch, log, stores);
    }

    @Override
    public boolean predictsMultipleTokens() {
        return prediction != null;
    }

    @Override
    public Variable predictAhead(
            Ops ops, Variable hidden, Tensor nextIds, Batch batch, RoutingLog log, KeyValueStore store) {
        if (prediction == null) {
            return LanguageModel.super.predictAhead(ops, hidden, nextIds, batch, log, store);
        }
        return prediction.forward(ops, hidden, nextIds, batch, store, log);
    }

    /** Those of the main model; the multi-token-prediction module's comes after them in a {@link RoutingLog}. */
    @Override
    public int mixtures() {
        return (int) mixtures(decoder.layers()).count();
    }

    @Override
    public int numExpertsPerToken() {
        return numExpertsPerToken;
    }

    @Override
    public RoutingLog newRoutingLog() {
        return new RoutingLog(allMixtures().size(), numRoutedExperts);
    }

    /** The mixtures of experts, the multi-token-prediction module's last. */
    List<MixtureOfExperts> allMixtures() {
        List<DecoderLayer> layers = new ArrayList<>(decoder.layers());
        if (prediction != null) {
            layers.add(prediction.layer());
        }
        return mixtures(layers).toList();
    }

    private static Stream<MixtureOfExperts> mixtures(List<DecoderLayer> layers) {
        return layers.stream()
                .map(DecoderLayer::feedForward)
                .filter(MixtureOfExperts.class::isInstance)
                .map(MixtureOfExperts.class::cast);
    }
}
