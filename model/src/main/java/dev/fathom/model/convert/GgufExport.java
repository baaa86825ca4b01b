package dev.fathom.model.convert;

import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.RopeScaling;
import dev.fathom.model.config.YarnScaling;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.gguf.GgufValue;
import dev.fathom.model.gguf.GgufWriter;
import dev.fathom.model.release.GgufNames;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a model is in a GGUF file, in the conventions that llama.cpp reads. */
final class GgufExport {
    private final Path target;
    private final @Nullable QuantizedType type;

    /** @param type of all matrices but routers, null to keep what each is stored in */
    GgufExport(Path target, @Nullable QuantizedType type) {
        this.target = target;
        this.type = type;
    }

    // ---- metadata

    static Map<String, GgufValue> metadata(LlamaConfig config) {
        String architecture = config.architecture().key();
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", GgufValue.string(architecture));
        Keys keys = new Keys(metadata, architecture + ".");
        keys.put("vocab_size", config.vocabSize());
        keys.put("context_length", config.maxPositionEmbeddings());
        keys.put("embedding_length", config.hiddenSize());
        keys.put("block_count", config.numHiddenLayers());
        keys.put("feed_forward_length", config.intermediateSize());
        keys.put("attention.head_count", config.numAttentionHeads());
        keys.put("attention.head_count_kv", config.numKeyValueHeads());
        keys.put("attention.key_length", config.headDim());
        keys.put("attention.value_length", config.headDim());
        keys.put("attention.layer_norm_rms_epsilon", config.rmsNormEpsilon());
        keys.put("rope.dimension_count", config.headDim());
        keys.put("rope.freq_base", config.ropeTheta());
        keys.scaling(config.ropeScaling());
        return metadata;
    }

    static Map<String, GgufValue> metadata(DeepseekConfig config) {
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", GgufValue.string("deepseek2"));
        Keys keys = new Keys(metadata, "deepseek2.");
        int latent = config.keyValueLoraRank();
        Integer queryRank = config.queryLoraRank();
        keys.put("vocab_size", config.vocabSize());
        keys.put("context_length", config.maxPositionEmbeddings());
        keys.put("embedding_length", config.hiddenSize());
        keys.put("block_count", config.numHiddenLayers() + config.numNextnPredictLayers());
        keys.put("feed_forward_length", config.intermediateSize());
        keys.put("attention.head_count", config.numAttentionHeads());
        keys.put("attention.head_count_kv", 1);
        keys.put("attention.q_lora_rank", queryRank == null ? 0 : queryRank); // llama.cpp wants it said
        keys.put("attention.kv_lora_rank", latent);
        keys.put("attention.key_length", latent + config.ropeHeadDim());
        keys.put("attention.value_length", latent);
        keys.put("attention.key_length_mla", config.queryKeyHeadDim());
        keys.put("attention.value_length_mla", config.valueHeadDim());
        keys.put("attention.layer_norm_rms_epsilon", config.rmsNormEpsilon());
        keys.put("leading_dense_block_count", config.firstKDenseReplace());
        keys.put("expert_count", config.numRoutedExperts());
        keys.put("expert_used_count", config.numExpertsPerToken());
        keys.put("expert_shared_count", config.numSharedExperts());
        keys.put("expert_feed_forward_length", config.moeIntermediateSize());
        keys.put("expert_weights_scale", config.routedScalingFactor());
        metadata.put("deepseek2.expert_weights_norm", GgufValue.bool(config.normalizeTopK()));
        keys.put("expert_gating_func", config.scoringFunction() == ScoringFunction.SIGMOID ? 2 : 1);
        if (config.numGroups() > 1) {
            keys.put("expert_group_count", config.numGroups());
            keys.put("expert_group_used_count", config.topGroups());
        }
        if (config.numNextnPredictLayers() > 0) {
            keys.put("nextn_predict_layers", config.numNextnPredictLayers());
        }
        keys.put("rope.dimension_count", config.ropeHeadDim());
        keys.put("rope.freq_base", config.ropeTheta());
        YarnScaling yarn = config.ropeScaling();
        keys.scaling(yarn);
        if (yarn != null) {
            keys.put("rope.scaling.yarn_log_multiplier", 0.1 * yarn.mscaleAllDim());
        }
        return metadata;
    }

    /** Keys below the architecture's name. */
    private record Keys(Map<String, GgufValue> metadata, String prefix) {
        void put(String key, int value) {
            metadata.put(prefix + key, GgufValue.uint32(value));
        }

        void put(String key, double value) {
            metadata.put(prefix + key, GgufValue.float32((float) value));
        }

        /** Llama 3.1's is a tensor. */
        void scaling(@Nullable RopeScaling scaling) {
            switch (scaling) {
                case null -> {}
                case RopeScaling.Linear linear -> {
                    metadata.put(prefix + "rope.scaling.type", GgufValue.string("linear"));
                    put("rope.scaling.factor", linear.factor());
                }
                case YarnScaling yarn -> {
                    metadata.put(prefix + "rope.scaling.type", GgufValue.string("yarn"));
                    put("rope.scaling.factor", yarn.factor());
                    put("rope.scaling.original_context_length", yarn.originalMaxPositionEmbeddings());
                    put("rope.scaling.yarn_beta_fast", yarn.betaFast());
                    put("rope.scaling.yarn_beta_slow", yarn.betaSlow());
                    if (yarn.temperatureFactor() != 1) {
                        put("rope.scaling.yarn_attn_factor", yarn.temperatureFactor());
                    }
                }
                case RopeScaling.Llama3 llama -> {}
                case RopeScaling.Divisors divisors -> {}
            }
        }
    }

