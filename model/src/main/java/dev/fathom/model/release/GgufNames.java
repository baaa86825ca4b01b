package dev.fathom.model.release;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What GGUF calls the tensors of a Hugging Face checkpoint, and the other way round. */
public final class GgufNames {
    private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d{1,6})\\.(.+)\\.(weight|bias)");
    private static final Pattern BLOCK = Pattern.compile("blk\\.(\\d{1,6})\\.(.+)\\.(weight|bias)");

    private static final Map<String, String> MODEL = Map.of(
            "model.embed_tokens.weight", "token_embd.weight",
            "model.norm.weight", "output_norm.weight",
            "lm_head.weight", "output.weight");

    /** Without {@code model.layers.N.} and {@code .weight}. */
    private static final Map<String, String> LAYERS = Map.ofEntries(
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("post_attention_layernorm", "ffn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("self_attn.q_a_proj", "attn_q_a"),
            Map.entry("self_attn.q_a_layernorm", "attn_q_a_norm"),
            Map.entry("self_attn.q_b_proj", "attn_q_b"),
            Map.entry("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"),
            Map.entry("self_attn.kv_a_layernorm", "attn_kv_a_norm"),
            Map.entry("self_attn.kv_b_proj", "attn_kv_b"),
            Map.entry("self_attn.k_b_proj", "attn_k_b"), // these two have no name of their own elsewhere
            Map.entry("self_attn.v_b_proj", "attn_v_b"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"),
            Map.entry("mlp.gate", "ffn_gate_inp"),
            Map.entry("mlp.experts.gate_proj", "ffn_gate_exps"),
            Map.entry("mlp.experts.up_proj", "ffn_up_exps"),
            Map.entry("mlp.experts.down_proj", "ffn_down_exps"),
            Map.entry("mlp.shared_experts.gate_proj", "ffn_gate_shexp"),
            Map.entry("mlp.shared_experts.up_proj", "ffn_up_shexp"),
            Map.entry("mlp.shared_experts.down_proj", "ffn_down_shexp"),
            Map.entry("eh_proj", "nextn.eh_proj"),
            Map.entry("enorm", "nextn.enorm"),
            Map.entry("hnorm", "nextn.hnorm"),
            Map.entry("embed_tokens", "nextn.embed_tokens"),
            Map.entry("shared_head.norm", "nextn.shared_head_norm"),
            Map.entry("shared_head.head", "nextn.shared_head_head"));

    private static final Map<String, String> BLOCKS = inverse(LAYERS);
    private static final Map<String, String> FILE = inverse(MODEL);
    private static final String ROUTING_BIAS = "mlp.gate.e_score_correction_bias";
    private static final String ROUTING_BIAS_BLOCK = "exp_probs_b";

    private GgufNames() {}

    private static Map<String, String> inverse(Map<String, String> names) {
        Map<String, String> inverse = new HashMap<>();
        names.forEach((key, value) -> inverse.put(value, key));
        return inverse;
    }

    /** GGUF's name for a tensor, or for a stack of experts without their numbers. */
    public static Optional<String> find(String name) {
        if (MODEL.containsKey(name)) {
            return Optional.ofNullable(MODEL.get(name));
        }
        if (name.endsWith(ROUTING_BIAS)) {
            return find(name.replace(ROUTING_BIAS, "mlp.gate.weight"))
                    .map(gate -> gate.replace("ffn_gate_inp.weight", ROUTING_BIAS_BLOCK + ".bias"));
        }
        Matcher layer = LAYER.matcher(name);
        return layer.matches() && LAYERS.containsKey(layer.group(2))
                ? Optional.of("blk." + layer.group(1) + "." + LAYERS.get(layer.group(2)) + "." + layer.group(3))
                : Optional.empty();
    }

    /** Hugging Face's name for a tensor of a GGUF file; a stack of experts is without their numbers. */
    public static Optional<String> original(String name) {
        if (FILE.containsKey(name)) {
            return Optional.ofNullable(FILE.get(name));
        }
        Matcher block = BLOCK.matcher(name);
        if (!block.matches()) {
            return Optional.empty();
        }
        String layer = "model.layers." + block.group(1) + ".";
        if (block.group(2).equals(ROUTING_BIAS_BLOCK)) {
            return Optional.of(layer + ROUTING_BIAS);
        }
        String original = BLOCKS.get(block.group(2));
        return original == null ? Optional.empty() : Optional.of(layer + original + "." + block.group(3));
    }
}
