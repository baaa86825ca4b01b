package dev.fathom.model;

import static dev.fathom.engine.Initializer.normal;
import static dev.fathom.engine.Initializer.ones;
import static dev.fathom.engine.Initializer.zeros;

import dev.fathom.engine.Initializer;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Tensor;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
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
        List<NamedTensor> tensors = new ArrayList<>();
        for (Parameter parameter : parameters) {
            if (parameter.name().contains(FUSED)) {
                addQueryKeyValue(tensors, config, parameter);
            } else {
                DeepseekParameters.addSplit(tensors, parameter.name(), parameter.value());
            }
        }
        return tensors;
    }

    private static void addQueryKeyValue(List<NamedTensor> tensors, LlamaConfig config, Parameter parameter) {
        long keyStart = (long) config.numAttentionHeads() * config.headDim();
        long keys = (long) config.numKeyValueHeads() * config.headDim();
        addPart(tensors, parameter, "q_proj", 0, keyStart);
        addPart(tensors, parameter, "k_proj", keyStart, keyStart + keys);
        addPart(tensors, parameter, "v_proj", keyStart + keys, keyStart + 2 * keys);
    }

    private static void addPart(List<NamedTensor> tensors, Parameter parameter, String name, long from, long to) {
        Tensor fused = parameter.value();
        Tensor part = fused.rank() == 1 ? fused.slice(from, to - from) : fused.rows(from, to);
        tensors.add(new NamedTensor(parameter.name().replace(FUSED, name), part));
    }
}
