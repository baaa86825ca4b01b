package dev.fathom.model.config;

/**
 * The shape of a GPT-2 model, with the names of its Hugging Face {@code config.json} in brackets. There is no reader of such files: these
 * models are trained here, to compare with other trainers.
 *
 * @param vocabSize {@code vocab_size}
 * @param maxPositionEmbeddings {@code n_positions}: rows of the position table
 * @param hiddenSize {@code n_embd}
 * @param numHiddenLayers {@code n_layer}
 * @param numAttentionHeads {@code n_head}
 * @param layerNormEpsilon {@code layer_norm_epsilon}
 * @param bias whether linear layers and norms have one: true for GPT-2, nanoGPT also trains without
 * @param initializerRange {@code initializer_range}: standard deviation of fresh weights
 */
public record Gpt2Config(
        int vocabSize,
        int maxPositionEmbeddings,
        int hiddenSize,
        int numHiddenLayers,
        int numAttentionHeads,
        double layerNormEpsilon,
        boolean bias,
        double initializerRange) {

    /** Checks ranges; {@link ConfigException} names the Hugging Face key, the found and the allowed values. */
    public Gpt2Config {
        DeepseekConfigRules.check(
                new DeepseekConfigRules.Size("vocab_size", vocabSize),
                new DeepseekConfigRules.Size("n_positions", maxPositionEmbeddings),
                new DeepseekConfigRules.Size("n_embd", hiddenSize),
                new DeepseekConfigRules.Size("n_layer", numHiddenLayers),
                new DeepseekConfigRules.Size("n_head", numAttentionHeads));
        if (hiddenSize % numAttentionHeads != 0) {
            throw ConfigException.of("n_head", numAttentionHeads, "a divisor of n_embd (" + hiddenSize + ")");
        }
        DeepseekConfigRules.checkPositive("layer_norm_epsilon", layerNormEpsilon);
        DeepseekConfigRules.checkPositive("initializer_range", initializerRange);
    }

    /** GPT-2 of 124,439,808 parameters, with this vocabulary (50,257; llm.c pads it to 50,304). */
    public static Gpt2Config small(int vocabSize) {
        return new Gpt2Config(vocabSize, 1024, 768, 12, 12, 1e-5, true, 0.02);
    }

    public int headDim() {
        return hiddenSize / numAttentionHeads;
    }

    /** Inner width of the feed-forward part. */
    public int intermediateSize() {
        return 4 * hiddenSize;
    }

    /** All parameters; the head is the input table. */
    public long parameterCount() {
        long d = hiddenSize;
        long biases = bias ? 9 * d + 2 * d : 0; // four linear layers: 3 + 1 + 4 + 1; two norms
        long layer = 12 * d * d + 2 * d + biases;
        return (vocabSize + maxPositionEmbeddings) * d + numHiddenLayers * layer + (bias ? 2 : 1) * d;
    }
}
