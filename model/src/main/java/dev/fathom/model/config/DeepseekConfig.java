package dev.fathom.model.config;

import dev.fathom.engine.Routing;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a DeepSeek-V2, V2-Lite or V3/R1 model: a Hugging Face {@code config.json} with its names spelled out.
 *
 * <p>Sources: DeepSeek-V3 report (arXiv 2412.19437) sections 2.1 and 4.2, DeepSeek-V2 (2405.04434), and the released configs,
 * which lie as {@code configs/deepseek-*.json} in this module.
 *
 * @param vocabSize {@code vocab_size}
 * @param hiddenSize {@code hidden_size}, d
 * @param intermediateSize {@code intermediate_size}: inner width of a dense SwiGLU layer
 * @param moeIntermediateSize {@code moe_intermediate_size}: inner width of one expert
 * @param numHiddenLayers {@code num_hidden_layers}, without multi-token-prediction modules
 * @param firstKDenseReplace {@code first_k_dense_replace}: this many first layers are dense, all others MoE
 * @param numAttentionHeads {@code num_attention_heads}
 * @param queryLoraRank {@code q_lora_rank}: width of the query latent; null for a direct query projection (V2-Lite)
 * @param keyValueLoraRank {@code kv_lora_rank}: width of the key/value latent
 * @param nopeHeadDim {@code qk_nope_head_dim}: query/key dimensions per head without rotation
 * @param ropeHeadDim {@code qk_rope_head_dim}: rotated dimensions; the rotated key is shared by all heads
 * @param valueHeadDim {@code v_head_dim}
 * @param numRoutedExperts {@code n_routed_experts}
 * @param numSharedExperts {@code n_shared_experts}: computed as one SwiGLU of this many times the expert width
 * @param numExpertsPerToken {@code num_experts_per_tok}
 * @param numGroups {@code n_group}: expert groups for group-limited routing; 1 for none
 * @param topGroups {@code topk_group}: groups kept per token
 * @param normalizeTopK {@code norm_topk_prob}: divide the chosen scores by their sum
 * @param routedScalingFactor {@code routed_scaling_factor}
 * @param scoringFunction {@code scoring_func}
 * @param topKMethod {@code topk_method}
 * @param rmsNormEpsilon {@code rms_norm_eps}
 * @param ropeTheta {@code rope_theta}
 * @param ropeScaling {@code rope_scaling}; null for none
 * @param maxPositionEmbeddings {@code max_position_embeddings}
 * @param numNextnPredictLayers {@code num_nextn_predict_layers}: multi-token-prediction modules
 * @param tieWordEmbeddings {@code tie_word_embeddings}: the head is the input table
 * @param initializerRange {@code initializer_range}: standard deviation of fresh weights
 * @param bosTokenId {@code bos_token_id}
 * @param eosTokenId {@code eos_token_id}
 * @param torchDtype {@code torch_dtype} ({@code dtype} since transformers 5): how the weights are stored
 */
