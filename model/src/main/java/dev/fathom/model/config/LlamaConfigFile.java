package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.StorageType;
import dev.fathom.model.config.LlamaConfig.Architecture;
import dev.fathom.model.files.Json;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads and writes the {@code config.json} of Llama, Qwen2 and Qwen3, by the rule of {@link DeepseekConfigFile}: every key is read,
 * fixed to the one value that is computed here, without effect on what the model computes, or an error.
 */
public final class LlamaConfigFile {
    /** Keys that change nothing in the computation of logits. */
    private static final Set<String> HARMLESS = Set.of(
            "_name_or_path",
            "auto_map",
            "chunk_size_feed_forward",
            "id2label",
            "is_decoder",
            "is_encoder_decoder",
            "label2id",
            "max_window_layers", // says which layers have the window that use_sliding_window turns off
            "name_or_path",
            "output_attentions",
            "output_hidden_states",
            "pad_token_id",
            "problem_type",
            "return_dict",
            "sliding_window",
            "transformers_version",
            "use_cache");

    /** The base of all three where a config leaves it out. */
    private static final double DEFAULT_THETA = 10_000;

    private LlamaConfigFile() {}

    /**
     * Reads a config file.
     *
     * @throws ConfigException naming the file, the key, the found and the allowed values
     */
    public static LlamaConfig read(Path file) {
        return parse(Json.readObject(file, ConfigException::new), file.toString());
    }

    /**
     * Reads a config from JSON.
     *
     * @param source what to call the JSON in an error, usually the file
     */
    public static LlamaConfig parse(ObjectNode json, String source) {
        try {
            return new Reading(new ConfigKeys("", json)).config();
        } catch (ConfigException e) {
            throw e.in(source);
        }
    }

    /** The JSON that Hugging Face transformers (and this class) read back to the same model. */
    public static ObjectNode toJson(LlamaConfig config) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.putArray("architectures").add(config.architecture().modelClass());
        json.put("model_type", config.architecture().key());
        json.put("vocab_size", config.vocabSize());
        json.put("hidden_size", config.hiddenSize());
        json.put("intermediate_size", config.intermediateSize());
        json.put("num_hidden_layers", config.numHiddenLayers());
        json.put("num_attention_heads", config.numAttentionHeads());
        json.put("num_key_value_heads", config.numKeyValueHeads());
        json.put("head_dim", config.headDim());
        json.put("hidden_act", "silu");
        json.put("rms_norm_eps", config.rmsNormEpsilon());
        RopeKeys.write(json, config.ropeTheta(), config.ropeScaling());
        json.put("max_position_embeddings", config.maxPositionEmbeddings());
        json.put("tie_word_embeddings", config.tieWordEmbeddings());
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
        LlamaConfig config() {
            Architecture architecture = architecture();
            refuseUnsupported();
            int hidden = keys.integer("hidden_size");
            int heads = keys.integer("num_attention_heads");
            RopeKeys rope = RopeKeys.read(keys, DEFAULT_THETA);
            LlamaConfig config = new LlamaConfig(
                    architecture,
                    keys.integer("vocab_size"),
                    hidden,
                    keys.integer("intermediate_size"),
                    keys.integer("num_hidden_layers"),
                    heads,
                    keys.integer("num_key_value_heads", heads),
                    headDim(architecture, hidden, heads),
                    keys.number("rms_norm_eps"),
                    rope.theta(),
                    rope.scaling(),
                    keys.integer("max_position_embeddings"),
                    keys.bool("tie_word_embeddings", false),
                    keys.number("initializer_range", 0.02),
                    keys.token("bos_token_id"),
                    keys.token("eos_token_id"),
                    keys.choice(
                            "torch_dtype",
                            StorageType.values(),
                            keys.choice("dtype", StorageType.values(), StorageType.FLOAT32)));
            HARMLESS.forEach(keys::skip);
            keys.refuseRest();
            return config;
        }

        private Architecture architecture() {
            String type = keys.text("model_type", null);
            Architecture architecture = Arrays.stream(Architecture.values())
                    .filter(candidate -> candidate.key().equals(type))
                    .findAny()
                    .orElseThrow(() -> ConfigException.of(
                            "model_type",
                            "\"" + type + "\"",
                            Arrays.stream(Architecture.values())
                                    .map(known -> "\"" + known.key() + "\"")
                                    .collect(Collectors.joining(", "))));
            JsonNode classes = keys.take("architectures");
            String expected = architecture.modelClass();
            if (classes != null
                    && !(classes.isArray()
                            && classes.size() == 1
                            && classes.get(0).stringValue("").equals(expected))) {
                throw ConfigException.of("architectures", Json.describe(classes), "[\"" + expected + "\"]");
            }
            return architecture;
        }

        /** Llama and Qwen2 divide the hidden size among the heads; Qwen3's heads are as wide as it says. */
        private int headDim(Architecture architecture, int hidden, int heads) {
            Integer headDim = keys.integerOrNull("head_dim");
            if (headDim != null) {
                return headDim;
            }
            if (architecture == Architecture.QWEN3) {
                throw ConfigException.of("head_dim", "no such key", "an integer");
            }
            if (heads < 1 || hidden % heads != 0) {
                throw ConfigException.of(
                        "num_attention_heads", heads, "a divisor of hidden_size (" + hidden + "), or a head_dim");
            }
            return hidden / heads;
        }

        private void refuseUnsupported() {
            keys.fixedText("hidden_act", "silu");
            keys.fixedBoolean("attention_bias", false); // in Llama it would be on the output as well
            keys.fixedBoolean("mlp_bias", false);
            keys.fixedBoolean("use_sliding_window", false);
            keys.fixedBoolean("use_mrope", false);
            keys.fixedNumber("attention_dropout", 0);
            keys.fixedInteger("pretraining_tp", 1, "no sliced linear layers");
            JsonNode layerTypes = keys.take("layer_types");
            if (layerTypes != null) {
                for (JsonNode type : layerTypes) {
                    if (!type.stringValue("").equals("full_attention")) {
                        throw ConfigException.of("layer_types", Json.describe(type), "\"full_attention\" everywhere");
                    }
                }
            }
            keys.quantization();
        }
    }
}
