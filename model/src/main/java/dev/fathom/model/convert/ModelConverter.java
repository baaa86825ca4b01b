package dev.fathom.model.convert;

import dev.fathom.engine.Engine;
import dev.fathom.engine.quant.BlockEncoder;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.Architecture;
import dev.fathom.model.DeepseekArchitecture;
import dev.fathom.model.LlamaArchitecture;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.gguf.GgufValue;
import dev.fathom.model.gguf.GgufWriter;
import dev.fathom.model.release.GenerationDefaults;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.safetensors.StoredType;
import dev.fathom.model.tokenizer.GgufVocabulary;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a released model in the other format, or in the same with other types. Tensors are read, converted and written a few rows at a time; the
 * result appears under its name complete or not at all.
 */
public final class ModelConverter {
    private ModelConverter() {}

    /**
     * Converts.
     *
     * @param source a GGUF file or a Hugging Face model directory
     * @param target a file {@code *.gguf}, or a directory to create
     * @param type of the matrices, one of {@link BlockEncoder#TYPES}, for a directory a plain number format; null to keep each as it is stored. Routers,
     *     norms and biases stay F32 in a GGUF file. Rows that a type's blocks do not divide become Q8_0 or F16
     * @param engine opens the source first: what cannot be run is not converted
     * @throws CheckpointException if there is no way to say something of the source in the target's format, by name
     */
    public static void convert(Path source, Path target, @Nullable QuantizedType type, Engine engine) {
        if (type != null && !BlockEncoder.TYPES.contains(type)) {
            throw CheckpointException.of(target, "type", type, "one of " + BlockEncoder.TYPES);
        }
        ModelSource from = ModelSource.open(source);
        Architecture architecture = Architecture.of(from);
        int vocabulary = architecture.open(from, engine).vocabSize();
        boolean gguf = target.toString().endsWith(".gguf");
        if (!gguf && type != null && type.blockSize() > 1) {
            throw CheckpointException.of(target, "type", type, "F32, F16 or BF16 for safetensors");
        }
        switch (architecture) {
            case LlamaArchitecture llama -> {
                LlamaConfig config = LlamaArchitecture.config(from);
                List<TensorGroup> groups = groups(
                        from,
                        config.numAttentionHeads(),
                        config.numKeyValueHeads(),
                        from.architecture().equals("llama"),
                        config.tieWordEmbeddings());
                if (gguf) {
                    writeGguf(
                            from,
                            target,
                            GgufExport.metadata(config),
                            new GgufExport(target, type).tensors(config, groups),
                            type,
                            vocabulary);
                } else {
                    writeDirectory(from, target, LlamaConfigFile.toJson(config), groups, type, vocabulary);
                }
            }
            case DeepseekArchitecture deepseek -> {
                DeepseekConfig config = DeepseekArchitecture.config(from);
                List<TensorGroup> groups = groups(from, 0, 0, false, config.tieWordEmbeddings());
                if (gguf) {
                    writeGguf(
                            from,
                            target,
                            GgufExport.metadata(config),
                            new GgufExport(target, type).tensors(config, groups),
                            type,
                            vocabulary);
                } else {
                    writeDirectory(from, target, DeepseekConfigFile.toJson(config), groups, type, vocabulary);
                }
            }
            default ->
                throw CheckpointException.of(
                        source, "architecture", from.architecture(), "one that GGUF has conventions for");
        }
    }

    private static List<TensorGroup> groups(
            ModelSource source, int heads, int keyHeads, boolean neighbours, boolean tied) {
        List<TensorGroup> groups = switch (source) {
            case ModelSource.Directory directory -> GroupReader.read(directory.weights());
            case ModelSource.File file -> GroupReader.read(file.gguf(), heads, keyHeads, neighbours);
        };
        return groups.stream()
                .filter(group -> !tied || !group.name().equals("lm_head.weight"))
                .toList();
    }

    private static void writeGguf(
            ModelSource source,
            Path target,
            Map<String, GgufValue> metadata,
            List<GgufWriter.Entry> tensors,
            @Nullable QuantizedType type,
            int vocabulary) {
        Map<String, GgufValue> all = new LinkedHashMap<>(metadata);
        all.put("general.type", GgufValue.string("model"));
        all.put("general.name", GgufValue.string(name(source)));
        all.put("general.file_type", GgufValue.uint32(fileType(type == null ? mostOf(tensors) : type)));
        all.put("general.quantization_version", GgufValue.uint32(2));
        if (source instanceof ModelSource.File file) {
            file.gguf().metadata().values().forEach((key, value) -> {
                if (key.startsWith("tokenizer.") || key.equals("general.name")) {
                    all.put(key, value);
                }
            });
        } else {
            Tokenizer tokenizer = source.tokenizer();
            all.putAll(GgufVocabulary.of(tokenizer, source.path().toString(), vocabulary)
                    .metadata());
            putTurnEnd(all, source.stopTokens(tokenizer, vocabulary), tokenizer);
            if (source.chatTemplate() != null) {
                all.put(
                        "tokenizer.chat_template",
                        GgufValue.string(source.chatTemplate().source()));
            }
        }
        GgufWriter.write(target, all, tensors);
    }