public record DeepseekConfig(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int moeIntermediateSize,
        int numHiddenLayers,
        int firstKDenseReplace,
        int numAttentionHeads,
        @Nullable Integer queryLoraRank,
        int keyValueLoraRank,
        int nopeHeadDim,
        int ropeHeadDim,
        int valueHeadDim,
        int numRoutedExperts,
        int numSharedExperts,
        int numExpertsPerToken,
        int numGroups,
        int topGroups,
        boolean normalizeTopK,
        double routedScalingFactor,
        ScoringFunction scoringFunction,
        TopKMethod topKMethod,
        double rmsNormEpsilon,
        double ropeTheta,
        @Nullable YarnScaling ropeScaling,
        int maxPositionEmbeddings,
        int numNextnPredictLayers,
        boolean tieWordEmbeddings,
        double initializerRange,
        @Nullable Integer bosTokenId,
        @Nullable Integer eosTokenId,
        StorageType torchDtype) {

    /** How router logits become scores ({@code scoring_func}). */
    public enum ScoringFunction {
        /** DeepSeek-V3. */
        SIGMOID,
        /** DeepSeek-V2. */
        SOFTMAX;

        /** The value in {@code config.json}. */
        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** How experts are chosen from scores ({@code topk_method}). */
    public enum TopKMethod {
        /** V3: groups ranked by the sum of their two best biased scores; balanced by a bias instead of an auxiliary loss. */
        NOAUX_TC,
        /** V2-Lite: the highest scores, without groups. */
        GREEDY,
        /** V2: groups ranked by their best score. */
        GROUP_LIMITED_GREEDY;

        /** The value in {@code config.json}. */
        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** How a checkpoint stores its weights ({@code torch_dtype}). */
    public enum StorageType {
        FLOAT32,
        BFLOAT16,
        FLOAT16;

        /** The value in {@code config.json}. */
        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Checks ranges and combinations; {@link ConfigException} names the Hugging Face key, the found and the allowed values. */
    public DeepseekConfig {
        DeepseekConfigRules.check(
                new DeepseekConfigRules.Size("vocab_size", vocabSize),
                new DeepseekConfigRules.Size("hidden_size", hiddenSize),
                new DeepseekConfigRules.Size("intermediate_size", intermediateSize),
                new DeepseekConfigRules.Size("moe_intermediate_size", moeIntermediateSize),
                new DeepseekConfigRules.Size("num_hidden_layers", numHiddenLayers),
                new DeepseekConfigRules.Size("num_attention_heads", numAttentionHeads),
                new DeepseekConfigRules.Size("q_lora_rank", queryLoraRank == null ? 1 : queryLoraRank),
                new DeepseekConfigRules.Size("kv_lora_rank", keyValueLoraRank),
                new DeepseekConfigRules.Size("qk_nope_head_dim", nopeHeadDim),
                new DeepseekConfigRules.Size("qk_rope_head_dim", ropeHeadDim),
                new DeepseekConfigRules.Size("v_head_dim", valueHeadDim),
                new DeepseekConfigRules.Size("n_routed_experts", numRoutedExperts),
                new DeepseekConfigRules.Size("n_shared_experts", numSharedExperts),
                new DeepseekConfigRules.Size("num_experts_per_tok", numExpertsPerToken),
                new DeepseekConfigRules.Size("n_group", numGroups),
                new DeepseekConfigRules.Size("topk_group", topGroups),
                new DeepseekConfigRules.Size("max_position_embeddings", maxPositionEmbeddings));
        DeepseekConfigRules.checkLayers(numHiddenLayers, firstKDenseReplace, numNextnPredictLayers);
        DeepseekConfigRules.checkRouting(
                numRoutedExperts, numExpertsPerToken, numGroups, topGroups, scoringFunction, topKMethod);
        DeepseekConfigRules.checkPositive("routed_scaling_factor", routedScalingFactor);
        DeepseekConfigRules.checkPositive("rms_norm_eps", rmsNormEpsilon);
        DeepseekConfigRules.checkPositive("initializer_range", initializerRange);
        DeepseekConfigRules.checkRope(ropeHeadDim, ropeTheta, ropeScaling, maxPositionEmbeddings);
        DeepseekConfigRules.checkToken("bos_token_id", bosTokenId, vocabSize);
        DeepseekConfigRules.checkToken("eos_token_id", eosTokenId, vocabSize);
    }

    /** Reads a {@code config.json}. */
    public static DeepseekConfig read(Path file) {
        return DeepseekConfigFile.read(file);
    }

    /** Starts from a small DeepSeek-V3 shape (4 layers, hidden size 256) that only needs a vocabulary size. */
    public static DeepseekConfigBuilder builder() {
        return new DeepseekConfigBuilder();
    }

    /** Starts from this config. */
    public DeepseekConfigBuilder toBuilder() {
        return new DeepseekConfigBuilder(this);
    }

    /** The same model with another vocabulary, the change that every new tokenizer needs. */
    public DeepseekConfig withVocabulary(int size, @Nullable Integer bosTokenId, @Nullable Integer eosTokenId) {
        return toBuilder()
                .vocabSize(size)
                .bosTokenId(bosTokenId)
                .eosTokenId(eosTokenId)
                .build();
    }

    /** Query/key width of one head: unrotated, then rotated dimensions. */
    public int queryKeyHeadDim() {
        return nopeHeadDim + ropeHeadDim;
    }

    /** Whether a layer has experts. Multi-token-prediction modules, numbered on from {@code numHiddenLayers}, always have. */
    public boolean isMoeLayer(int layer) {
        return layer >= firstKDenseReplace;
    }

    /** Whether the router has a selection bias, the one parameter that is not trained by gradient. */
    public boolean hasRoutingBias() {
        return topKMethod == TopKMethod.NOAUX_TC;
    }

    /** How the engine's router picks experts. */
    public Routing routing() {
        return new Routing(
                numRoutedExperts,
                numExpertsPerToken,
                numGroups,
                topGroups,
                normalizeTopK,
                (float) routedScalingFactor,
                scoringFunction == ScoringFunction.SIGMOID ? Routing.Scoring.SIGMOID : Routing.Scoring.SOFTMAX);
    }

    /**
     * This config, if models of its kind can be trained.
     *
     * @throws ConfigException for the softmax routing of DeepSeek-V2, which is run but has no gradient
     */
    public DeepseekConfig requireTrainable() {
        if (topKMethod != TopKMethod.NOAUX_TC) {
            throw ConfigException.of(
                    "topk_method",
                    "\"" + topKMethod.key() + "\" (scoring_func \"" + scoringFunction.key() + "\")",
                    "\"noaux_tc\" with \"sigmoid\": only DeepSeek-V3's routing can be trained");
        }
        return this;
    }

    /**
     * Whether the model has a multi-token-prediction module.
     *
     * @throws ConfigException for more than one: such configs can be read and counted but not run yet
     */
    public boolean hasPredictionModule() {
        if (numNextnPredictLayers > 1) {
            throw ConfigException.of(
                    "num_nextn_predict_layers",
                    numNextnPredictLayers,
                    "0 or 1: multi-token prediction is run at depth 1");
        }
        return numNextnPredictLayers == 1;
    }

    /** Factor on attention scores: {@code 1/sqrt(queryKeyHeadDim)}, times the square of YaRN's temperature if configured. */
    public double attentionScale() {
        double temperature = ropeScaling == null ? 1 : ropeScaling.attentionFactor();
        return temperature * temperature / Math.sqrt(queryKeyHeadDim());
    }

    /** Radians per position of each rotary pair {@code (x[2p], x[2p+1])}, {@code [ropeHeadDim / 2]}, after YaRN. */
    public double[] ropeFrequencies() {
        return ropeScaling == null
                ? RopeScaling.plain(ropeHeadDim, ropeTheta)
                : ropeScaling.frequencies(ropeHeadDim, ropeTheta);
    }

    /** Size of the cache for one token over all layers: key/value latent and shared rotated key, 70,272 bytes for V3 in bf16. */
    public long keyValueBytesPerToken(int bytesPerElement) {
        return (long) (keyValueLoraRank + ropeHeadDim) * numHiddenLayers * bytesPerElement;
    }

    /** All parameters without multi-token prediction, the routing bias included: 671,026,419,200 for V3. */
    public long parameterCount() {
        long d = hiddenSize;
        long dense = 3 * d * intermediateSize;
        return (tieWordEmbeddings ? 1 : 2) * tableParameters()
                + numHiddenLayers * (attentionParameters() + normParameters())
                + firstKDenseReplace * dense
                + moeLayers() * moeParameters()
                + d;
    }

    /**
     * Parameters one token is multiplied with, 36.63 billion for V3: unchosen experts and the input table (a look-up) are not
     * counted, the head is.
     */
    public long activeParameterCount() {
        long idle = moeLayers() * (numRoutedExperts - numExpertsPerToken) * expertParameters();
        return parameterCount() - idle - (tieWordEmbeddings ? 0 : tableParameters());
    }

    /** Parameters of all multi-token-prediction modules, without the shared table and head: 11,610,068,224 for V3. */
    public long mtpParameterCount() {
        long d = hiddenSize;
        long module = attentionParameters() + normParameters() + moeParameters() + 2 * d * d + 3 * d;
        return numNextnPredictLayers * module;
    }

    private long moeLayers() {
        return numHiddenLayers - firstKDenseReplace;
    }

    private long tableParameters() {
        return (long) vocabSize * hiddenSize;
    }

    private long attentionParameters() {
        long d = hiddenSize;
        long queries = (long) numAttentionHeads * queryKeyHeadDim();
        long query = queryLoraRank == null ? d * queries : d * queryLoraRank + queryLoraRank * queries;
        long keyValueDown = d * (keyValueLoraRank + ropeHeadDim);
        long keyValueUp = (long) keyValueLoraRank * numAttentionHeads * (nopeHeadDim + valueHeadDim);
        long output = (long) numAttentionHeads * valueHeadDim * d;
        return query + keyValueDown + keyValueUp + output;
    }

    /** Norms of one layer: before attention, before the feed-forward part, on both latents. */
    private long normParameters() {
        return (queryLoraRank == null ? 0L : queryLoraRank) + keyValueLoraRank + 2L * hiddenSize;
    }

    private long expertParameters() {
        return 3L * hiddenSize * moeIntermediateSize;
    }

    private long moeParameters() {
        long experts = numRoutedExperts + numSharedExperts;
        long bias = hasRoutingBias() ? numRoutedExperts : 0;
        return experts * expertParameters() + (long) hiddenSize * numRoutedExperts + bias;
    }

    /** The allowed values of an enum as an error message lists them. */
    static String choices(Enum<?>[] values) {
        return Arrays.stream(values)
                .map(value -> "\"" + value.name().toLowerCase(Locale.ROOT) + "\"")
                .collect(Collectors.joining(", "));
    }
}
