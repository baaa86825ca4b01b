package dev.fathom.model;

import static dev.fathom.engine.Initializer.normal;
import static dev.fathom.engine.Initializer.ones;
import static dev.fathom.engine.Initializer.zeros;

import dev.fathom.engine.Initializer;
import dev.fathom.engine.Parameters;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.List;

/**
 * The names and shapes of a Llama or Qwen model's parameters, and which part of them each tensor of a Hugging Face checkpoint is.
 *
 * <p>In memory query, key and value matrices are one ({@code qkv_proj}), and so are gate and up; in files they are separate, under the
 * released names.
 */
final class LlamaParameters {
    private static final String FUSED = "qkv_proj";

    private LlamaParameters() {}

    static Parameters.Builder declare(LlamaConfig config) {
        Parameters.Builder builder = new Parameters.Builder();
        Initializer random = normal(config.initializerRange());
        long d = config.hiddenSize();
        long queries = (long) config.numAttentionHeads() * config.headDim();
        long projected = queries + 2L * config.numKeyValueHeads() * config.headDim();
        builder.add("model.embed_tokens.weight", true, random, config.vocabSize(), d);
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = layer(i);
            String attention = layer + "self_attn.";
            builder.add(layer + "input_layernorm.weight", false, ones(), d)
                    .add(attention + "qkv_proj.weight", true, random, projected, d);
            if (config.architecture().hasQueryKeyValueBias()) {
                builder.add(attention + "qkv_proj.bias", false, zeros(), projected);
            }
            if (config.architecture().hasQueryKeyNorm()) {
                builder.add(attention + "q_norm.weight", false, ones(), config.headDim())
                        .add(attention + "k_norm.weight", false, ones(), config.headDim());
            }
            builder.add(attention + "o_proj.weight", true, random, d, queries)
                    .add(layer + "post_attention_layernorm.weight", false, ones(), d);
            DeepseekParameters.declareSwiGlu(builder, layer + "mlp.", random, d, config.intermediateSize());
        }
        builder.add("model.norm.weight", false, ones(), d);
        if (!config.tieWordEmbeddings()) {
            builder.add("lm_head.weight", true, random, config.vocabSize(), d);
        }
        return builder;
    }

    /** Prefix of a layer. */
    static String layer(int index) {
        return "model.layers." + index + ".";
    }

    /** The tensors of a checkpoint, as views into the parameters. */
    static List<NamedTensor> checkpointTensors(LlamaConfig config, Parameters parameters) {
        return DeepseekParameters.checkpointTensors(parameters, (name, rows) -> parts(config, name, rows));
    }

    /** The tensors that make up a parameter (or one expert of a stack of them) of so many rows. */
    static List<TensorPart> parts(LlamaConfig config, String name, long rows) {
        if (!name.contains(FUSED)) {
            return DeepseekParameters.parts(name, rows);
        }
        long keyStart = (long) config.numAttentionHeads() * config.headDim();
        long keys = (long) config.numKeyValueHeads() * config.headDim();
        return List.of(
                new TensorPart(name.replace(FUSED, "q_proj"), 0, keyStart),
                new TensorPart(name.replace(FUSED, "k_proj"), keyStart, keyStart + keys),
                new TensorPart(name.replace(FUSED, "v_proj"), keyStart + keys, keyStart + 2 * keys));
    }
}
