package dev.fathom.model.release;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.config.ConfigException;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.DeepseekConfig.StorageType;
import dev.fathom.model.config.DeepseekConfig.TopKMethod;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.RopeScaling;
import dev.fathom.model.config.YarnScaling;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufMetadata;
import dev.fathom.model.gguf.GgufTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The config of a model in a GGUF file. Keys are those below the architecture's name, {@code llama.block_count}; every one of them is read, has the
 * one value that is computed here, or is refused.
 */
public final class GgufConfig {
    /** The tensor with Llama 3.1's RoPE scaling. */
    static final String ROPE_DIVISORS = "rope_freqs.weight";

    private static final String ARCHITECTURE = "general.architecture";
    private static final double DEFAULT_THETA = 10_000;
    private static final double DEFAULT_DEVIATION = 0.02;

    private final Gguf file;
    private final GgufMetadata metadata;
    private final String prefix;
    private final Set<String> untouched;

    private GgufConfig(Gguf file) {
        this.file = file;
        this.metadata = file.metadata();
        this.prefix = architecture(file) + ".";
        this.untouched = metadata.keys().stream()
                .filter(key -> key.startsWith(prefix))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** {@code general.architecture}. */
    public static String architecture(Gguf file) {
        return file.metadata().string(ARCHITECTURE);
    }

    /** The config of a {@code llama}, {@code qwen2} or {@code qwen3}. */
    public static LlamaConfig llama(Gguf file) {
        return in(file, new GgufConfig(file)::llama);
    }

    /** The config of a {@code deepseek2}, which is DeepSeek-V2 and V3. */
    public static DeepseekConfig deepseek(Gguf file) {
        return in(file, new GgufConfig(file)::deepseek);
    }

    /** What the config itself refuses is refused with the name of the file. */
    private static <T> T in(Gguf file, Supplier<T> config) {
        try {
            return config.get();
        } catch (ConfigException e) {
            throw e.in(file.source().toString());
        }
    }

    private LlamaConfig llama() {
        LlamaConfig.Architecture architecture = Arrays.stream(LlamaConfig.Architecture.values())
                .filter(value -> prefix.equals(value.name().toLowerCase(Locale.ROOT) + "."))
                .findAny()
                .orElseThrow(() -> CheckpointException.of(
                        file.source(), ARCHITECTURE, metadata.string(ARCHITECTURE), "llama, qwen2 or qwen3"));
        int hidden = size("embedding_length");
        int heads = size("attention.head_count");
        int headDim = size("attention.key_length", heads == 0 ? 0 : hidden / heads);
        only("attention.value_length", headDim, "attention.key_length");
        only("rope.dimension_count", headDim, "attention.key_length");
        only("expert_count", 0, "no mixtures of experts in this architecture");
        only("expert_used_count", 0, "no mixtures of experts in this architecture");
        double theta = number("rope.freq_base", DEFAULT_THETA);
        GgufTensor divisors = file.find(ROPE_DIVISORS).orElse(null);
        RopeScaling scaling = scaling(1);
        if (divisors != null && scaling != null) {
            throw CheckpointException.of(
                    file.source(), ROPE_DIVISORS, "a tensor beside " + prefix + "rope.scaling.type", "one of the two");
        }
        LlamaConfig config = new LlamaConfig(
                architecture,
                vocabulary(),
                hidden,
                size("feed_forward_length"),
                size("block_count"),
                heads,
                size("attention.head_count_kv", heads),
                headDim,
                number("attention.layer_norm_rms_epsilon"),
                theta,
                divisors == null ? scaling : divisors(divisors, headDim),
                size("context_length"),
                file.find("output.weight").isEmpty(),
                DEFAULT_DEVIATION,
                token("bos_token_id"),
                token("eos_token_id"),
                StorageType.FLOAT32);
        refuseRest();
        return config;
    }

    private DeepseekConfig deepseek() {
        int layers = size("block_count");
        int predictionModules = size("nextn_predict_layers", 0);
        int heads = size("attention.head_count");
        int latent = size("attention.kv_lora_rank");
        int rotated = size("rope.dimension_count");
        // Files with the split up-projection describe heads as latents see them, and have the model's own widths beside
        // it.
        boolean split = metadata.has(prefix + "attention.key_length_mla");
        int keyWidth = size("attention.key_length");
        int valueWidth = size("attention.value_length");
        if (split) {
            only("attention.head_count_kv", 1, "latents are shared by all heads");
            require(
                    "attention.key_length",
                    keyWidth,
                    latent + rotated,
                    "attention.kv_lora_rank + rope.dimension_count");
            require("attention.value_length", valueWidth, latent, "attention.kv_lora_rank");
            keyWidth = size("attention.key_length_mla");
            valueWidth = size("attention.value_length_mla");
        } else {
            only("attention.head_count_kv", heads, "attention.head_count");
        }
        int queryRank = size("attention.q_lora_rank", 0);
        int gating = size("expert_gating_func", 0);
        if (gating > 2) {
            throw CheckpointException.of(
                    file.source(), prefix + "expert_gating_func", gating, "1 (softmax) or 2 (sigmoid)");
        }
        boolean sigmoid = gating == 2;
        int groups = Math.max(1, size("expert_group_count", 1));
        double scale = number("expert_weights_scale", 1);
        TopKMethod method =
                sigmoid ? TopKMethod.NOAUX_TC : groups > 1 ? TopKMethod.GROUP_LIMITED_GREEDY : TopKMethod.GREEDY;
        double theta = number("rope.freq_base", DEFAULT_THETA);
        RopeScaling scaling = scaling(10 * number("rope.scaling.yarn_log_multiplier", 0));
        if (scaling != null && !(scaling instanceof YarnScaling)) {
            throw CheckpointException.of(
                    file.source(), prefix + "rope.scaling.type", metadata.string(prefix + "rope.scaling.type"), "yarn");
        }
        DeepseekConfig config = new DeepseekConfig(
                vocabulary(),
                size("embedding_length"),
                size("feed_forward_length"),
                size("expert_feed_forward_length"),
                layers - predictionModules,
                size("leading_dense_block_count"),
                heads,
                queryRank == 0 ? null : (Integer) queryRank,
                latent,
                keyWidth - rotated,
                rotated,
                valueWidth,
                size("expert_count"),
                size("expert_shared_count"),
                size("expert_used_count"),
                groups,
                Math.max(1, size("expert_group_used_count", 1)),
                flag("expert_weights_norm", false),
                scale == 0 ? 1 : scale,
                sigmoid ? ScoringFunction.SIGMOID : ScoringFunction.SOFTMAX,
                method,
                number("attention.layer_norm_rms_epsilon"),
                theta,
                (YarnScaling) scaling,
                size("context_length"),
                predictionModules,
                file.find("output.weight").isEmpty(),
                DEFAULT_DEVIATION,
                token("bos_token_id"),
                token("eos_token_id"),
                StorageType.FLOAT32);
        refuseRest();
        return config;
    }

    // ---- RoPE

    private @Nullable RopeScaling scaling(double mscale) {
        String type = touch("rope.scaling.type") ? metadata.string(prefix + "rope.scaling.type") : "none";
        touch("rope.scaling.finetuned"); // says that a model was trained with the scaling, not how it is computed
        double old = number("rope.scale_linear", 1); // before there were types
        return switch (type) {
            case "none" -> old == 1 ? null : new RopeScaling.Linear(old);
            case "linear" -> new RopeScaling.Linear(number("rope.scaling.factor"));
            case "yarn" -> yarn(mscale);
            default ->
                throw CheckpointException.of(file.source(), prefix + "rope.scaling.type", type, "none, linear or yarn");
        };
    }

    private YarnScaling yarn(double mscale) {
        if (number("rope.scaling.yarn_ext_factor", 1) != 1) {
            throw CheckpointException.of(
                    file.source(),
                    prefix + "rope.scaling.yarn_ext_factor",
                    metadata.number(prefix + "rope.scaling.yarn_ext_factor"),
                    "1");
        }
        return new YarnScaling(
                number("rope.scaling.factor"),
                size("rope.scaling.original_context_length"),
                number("rope.scaling.yarn_beta_fast", 32),
                number("rope.scaling.yarn_beta_slow", 1),
                mscale,
                mscale,
                number("rope.scaling.attn_factor", 1) * number("rope.scaling.yarn_attn_factor", 1));
    }

    private static RopeScaling divisors(GgufTensor tensor, int headDim) {
        if (!tensor.shape().equals(List.of(headDim / 2L))) {
            throw CheckpointException.of(
                    tensor.file(),
                    tensor.name(),
                    "shape",
                    tensor.shape(),
                    List.of(headDim / 2L).toString());
        }
        Tensor floats = Tensor.zeros(DType.F32, headDim / 2);
        tensor.copyTo(floats);
        List<Float> factors = new ArrayList<>();
        for (float factor : floats.toFloats()) {
            factors.add(factor);
        }
        return new RopeScaling.Divisors(factors);
    }

    // ---- keys

    private int vocabulary() {
        GgufTensor table = file.get("token_embd.weight");
        if (table.shape().size() != 2 || table.shape().getFirst() > Integer.MAX_VALUE) {
            throw CheckpointException.of(
                    table.file(), table.name(), "shape", table.shape(), "[vocabulary, embedding_length]");
        }
        int rows = table.shape().getFirst().intValue();
        only("vocab_size", rows, "the rows of token_embd.weight");
        return rows;
    }

    private @Nullable Integer token(String key) {
        String name = "tokenizer.ggml." + key;
        return metadata.has(name) ? (Integer) metadata.size(name) : null;
    }

    private boolean touch(String key) {
        untouched.remove(prefix + key);
        return metadata.has(prefix + key);
    }

    private int size(String key) {
        untouched.remove(prefix + key);
        return metadata.size(prefix + key);
    }

    private int size(String key, int absent) {
        return touch(key) ? metadata.size(prefix + key) : absent;
    }

    private double number(String key) {
        untouched.remove(prefix + key);
        return metadata.number(prefix + key);
    }

    private double number(String key, double absent) {
        return touch(key) ? metadata.number(prefix + key) : absent;
    }

    private boolean flag(String key, boolean absent) {
        return touch(key) ? metadata.flag(prefix + key) : absent;
    }

    private void only(String key, int value, String because) {
        if (touch(key)) {
            require(key, metadata.size(prefix + key), value, because);
        }
    }

    private void require(String key, int found, int expected, String because) {
        if (found != expected) {
            throw CheckpointException.of(file.source(), prefix + key, found, expected + " (" + because + ")");
        }
    }

    /** Every key nobody took is unknown. */
    private void refuseRest() {
        untouched.remove(prefix + "tensor_data_layout"); // a note by the first converters
        if (!untouched.isEmpty()) {
            throw CheckpointException.of(
                    file.source(),
                    untouched.iterator().next(),
                    "a key of unknown meaning",
                    "none: it may change what the model computes (all unknown keys: " + String.join(", ", untouched)
                            + ")");
        }
    }
}
