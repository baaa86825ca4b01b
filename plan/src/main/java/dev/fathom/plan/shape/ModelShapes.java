package dev.fathom.plan.shape;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.files.Json;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.plan.PlanException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads the shape of a model from its Hugging Face {@code config.json}: DeepSeek-V2 and V3 (through module {@code model}), DeepSeekMoE,
 * Llama, Mistral, Qwen2, GPT-2. A key that is not known is refused, because it may change what the model costs.
 */
public final class ModelShapes {
    /** The models whose configs come with Fathom. */
    public static final List<String> BUILT_IN = List.of(
            "deepseek-v3",
            "deepseek-v2",
            "deepseek-v2-lite",
            "deepseek-moe-16b",
            "deepseek-llm-67b",
            "llama-13b",
            "llama-3.1-405b",
            "gpt-3-175b",
            "megatron-530b");

    private static final Set<String> DEEPSEEK = Set.of("deepseek-v3", "deepseek-v2", "deepseek-v2-lite");

    /** Keys without a cost: token ids, dropout, initialisation, bookkeeping. */
    private static final Set<String> FREE = Set.of(
            "architectures",
            "auto_map",
            "attention_dropout",
            "attn_pdrop",
            "aux_loss_alpha",
            "bos_token_id",
            "embd_pdrop",
            "eos_token_id",
            "hidden_act",
            "activation_function",
            "initializer_range",
            "layer_norm_epsilon",
            "max_position_embeddings",
            "max_window_layers",
            "mlp_bias",
            "model_type",
            "moe_layer_freq",
            "n_ctx",
            "norm_topk_prob",
            "pad_token_id",
            "pretraining_tp",
            "resid_pdrop",
            "rms_norm_eps",
            "rope_scaling",
            "rope_theta",
            "rope_parameters",
            "routed_scaling_factor",
            "scoring_func",
            "seq_aux",
            "sliding_window",
            "torch_dtype",
            "dtype",
            "transformers_version",
            "use_cache",
            "use_sliding_window",
            "_name_or_path",
            "reorder_and_upcast_attn",
            "scale_attn_by_inverse_layer_idx",
            "scale_attn_weights",
            "summary_activation",
            "summary_first_dropout",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj",
            "task_specific_params",
            "gradient_checkpointing");

    private ModelShapes() {}

    /** A built-in name, a {@code config.json}, or a directory with one. */
    public static ModelShape find(String model) {
        if (DEEPSEEK.contains(model)) {
            return of(model, DeepseekConfigFile.released(model));
        }
        if (BUILT_IN.contains(model)) {
            return parse(resource(model), model);
        }
        Path path = Path.of(model);
        Path file = Files.isDirectory(path) ? path.resolve("config.json") : path;
        if (!Files.isRegularFile(file)) {
            throw PlanException.of(
                    "model",
                    "\"" + model + "\"",
                    "a directory with a config.json, a config.json, or one of " + String.join(", ", BUILT_IN));
        }
        return parse(Json.readObject(file, ShapeFileException::new), file.toString());
    }

    /** A config that was read already. */
    public static ModelShape of(String name, DeepseekConfig config) {
        Experts experts = config.firstKDenseReplace() >= config.numHiddenLayers() && config.numNextnPredictLayers() == 0
                ? null
                : new Experts(
                        config.numRoutedExperts(),
                        config.numSharedExperts(),
                        config.numExpertsPerToken(),
                        config.moeIntermediateSize(),
                        config.numGroups(),
                        config.topGroups(),
                        config.hasRoutingBias());
        return new ModelShape(
                name,
                config.vocabSize(),
                config.hiddenSize(),
                config.numHiddenLayers(),
                config.firstKDenseReplace(),
                config.intermediateSize(),
                true,
                new Attention.Latent(
                        config.numAttentionHeads(),
                        Objects.requireNonNullElse(config.queryLoraRank(), 0),
                        config.keyValueLoraRank(),
                        config.nopeHeadDim(),
                        config.ropeHeadDim(),
                        config.valueHeadDim()),
                experts,
                config.numNextnPredictLayers(),
                config.tieWordEmbeddings(),
                0,
                false);
    }