    // ---- tensors

    List<GgufWriter.Entry> tensors(LlamaConfig config, List<TensorGroup> groups) {
        boolean neighbours = config.architecture() == LlamaConfig.Architecture.LLAMA;
        List<GgufWriter.Entry> entries = new ArrayList<>();
        if (config.ropeScaling() instanceof RopeScaling.Llama3
                || config.ropeScaling() instanceof RopeScaling.Divisors) {
            entries.add(divisors(config));
        }
        for (TensorGroup group : groups) {
            Rows rows = group.rows();
            if (neighbours && group.name().endsWith("self_attn.q_proj.weight")) {
                rows = RotaryOrder.toNeighbours(rows, config.numAttentionHeads());
            } else if (neighbours && group.name().endsWith("self_attn.k_proj.weight")) {
                rows = RotaryOrder.toNeighbours(rows, config.numKeyValueHeads());
            }
            entries.add(entry(name(group.name()), group.vector(), rows));
        }
        return entries;
    }

    List<GgufWriter.Entry> tensors(DeepseekConfig config, List<TensorGroup> groups) {
        List<GgufWriter.Entry> entries = new ArrayList<>();
        for (TensorGroup group : groups) {
            if (group.experts() > 0) {
                Rows rows = Rows.below(group.matrices());
                entries.add(entry(
                        name(group.name()),
                        List.of((long) group.experts(), group.rows().rows(), rows.columns()),
                        rows,
                        matrixType(group.name(), rows)));
            } else if (group.name().endsWith("self_attn.kv_b_proj.weight")) {
                addSplit(entries, config, group);
            } else {
                entries.add(entry(name(group.name()), group.vector(), group.rows()));
            }
        }
        return entries;
    }

    /** Keys transposed and values by themselves, each by head: what llama.cpp multiplies latents by. */
    private void addSplit(List<GgufWriter.Entry> entries, DeepseekConfig config, TensorGroup group) {
        int heads = config.numAttentionHeads();
        long nope = config.nopeHeadDim();
        long value = config.valueHeadDim();
        long latent = config.keyValueLoraRank();
        Rows all = group.rows();
        Rows keys = new Rows(
                heads * nope, latent, all.type(), row -> all.row().at(row / nope * (nope + value) + row % nope));
        Rows values = new Rows(
                heads * value,
                latent,
                all.type(),
                row -> all.row().at(row / value * (nope + value) + nope + row % value));
        Rows turned = keys.as(GroupReader.turned(keys.decode(), heads, nope, latent));
        String keyName = name(group.name().replace("kv_b_proj", "k_b_proj"));
        String valueName = name(group.name().replace("kv_b_proj", "v_b_proj"));
        entries.add(entry(keyName, List.of((long) heads, latent, nope), turned, matrixType(keyName, turned)));
        entries.add(entry(valueName, List.of((long) heads, value, latent), values, matrixType(valueName, values)));
    }

    private GgufWriter.Entry entry(String name, boolean vector, Rows rows) {
        boolean exact = vector || name.endsWith("ffn_gate_inp.weight"); // as all converters keep them
        return entry(
                name,
                vector ? List.of(rows.columns()) : List.of(rows.rows(), rows.columns()),
                rows,
                exact ? QuantizedType.F32 : matrixType(name, rows));
    }

    private static GgufWriter.Entry entry(String name, List<Long> shape, Rows rows, QuantizedType type) {
        return new GgufWriter.Entry(name, type, shape, channel -> rows.write(channel, type));
    }

    /** The wanted type, or the next simpler one whose blocks divide a row. */
    private QuantizedType matrixType(String name, Rows rows) {
        QuantizedType wanted = type == null ? rows.type() : type;
        if (wanted == null) {
            throw CheckpointException.of(
                    target, name, "type", "F8_E4M3 with scales, which GGUF does not have", "a type to convert it to");
        }
        if (rows.columns() % wanted.blockSize() == 0) {
            return wanted;
        }
        return rows.columns() % QuantizedType.Q8_0.blockSize() == 0 ? QuantizedType.Q8_0 : QuantizedType.F16;
    }

    private String name(String original) {
        return GgufNames.find(original)
                .orElseThrow(() ->
                        CheckpointException.of(target, original, "name", "it", "a tensor that GGUF has a name for"));
    }

    private static GgufWriter.Entry divisors(LlamaConfig config) {
        double[] plain = RopeScaling.plain(config.headDim(), config.ropeTheta());
        double[] scaled = config.ropeFrequencies();
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * plain.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int pair = 0; pair < plain.length; pair++) {
            bytes.putFloat((float) (plain[pair] / scaled[pair]));
        }
        return new GgufWriter.Entry("rope_freqs.weight", QuantizedType.F32, List.of((long) plain.length), channel -> {
            bytes.rewind();
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }
}
