package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.StorageType;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a Llama, Qwen2 or Qwen3 model: a Hugging Face {@code config.json} with its names spelled out.
 *
 * @param architecture {@code model_type}
 * @param vocabSize {@code vocab_size}
 * @param hiddenSize {@code hidden_size}, d
 * @param intermediateSize {@code intermediate_size}: inner width of the SwiGLU
 * @param numHiddenLayers {@code num_hidden_layers}
 * @param numAttentionHeads {@code num_attention_heads}
 * @param numKeyValueHeads {@code num_key_value_heads}: each is shared by numAttentionHeads / numKeyValueHeads query heads
 * @param headDim {@code head_dim}
 * @param rmsNormEpsilon {@code rms_norm_eps}
 * @param ropeTheta {@code rope_theta}
 * @param ropeScaling {@code rope_scaling}; null for none
 * @param maxPositionEmbeddings {@code max_position_embeddings}
 * @param tieWordEmbeddings {@code tie_word_embeddings}: the head is the input table
 * @param initializerRange {@code initializer_range}: standard deviation of fresh weights
 * @param bosTokenId {@code bos_token_id}
 * @param eosTokenId {@code eos_token_id}
 * @param torchDtype {@code torch_dtype} ({@code dtype} since transformers 5): how the weights are stored
 */
public record LlamaConfig(
        Architecture architecture,
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int numHiddenLayers,
        int numAttentionHeads,
        int numKeyValueHeads,
        int headDim,
        double rmsNormEpsilon,
        double ropeTheta,
        @Nullable RopeScaling ropeScaling,
        int maxPositionEmbeddings,
        boolean tieWordEmbeddings,
        double initializerRange,
        @Nullable Integer bosTokenId,
        @Nullable Integer eosTokenId,
        StorageType torchDtype) {

    /** What a {@code model_type} adds to attention. */
    public enum Architecture {
        /** Neither bias nor norm. */
        LLAMA("LlamaForCausalLM"),
        /** A bias on queries, keys and values (arXiv 2407.10671). */
        QWEN2("Qwen2ForCausalLM"),
        /** RMSNorm on every query and key head, no bias (arXiv 2505.09388). */
        QWEN3("Qwen3ForCausalLM");

        private final String modelClass;

        Architecture(String modelClass) {
            this.modelClass = modelClass;
        }

        /** The value of {@code model_type} in {@code config.json}. */
        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The entry of {@code architectures} in {@code config.json}. */
        String modelClass() {
            return modelClass;
        }

        public boolean hasQueryKeyValueBias() {
            return this == QWEN2;
        }

        public boolean hasQueryKeyNorm() {
            return this == QWEN3;
        }
    }

    /** Checks ranges and combinations; {@link ConfigException} names the Hugging Face key, the found and the allowed values. */
    public LlamaConfig {
        DeepseekConfigRules.check(
                new DeepseekConfigRules.Size("vocab_size", vocabSize),
                new DeepseekConfigRules.Size("hidden_size", hiddenSize),
                new DeepseekConfigRules.Size("intermediate_size", intermediateSize),
                new DeepseekConfigRules.Size("num_hidden_layers", numHiddenLayers),
                new DeepseekConfigRules.Size("num_attention_heads", numAttentionHeads),
                new DeepseekConfigRules.Size("num_key_value_heads", numKeyValueHeads),
                new DeepseekConfigRules.Size("head_dim", headDim),
                new DeepseekConfigRules.Size("max_position_embeddings", maxPositionEmbeddings));
        if (numAttentionHeads % numKeyValueHeads != 0) {
            throw ConfigException.of(
                    "num_key_value_heads",
                    numKeyValueHeads,
                    "a divisor of num_attention_heads (" + numAttentionHeads + ")");
        }
        if (headDim % 2 != 0) {
            throw ConfigException.of("head_dim", headDim, "an even number: dimensions are rotated in pairs");
        }
        if (!(ropeTheta > 1) || Double.isInfinite(ropeTheta)) {
            throw ConfigException.of("rope_theta", ropeTheta, "a number above 1");
        }
        if (ropeScaling instanceof RopeScaling.Divisors divisors
                && divisors.factors().size() != headDim / 2) {
            throw ConfigException.of(
                    "rope_freqs.weight", divisors.factors().size() + " factors", headDim / 2 + ", one for each pair");
        }
        DeepseekConfigRules.checkPositive("rms_norm_eps", rmsNormEpsilon);
        DeepseekConfigRules.checkPositive("initializer_range", initializerRange);
        DeepseekConfigRules.checkToken("bos_token_id", bosTokenId, vocabSize);
        DeepseekConfigRules.checkToken("eos_token_id", eosTokenId, vocabSize);
    }

    /** Reads a {@code config.json}. */
    public static LlamaConfig read(Path file) {
        return LlamaConfigFile.read(file);
    }

    /** Starts from a small Llama shape (4 layers, hidden size 256) that only needs a vocabulary size. */
    public static LlamaConfigBuilder builder() {
        return new LlamaConfigBuilder();
    }

    /** Factor on attention scores: {@code 1/sqrt(headDim)}, times the square of YaRN's temperature if configured. */
    public double attentionScale() {
        double temperature = ropeScaling == null ? 1 : ropeScaling.attentionFactor();
        return temperature * temperature / Math.sqrt(headDim);
    }

    /** Radians per position of each rotary pair {@code (x[p], x[p + headDim / 2])}, {@code [headDim / 2]}, after scaling. */
    public double[] ropeFrequencies() {
        return ropeScaling == null
                ? RopeScaling.plain(headDim, ropeTheta)
                : ropeScaling.frequencies(headDim, ropeTheta);
    }

    /** All parameters. */
    public long parameterCount() {
        long d = hiddenSize;
        long queries = (long) numAttentionHeads * headDim;
        long projected = queries + 2L * numKeyValueHeads * headDim;
        long bias = architecture.hasQueryKeyValueBias() ? projected : 0;
        long norms = 2 * d + (architecture.hasQueryKeyNorm() ? 2L * headDim : 0);
        long layer = d * projected + bias + queries * d + 3 * d * intermediateSize + norms;
        return (tieWordEmbeddings ? 1 : 2) * vocabSize * d + numHiddenLayers * layer + d;
    }
}
