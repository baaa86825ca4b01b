package dev.fathom.model;

import static dev.fathom.engine.Initializer.normal;
import static dev.fathom.engine.Initializer.ones;
import static dev.fathom.engine.Initializer.zeros;

import dev.fathom.engine.Initializer;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Tensor;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/**
 * The names and shapes of a DeepSeek-V3 model's parameters, and which part of them each tensor of a Hugging Face checkpoint is.
 *
 * <p>In memory the gate and up matrices of a SwiGLU are one ({@code gate_up_proj}), and the experts of a layer are one stack, so that
 * each is a single product; in files they are separate, under the released names.
 */
final class DeepseekParameters {
    private DeepseekParameters() {}

    static Parameters.Builder declare(DeepseekConfig config) {
        Parameters.Builder builder = new Parameters.Builder();
        Initializer random = normal(config.initializerRange());
        long d = config.hiddenSize();
        builder.add("model.embed_tokens.weight", true, random, config.vocabSize(), d);
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            declareLayer(builder, config, layer(i), config.isMoeLayer(i));
        }
        builder.add("model.norm.weight", false, ones(), d);
        if (!config.tieWordEmbeddings()) {
            builder.add("lm_head.weight", true, random, config.vocabSize(), d);
        }
        if (config.hasPredictionModule()) {
            String module = layer(config.numHiddenLayers());
            builder.add(module + "enorm.weight", false, ones(), d)
                    .add(module + "hnorm.weight", false, ones(), d)
                    .add(module + "eh_proj.weight", true, random, d, 2 * d);
            declareLayer(builder, config, module, true);
            builder.add(module + "shared_head.norm.weight", false, ones(), d);
        }
        return builder;
    }

    /** Prefix of a layer; the MTP module is numbered after the last. */
    static String layer(int index) {
        return "model.layers." + index + ".";
    }

    private static void declareLayer(Parameters.Builder builder, DeepseekConfig config, String layer, boolean experts) {
        Initializer random = normal(config.initializerRange());
        long d = config.hiddenSize();
        long heads = config.numAttentionHeads();
        long queryWidth = heads * config.queryKeyHeadDim();
        long latent = config.keyValueLoraRank();
        Integer queryLatent = config.queryLoraRank();
        String attention = layer + "self_attn.";

        builder.add(layer + "input_layernorm.weight", false, ones(), d);
        if (queryLatent == null) {
            builder.add(attention + "q_proj.weight", true, random, queryWidth, d);
        } else {
            builder.add(attention + "q_a_proj.weight", true, random, queryLatent, d)
                    .add(attention + "q_a_layernorm.weight", false, ones(), queryLatent)
                    .add(attention + "q_b_proj.weight", true, random, queryWidth, queryLatent);
        }
        builder.add(attention + "kv_a_proj_with_mqa.weight", true, random, latent + config.ropeHeadDim(), d)
                .add(attention + "kv_a_layernorm.weight", false, ones(), latent)
                .add(
                        attention + "kv_b_proj.weight",
                        true,
                        random,
                        heads * (config.nopeHeadDim() + config.valueHeadDim()),
                        latent)
                .add(attention + "o_proj.weight", true, random, d, heads * config.valueHeadDim());

        builder.add(layer + "post_attention_layernorm.weight", false, ones(), d);
        if (!experts) {
            declareSwiGlu(builder, layer + "mlp.", random, d, config.intermediateSize());
            return;
        }
        long count = config.numRoutedExperts();
        long inner = config.moeIntermediateSize();
        builder.add(layer + "mlp.gate.weight", true, random, count, d);
        if (config.hasRoutingBias()) {
            builder.addUntrained(layer + "mlp.gate.e_score_correction_bias", zeros(), count);
        }
        builder.add(layer + "mlp.experts.gate_up_proj.weight", true, random, count, 2 * inner, d)
                .add(layer + "mlp.experts.down_proj.weight", true, random, count, d, inner);
        declareSwiGlu(builder, layer + "mlp.shared_experts.", random, d, config.numSharedExperts() * inner);
    }

    static void declareSwiGlu(Parameters.Builder builder, String prefix, Initializer random, long d, long inner) {
        builder.add(prefix + "gate_up_proj.weight", true, random, 2 * inner, d)
                .add(prefix + "down_proj.weight", true, random, d, inner);
    }

    /** The tensors of a checkpoint, as views into the parameters. */
    static List<NamedTensor> checkpointTensors(Parameters parameters) {
        return checkpointTensors(parameters, DeepseekParameters::parts);
    }

    /** @param parts of a parameter of a name and so many rows */
    static List<NamedTensor> checkpointTensors(
            Parameters parameters, BiFunction<String, Long, List<TensorPart>> parts) {
        List<NamedTensor> tensors = new ArrayList<>();
        for (Parameter parameter : parameters) {
            String name = parameter.name();
            Tensor value = parameter.value();
            if (value.rank() == 3) {
                for (int expert = 0; expert < value.dim(0); expert++) {
                    long rows = value.dim(1);
                    Tensor matrix = value.rows(expert * rows, (expert + 1) * rows);
                    addParts(tensors, parts.apply(name.replace(".experts.", ".experts." + expert + "."), rows), matrix);
                }
            } else {
                addParts(tensors, parts.apply(name, value.dim(0)), value);
            }
        }
        return tensors;
    }

    private static void addParts(List<NamedTensor> tensors, List<TensorPart> parts, Tensor value) {
        for (TensorPart part : parts) {
            Tensor view =
                    value.rank() == 1 ? value.slice(part.from(), part.rows()) : value.rows(part.from(), part.to());
            tensors.add(new NamedTensor(part.name(), parts.size() == 1 ? value : view));
        }
    }

    /** The tensors that make up a parameter (or one expert of a stack of them) of so many rows. */
    static List<TensorPart> parts(String name, long rows) {
        if (!name.endsWith("gate_up_proj.weight")) {
            return List.of(new TensorPart(name, 0, rows));
        }
        return List.of(
                new TensorPart(name.replace("gate_up_proj", "gate_proj"), 0, rows / 2),
                new TensorPart(name.replace("gate_up_proj", "up_proj"), rows / 2, rows));
    }
}
