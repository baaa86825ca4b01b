package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.DeepseekConfig.TopKMethod;
import org.jspecify.annotations.Nullable;

/** What makes a {@link DeepseekConfig} a model that can exist. Each rule names the Hugging Face key it is about. */
final class DeepseekConfigRules {
    // Above every published size, and small enough that no parameter count overflows a long: a count multiplies layers,
    // experts and two widths.
    private static final int MAXIMUM_COUNT = 1 << 12;
    private static final int MAXIMUM_WIDTH = 1 << 17;
    private static final int MAXIMUM_VOCABULARY = 1 << 24;
    // Rotary angles of all positions are kept.
    private static final int MAXIMUM_LENGTH = 1 << 20;

    /** A dimension or count and its key. */
    record Size(String key, int value) {}

    private DeepseekConfigRules() {}

    static void check(Size... sizes) {
        for (Size size : sizes) {
            int maximum = maximum(size.key);
            if (size.value < 1 || size.value > maximum) {
                throw ConfigException.of(size.key, size.value, "an integer from 1 to " + maximum);
            }
        }
    }

    private static int maximum(String key) {
        return switch (key) {
            case "vocab_size" -> MAXIMUM_VOCABULARY;
            case "max_position_embeddings", "n_positions" -> MAXIMUM_LENGTH;
            case "hidden_size", "intermediate_size", "moe_intermediate_size", "q_lora_rank", "kv_lora_rank", "n_embd" ->
                MAXIMUM_WIDTH;
            case "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "head_dim" -> MAXIMUM_WIDTH;
            default -> MAXIMUM_COUNT;
        };
    }

    static void checkPositive(String key, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw ConfigException.of(key, value, "a positive number");
        }
    }

    static void checkLayers(int layers, int dense, int predictionModules) {
        if (dense < 0 || dense > layers) {
            throw ConfigException.of("first_k_dense_replace", dense, "0 to num_hidden_layers (" + layers + ")");
        }
        if (predictionModules < 0 || predictionModules > 16) {
            throw ConfigException.of("num_nextn_predict_layers", predictionModules, "0 to 16");
        }
    }

    static void checkRouting(
            int experts, int perToken, int groups, int topGroups, ScoringFunction scoring, TopKMethod method) {
        if ((scoring == ScoringFunction.SIGMOID) != (method == TopKMethod.NOAUX_TC)) {
            throw ConfigException.of(
                    "topk_method",
                    "\"" + method.key() + "\" with scoring_func \"" + scoring.key() + "\"",
                    "\"noaux_tc\" with \"sigmoid\" (V3), or \"greedy\" or \"group_limited_greedy\" with \"softmax\" (V2)");
        }
        if (experts % groups != 0) {
            throw ConfigException.of("n_group", groups, "a divisor of n_routed_experts (" + experts + ")");
        }
        if (topGroups > groups) {
            throw ConfigException.of("topk_group", topGroups, "1 to n_group (" + groups + ")");
        }
        if (perToken > experts / groups * topGroups) {
            throw ConfigException.of(
                    "num_experts_per_tok",
                    perToken,
                    "at most " + experts / groups * topGroups + ", the experts in topk_group (" + topGroups
                            + ") groups");
        }
        if (method == TopKMethod.GREEDY && groups != 1) {
            throw ConfigException.of("n_group", groups, "1 for topk_method \"greedy\", which knows no groups");
        }
        if (method == TopKMethod.NOAUX_TC && groups > 1 && experts / groups < 2) {
            throw ConfigException.of(
                    "n_group", groups, "at least two experts per group: groups are ranked by their two best experts");
        }
    }

    static void checkRope(int dim, double theta, @Nullable YarnScaling scaling, int positions) {
        if (dim % 2 != 0) {
            throw ConfigException.of("qk_rope_head_dim", dim, "an even number: dimensions are rotated in pairs");
        }
        if (!(theta > 1) || Double.isInfinite(theta)) {
            throw ConfigException.of("rope_theta", theta, "a number above 1");
        }
        if (scaling != null && positions <= scaling.originalMaxPositionEmbeddings()) {
            // DeepSeek's own code ignores YaRN here and transformers applies it: two different models.
            throw ConfigException.of(
                    "rope_scaling",
                    "yarn with max_position_embeddings " + positions,
                    "no rope_scaling up to original_max_position_embeddings (" + scaling.originalMaxPositionEmbeddings()
                            + ") positions");
        }
    }

    static void checkToken(String key, @Nullable Integer id, int vocabularySize) {
        if (id != null && (id < 0 || id >= vocabularySize)) {
            throw ConfigException.of(key, id, "0 to " + (vocabularySize - 1) + ", or null");
        }
    }
}
