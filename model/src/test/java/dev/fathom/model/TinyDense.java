package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Parameter;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfig.Architecture;
import java.util.Random;

/** Dense models of odd little shapes with random weights. */
final class TinyDense {
    private TinyDense() {}

    /** Three heads of ten over a hidden size of twenty, keys and values of their own, untied head. */
    static final LlamaConfig LLAMA = LlamaConfig.builder()
            .vocabSize(29)
            .hiddenSize(20)
            .intermediateSize(27)
            .numHiddenLayers(2)
            .numAttentionHeads(3)
            .numKeyValueHeads(3)
            .headDim(10)
            .maxPositionEmbeddings(64)
            .initializerRange(0.25)
            .build();

    /** Six heads share two keys and values; bias; tied head. */
    static final LlamaConfig QWEN2 = LlamaConfig.builder()
            .architecture(Architecture.QWEN2)
            .vocabSize(31)
            .hiddenSize(24)
            .intermediateSize(37)
            .numHiddenLayers(3)
            .numAttentionHeads(6)
            .numKeyValueHeads(2)
            .headDim(4)
            .ropeTheta(1000)
            .maxPositionEmbeddings(64)
            .tieWordEmbeddings(true)
            .initializerRange(0.25)
            .build();

    /** Four heads of thirty-four, wider together than the hidden size, share one key and value; norms on heads. */
    static final LlamaConfig QWEN3 = LlamaConfig.builder()
            .architecture(Architecture.QWEN3)
            .vocabSize(83)
            .hiddenSize(40)
            .intermediateSize(72)
            .numHiddenLayers(2)
            .numAttentionHeads(4)
            .numKeyValueHeads(1)
            .headDim(34)
            .rmsNormEpsilon(1e-5)
            .maxPositionEmbeddings(64)
            .initializerRange(0.15)
            .build();

    /** Two heads of eleven, biases everywhere. */
    static final Gpt2Config GPT2 = new Gpt2Config(31, 64, 22, 3, 2, 1e-5, true, 0.25);

    /** As nanoGPT trains it: no biases. */
    static final Gpt2Config GPT2_WITHOUT_BIAS = new Gpt2Config(67, 64, 48, 2, 3, 1e-5, false, 0.15);

    static Gpt2Model model(Gpt2Config config, Engine engine, long seed) {
        return unsettle(Gpt2Model.random(config, engine, seed), seed);
    }

    static LlamaModel model(LlamaConfig config, Engine engine, long seed) {
        return unsettle(LlamaModel.random(config, engine, seed), seed);
    }

    /** Makes nothing special: weights of norms away from 1, biases away from 0. */
    private static <M extends TrainableModel> M unsettle(M model, long seed) {
        Random random = new Random(seed);
        for (Parameter parameter : model.parameters()) {
            if (!parameter.decay()) {
                for (int i = 0; i < parameter.size(); i++) {
                    float initial = parameter.value().get(0, i);
                    parameter.value().set(0, i, (float) (initial + 0.3 * random.nextGaussian()));
                }
            }
        }
        model.refresh();
        return model;
    }
}