    /** GGUF names one token for the end of a turn beside that of a document, where a config lists all of them. */
    private static void putTurnEnd(Map<String, GgufValue> metadata, SortedSet<Integer> stops, Tokenizer tokenizer) {
        List<Integer> others = new ArrayList<>(stops);
        tokenizer.eosId().ifPresent(eos -> others.remove((Integer) eos));
        String[] roles = {"eot", "eom"};
        for (int i = 0; i < Math.min(roles.length, others.size()); i++) {
            metadata.put("tokenizer.ggml." + roles[i] + "_token_id", GgufValue.uint32(others.get(i)));
        }
    }

    private static String name(ModelSource source) {
        return String.valueOf(source.path().toAbsolutePath().normalize().getFileName());
    }

    private static QuantizedType mostOf(List<GgufWriter.Entry> tensors) {
        return tensors.stream()
                .max((a, b) -> Long.compare(a.bytes(), b.bytes()))
                .map(GgufWriter.Entry::type)
                .orElse(QuantizedType.F32);
    }

    /** {@code general.file_type}: llama.cpp's number of what most tensors are. */
    private static int fileType(QuantizedType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q8_0 -> 7;
            case Q5_0 -> 8;
            case Q5_1 -> 9;
            case Q2_K -> 10;
            case Q3_K -> 12;
            case Q4_K -> 15;
            case Q5_K -> 17;
            case Q6_K -> 18;
            case IQ4_NL -> 25;
            case IQ4_XS -> 30;
            case BF16 -> 32;
        };
    }

    // ---- a directory

    private static void writeDirectory(
            ModelSource source,
            Path target,
            ObjectNode config,
            List<TensorGroup> groups,
            @Nullable QuantizedType type,
            int vocabulary) {
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        for (TensorGroup group : groups) {
            for (int i = 0; i < group.matrices().size(); i++) {
                String name =
                        group.experts() == 0 ? group.name() : group.name().replace(".experts.", ".experts." + i + ".");
                entries.add(entry(target, name, group.vector(), group.matrices().get(i), type));
            }
        }
        StoredType most = entries.stream()
                .max((a, b) -> Long.compare(size(a), size(b)))
                .map(SafetensorsWriter.Entry::type)
                .orElse(StoredType.F32);
        config.put(
                "torch_dtype",
                switch (most) {
                    case F16 -> "float16";
                    case BF16 -> "bfloat16";
                    default -> "float32";
                });
        Tokenizer tokenizer = source.tokenizer();
        Checkpoint.publish(target, writer -> {
            writer.json("config.json", config);
            writer.json("generation_config.json", generation(source, tokenizer, vocabulary));
            writer.tokenizer(
                    tokenizer,
                    source.chatTemplate() == null ? null : source.chatTemplate().source());
            writer.entries(entries);
        });
    }

    private static long size(SafetensorsWriter.Entry entry) {
        return entry.shape().stream().reduce(1L, Math::multiplyExact);
    }

    private static SafetensorsWriter.Entry entry(
            Path target, String name, boolean vector, Rows rows, @Nullable QuantizedType type) {
        boolean exact = name.endsWith("e_score_correction_bias");
        QuantizedType wanted = exact ? QuantizedType.F32 : type == null ? rows.type() : type;
        StoredType stored = switch (wanted) {
            case F32 -> StoredType.F32;
            case F16 -> StoredType.F16;
            case BF16 -> StoredType.BF16;
            case null, default ->
                throw CheckpointException.of(
                        target,
                        name,
                        "type",
                        wanted == null ? "F8_E4M3 with scales" : wanted,
                        "a type to convert it to: F32, F16 or BF16");
        };
        return new SafetensorsWriter.Entry(
                name,
                stored,
                vector ? List.of(rows.columns()) : List.of(rows.rows(), rows.columns()),
                channel -> rows.write(channel, wanted));
    }

    private static ObjectNode generation(ModelSource source, Tokenizer tokenizer, int vocabulary) {
        GenerationDefaults defaults = source.generationDefaults();
        ObjectNode json = Json.MAPPER.createObjectNode();
        tokenizer.bosId().ifPresent(id -> json.put("bos_token_id", id));
        ArrayNode stops = json.putArray("eos_token_id");
        source.stopTokens(tokenizer, vocabulary).forEach(stops::add);
        if (defaults.sampled() != null) {
            json.put("do_sample", defaults.sampled());
        }
        if (defaults.temperature() != null) {
            json.put("temperature", defaults.temperature());
        }
        if (defaults.topK() != null) {
            json.put("top_k", defaults.topK());
        }
        if (defaults.topP() != null) {
            json.put("top_p", defaults.topP());
        }
        if (defaults.minP() != null) {
            json.put("min_p", defaults.minP());
        }
        if (defaults.repetitionPenalty() != null) {
            json.put("repetition_penalty", defaults.repetitionPenalty());
        }
        return json;
    }
}