    /** @param source what to call the JSON in an error */
    static ModelShape parse(ObjectNode json, String source) {
        JsonNode type = json.get("model_type");
        String kind = type == null ? "" : type.stringValue("");
        String name = source.endsWith(".json") || source.contains("/")
                ? Objects.toString(Path.of(source).toAbsolutePath().normalize())
                : source;
        return switch (kind) {
            case "deepseek_v2", "deepseek_v3" -> {
                ObjectNode plain = json.deepCopy();
                // How a checkpoint stores its weights is no question of its shape.
                plain.remove("quantization_config");
                yield of(name, DeepseekConfigFile.parse(plain, source));
            }
            case "deepseek", "llama", "mistral", "qwen2" -> new Reading(json, source).llama(name, kind);
            case "gpt2" -> new Reading(json, source).gpt2(name);
            default ->
                throw new PlanException(source + ": model_type: found \"" + kind
                        + "\", expected deepseek_v3, deepseek_v2, deepseek, llama, mistral, qwen2 or gpt2");
        };
    }

    private static ObjectNode resource(String model) {
        String path = "/dev/fathom/plan/models/" + model + ".json";
        try (InputStream in = ModelShapes.class.getResourceAsStream(path)) {
            return Json.parseObject(Objects.requireNonNull(in, path).readAllBytes(), path, ShapeFileException::new);
        } catch (IOException e) {
            throw new PlanException(path + ": cannot be read (" + Json.describe(e) + ")", e);
        }
    }

    /** A config file that is no JSON object. */
    private static final class ShapeFileException extends ModelFileException {
        private static final long serialVersionUID = 1;

        ShapeFileException(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    /** One pass over the keys of a config, after which none may be left. */
    private static final class Reading {
        private final ObjectNode json;
        private final String source;
        private final Set<String> left;

        Reading(ObjectNode json, String source) {
            this.json = json;
            this.source = source;
            left = new TreeSet<>(json.propertyNames());
            left.removeAll(FREE);
        }

        ModelShape llama(String name, String kind) {
            int hidden = size("hidden_size");
            int heads = size("num_attention_heads");
            int layers = size("num_hidden_layers");
            Experts experts = null;
            int dense = layers;
            if (kind.equals("deepseek")) {
                dense = count("first_k_dense_replace", 0);
                experts = new Experts(
                        size("n_routed_experts"),
                        count("n_shared_experts", 0),
                        size("num_experts_per_tok"),
                        size("moe_intermediate_size"),
                        1,
                        1,
                        false);
            }
            boolean bias = flag("attention_bias", kind.equals("qwen2"));
            ModelShape shape = new ModelShape(
                    name,
                    size("vocab_size"),
                    hidden,
                    layers,
                    dense,
                    size("intermediate_size"),
                    true,
                    new Attention.Grouped(
                            heads,
                            count("num_key_value_heads", heads),
                            count("head_dim", hidden / heads),
                            bias,
                            bias && !kind.equals("qwen2")),
                    experts,
                    0,
                    flag("tie_word_embeddings", false),
                    0,
                    false);
            refuseRest();
            return shape;
        }

        ModelShape gpt2(String name) {
            int hidden = size("n_embd");
            int heads = size("n_head");
            ModelShape shape = new ModelShape(
                    name,
                    size("vocab_size"),
                    hidden,
                    size("n_layer"),
                    size("n_layer"),
                    count("n_inner", 4 * hidden),
                    false,
                    new Attention.Grouped(heads, heads, hidden / heads, true, true),
                    null,
                    0,
                    true,
                    size("n_positions"),
                    true);
            refuseRest();
            return shape;
        }

        private int size(String key) {
            int value = count(key, 0);
            if (value < 1) {
                throw new PlanException(source + ": " + key + ": found " + Json.describe(json.get(key))
                        + ", expected a positive integer");
            }
            return value;
        }

        private int count(String key, int absent) {
            left.remove(key);
            JsonNode node = json.get(key);
            if (node == null || node.isNull()) {
                return absent;
            }
            if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
                throw new PlanException(
                        source + ": " + key + ": found " + Json.describe(node) + ", expected a non-negative integer");
            }
            return node.intValue();
        }

        private boolean flag(String key, boolean absent) {
            left.remove(key);
            JsonNode node = json.get(key);
            if (node == null || node.isNull()) {
                return absent;
            }
            if (!node.isBoolean()) {
                throw new PlanException(
                        source + ": " + key + ": found " + Json.describe(node) + ", expected true or false");
            }
            return node.booleanValue();
        }

        private void refuseRest() {
            if (!left.isEmpty()) {
                String key = left.iterator().next();
                throw new PlanException(source + ": " + key + ": found " + Json.describe(json.get(key))
                        + ", expected no such key: it may change what the model costs");
            }
        }
    }
}
