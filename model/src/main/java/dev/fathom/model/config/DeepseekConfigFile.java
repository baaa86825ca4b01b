package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.DeepseekConfig.StorageType;
import dev.fathom.model.config.DeepseekConfig.TopKMethod;
import dev.fathom.model.files.Json;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads and writes {@code config.json}.
 *
 * <p>Every key is one of: read into {@link DeepseekConfig}; fixed, because only one value is computed here (an activation other
 * than SiLU is refused by name); without effect on what the model computes; or unknown, which is an error, because an unknown
 * key of a released model usually means another architecture (DeepSeek-V3.2's {@code index_topk}, for instance).
 */
public final class DeepseekConfigFile {
    private static final String V3 = "deepseek_v3";
    private static final String V2 = "deepseek_v2";

    /** Keys that change nothing in the computation of logits: training options, bookkeeping, generation defaults. */
    private static final Set<String> HARMLESS = Set.of(
            "_name_or_path",
            "auto_map",
            "aux_loss_alpha",
            "chunk_size_feed_forward",
            "ep_size",
            "id2label",
            "is_decoder",
            "is_encoder_decoder",
            "label2id",
            "name_or_path",
            "output_attentions",
            "output_hidden_states",
            "output_router_logits",
            "pad_token_id",
            "problem_type",
            "return_dict",
            "seq_aux",
            "transformers_version",
            "use_cache");

    private DeepseekConfigFile() {}

    /**
     * Reads a config file.
     *
     * @throws ConfigException naming the file, the key, the found and the allowed values
     */
    public static DeepseekConfig read(Path file) {
        return parse(Json.readObject(file, ConfigException::new), file.toString());
    }

    /**
     * Reads one of the released configs that come with Fathom: {@code deepseek-v3}, {@code deepseek-v2} or
     * {@code deepseek-v2-lite}. V3's is without its {@code quantization_config}: it describes the weights after conversion to
     * bf16.
     */
    public static DeepseekConfig released(String name) {
        String resource = "/configs/" + name + ".json";
        try (InputStream in = DeepseekConfigFile.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw ConfigException.of("model", "\"" + name + "\"", "deepseek-v3, deepseek-v2 or deepseek-v2-lite");
            }
            return parse(Json.parseObject(in.readAllBytes(), resource, ConfigException::new), resource);
        } catch (IOException e) {
            throw new ConfigException(resource + ": cannot be read (" + Json.describe(e) + ")", e);
        }
    }

    /**
     * Reads a config from JSON.
     *
     * @param source what to call the JSON in an error, usually the file
     */
    public static DeepseekConfig parse(ObjectNode json, String source) {
        try {
            return new DeepseekConfigFile.Reading(json).config();
        } catch (ConfigException e) {
            throw e.in(source);
        }
    }

    /** The JSON that Hugging Face transformers (and this class) read back to the same model. */
    public static ObjectNode toJson(DeepseekConfig config) {
        boolean third = config.topKMethod() == TopKMethod.NOAUX_TC;
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.putArray("architectures").add(third ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM");
        json.put("model_type", third ? V3 : V2);
        json.put("vocab_size", config.vocabSize());
        json.put("hidden_size", config.hiddenSize());
        json.put("intermediate_size", config.intermediateSize());
        json.put("moe_intermediate_size", config.moeIntermediateSize());
        json.put("num_hidden_layers", config.numHiddenLayers());
        json.put("first_k_dense_replace", config.firstKDenseReplace());
        json.put("moe_layer_freq", 1);
        json.put("num_attention_heads", config.numAttentionHeads());
        json.put("num_key_value_heads", config.numAttentionHeads());
        json.put("q_lora_rank", config.queryLoraRank());
        json.put("kv_lora_rank", config.keyValueLoraRank());
        json.put("qk_nope_head_dim", config.nopeHeadDim());
        json.put("qk_rope_head_dim", config.ropeHeadDim());
        json.put("v_head_dim", config.valueHeadDim());
        json.put("n_routed_experts", config.numRoutedExperts());
        json.put("n_shared_experts", config.numSharedExperts());
        json.put("num_experts_per_tok", config.numExpertsPerToken());
        json.put("n_group", config.numGroups());
        json.put("topk_group", config.topGroups());
        json.put("norm_topk_prob", config.normalizeTopK());
        json.put("routed_scaling_factor", config.routedScalingFactor());
        json.put("scoring_func", config.scoringFunction().key());
        json.put("topk_method", config.topKMethod().key());
        json.put("hidden_act", "silu");
        json.put("rms_norm_eps", config.rmsNormEpsilon());
        RopeKeys.write(json, config.ropeTheta(), config.ropeScaling());
        json.put("max_position_embeddings", config.maxPositionEmbeddings());
        json.put("num_nextn_predict_layers", config.numNextnPredictLayers());
        json.put("tie_word_embeddings", config.tieWordEmbeddings());
        json.put("attention_bias", false);
        json.put("attention_dropout", 0.0);
        json.put("initializer_range", config.initializerRange());
        json.put("bos_token_id", config.bosTokenId());
        json.put("eos_token_id", config.eosTokenId());
        json.put("torch_dtype", config.torchDtype().key());
        json.put("use_cache", true);
        return json;
    }

    /** One pass over one JSON object. */
    private record Reading(ConfigKeys keys) {
        Reading(ObjectNode json) {
            this(new ConfigKeys("", json));
        }

        DeepseekConfig config() {
            boolean third = isThird();
            refuseUnsupported();
            int heads = keys.integer("num_attention_heads");
            int nope = keys.integer("qk_nope_head_dim");
            int rotated = keys.integer("qk_rope_head_dim");
            keys.fixedInteger("num_key_value_heads", heads, "num_attention_heads; MLA has no grouped heads");
            keys.fixedInteger("head_dim", rotated, "qk_rope_head_dim");
            keys.fixedInteger("qk_head_dim", nope + rotated, "qk_nope_head_dim + qk_rope_head_dim");
            RopeKeys rope = RopeKeys.read(keys, Double.NaN);
            DeepseekConfig config = new DeepseekConfig(
                    keys.integer("vocab_size"),
                    keys.integer("hidden_size"),
                    keys.integer("intermediate_size"),
                    keys.integer("moe_intermediate_size"),
                    keys.integer("num_hidden_layers"),
                    keys.integer("first_k_dense_replace"),
                    heads,
                    keys.integerOrNull("q_lora_rank"),
                    keys.integer("kv_lora_rank"),
                    nope,
                    rotated,
                    keys.integer("v_head_dim"),
                    keys.integer("n_routed_experts"),
                    keys.integer("n_shared_experts"),
                    keys.integer("num_experts_per_tok"),
                    keys.integer("n_group", 1),
                    keys.integer("topk_group", 1),
                    keys.bool("norm_topk_prob", third),
                    keys.number("routed_scaling_factor"),
                    // transformers' own classes leave these two out: each class computes one way only.
                    keys.choice(
                            "scoring_func",
                            ScoringFunction.values(),
                            third ? ScoringFunction.SIGMOID : ScoringFunction.SOFTMAX),
                    keys.choice("topk_method", TopKMethod.values(), third ? TopKMethod.NOAUX_TC : TopKMethod.GREEDY),
                    keys.number("rms_norm_eps"),
                    rope.theta(),
                    yarn(rope.scaling()),
                    keys.integer("max_position_embeddings"),
                    keys.integer("num_nextn_predict_layers", 0),
                    keys.bool("tie_word_embeddings", false),
                    keys.number("initializer_range", 0.02),
                    keys.token("bos_token_id"),
                    keys.token("eos_token_id"),
                    storageType());
            HARMLESS.forEach(keys::skip);
            keys.refuseRest();
            if (third != (config.topKMethod() == TopKMethod.NOAUX_TC)) {
                throw ConfigException.of(
                        "topk_method",
                        "\"" + config.topKMethod().key() + "\"",
                        third
                                ? "\"noaux_tc\" for model_type " + V3
                                : "\"greedy\" or \"group_limited_greedy\" for model_type " + V2);
            }
            return config;
        }

        private boolean isThird() {
            String type = keys.text("model_type", null);
            if (!type.equals(V3) && !type.equals(V2)) {
                throw ConfigException.of("model_type", "\"" + type + "\"", "\"" + V3 + "\" or \"" + V2 + "\"");
            }
            String architecture = type.equals(V3) ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM";
            JsonNode architectures = keys.take("architectures");
            if (architectures != null
                    && !(architectures.isArray()
                            && architectures.size() == 1
                            && architectures.get(0).stringValue("").equals(architecture))) {
                throw ConfigException.of("architectures", Json.describe(architectures), "[\"" + architecture + "\"]");
            }
            return type.equals(V3);
        }

        private void refuseUnsupported() {
            keys.fixedText("hidden_act", "silu");
            keys.fixedBoolean("attention_bias", false);
            keys.fixedBoolean("mlp_bias", false);
            keys.fixedBoolean("rope_interleave", true);
            keys.fixedNumber("attention_dropout", 0);
            keys.fixedInteger("moe_layer_freq", 1, "every layer after first_k_dense_replace has experts");
            keys.fixedInteger("pretraining_tp", 1, "no sliced linear layers");
            keys.quantization();
        }

        private StorageType storageType() {
            StorageType current = keys.choice("dtype", StorageType.values(), StorageType.FLOAT32);
            return keys.choice("torch_dtype", StorageType.values(), current);
        }

        private static @Nullable YarnScaling yarn(@Nullable RopeScaling scaling) {
            if (scaling == null || scaling instanceof YarnScaling) {
                return (YarnScaling) scaling;
            }
            throw ConfigException.of("rope_scaling", scaling, "\"yarn\" or \"default\"");
        }
    }
}
