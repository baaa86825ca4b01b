package dev.fathom.model;

import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.WorkerPool;
import dev.fathom.model.ReferenceParameters.Operand;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.DeepseekConfig.TopKMethod;
import dev.fathom.model.config.DeepseekConfigBuilder;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfig.Architecture;
import dev.fathom.model.config.LlamaConfigBuilder;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.config.RopeScaling;
import dev.fathom.model.config.YarnScaling;
import dev.fathom.model.files.Json;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.tokenizer.GgufVocabulary;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Tiny models as they are released: a Hugging Face directory with random weights, of every architecture. Widths are whole blocks of Q8_0, but no more
 * than that; nothing is special about norms and biases.
 */
public final class TinyRelease {
    private static final int VOCABULARY = 320;
    private static final int BOS = 300;

    /** The token that ends a text. */
    public static final int EOS = BOS + 1;

    /** Byte-level BPE's spelling of all bytes: printable ones as they are, the others from U+0100 on. */
    private static final List<String> BYTES = bytes();

    private static final String TEMPLATE =
            "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
                    + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private TinyRelease() {}

    private static List<String> bytes() {
        List<String> bytes = new ArrayList<>();
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b > 32 && b < 127) || (b > 160 && b != 173);
            bytes.add(Character.toString(printable ? b : next++));
        }
        return bytes;
    }

    /** A model by name. @param pre the rules of its tokenizer */
    public record Case(
            String name,
            String pre,
            @Nullable LlamaConfig llama,
            @Nullable DeepseekConfig deepseek) {
        static Case of(String name, String pre, LlamaConfig config) {
            return new Case(name, pre, config, null);
        }

        static Case of(String name, String pre, DeepseekConfig config) {
            return new Case(name, pre, null, config);
        }

        int vocabSize() {
            return VOCABULARY;
        }

        @Override
        public String toString() {
            return name;
        }

        ReferenceModel oracle(Map<String, double[]> tensors) {
            return oracle(tensors, Operand.EXACT);
        }

        ReferenceModel oracle(Map<String, double[]> tensors, Operand operand) {
            if (llama != null) {
                return new ReferenceLlama(llama, tensors, operand);
            }
            return new ReferenceDeepseek(
                    deepseek,
                    tensors,
                    ReferenceDeepseek.Arithmetic.exact(deepseek).with(operand));
        }
    }

    static Stream<Case> cases() {
        return Stream.of(
                Case.of("llama", "llama-bpe", dense(Architecture.LLAMA).build()),
                Case.of(
                        "llama-3.1",
                        "llama-bpe",
                        dense(Architecture.LLAMA)
                                .ropeScaling(new RopeScaling.Llama3(8, 1, 4, 32))
                                .tieWordEmbeddings(true)
                                .build()),
                Case.of(
                        "llama-linear",
                        "llama-bpe",
                        dense(Architecture.LLAMA)
                                .ropeScaling(new RopeScaling.Linear(4))
                                .build()),
                Case.of(
                        "qwen2",
                        "qwen2",
                        dense(Architecture.QWEN2).tieWordEmbeddings(true).build()),
                Case.of(
                        "qwen2-yarn",
                        "qwen2",
                        dense(Architecture.QWEN2)
                                .ropeScaling(new YarnScaling(4, 64, 8, 1, 1, 1))
                                .build()),
                Case.of("qwen3", "qwen2", dense(Architecture.QWEN3).headDim(32).build()),
                Case.of("v2-lite", "deepseek-llm", second().build()),
                Case.of(
                        "v2",
                        "deepseek-llm",
                        second().queryLoraRank(32)
                                .numGroups(4)
                                .topGroups(2)
                                .topKMethod(TopKMethod.GROUP_LIMITED_GREEDY)
                                .routedScalingFactor(16)
                                .build()),
                Case.of("v3", "deepseek-v3", third().build()),
                Case.of(
                        "v3-plain",
                        "deepseek-v3",
                        third().queryLoraRank(null)
                                .ropeScaling(null)
                                .numGroups(1)
                                .topGroups(1)
                                .numNextnPredictLayers(0)
                                .build()));
    }

    public static Case named(String name) {
        return cases().filter(tiny -> tiny.name.equals(name)).findAny().orElseThrow();
    }

    private static LlamaConfigBuilder dense(Architecture architecture) {
        return LlamaConfig.builder()
                .architecture(architecture)
                .vocabSize(VOCABULARY)
                .hiddenSize(64)
                .intermediateSize(96)
                .numHiddenLayers(2)
                .numAttentionHeads(4)
                .numKeyValueHeads(2)
                .headDim(16)
                .rmsNormEpsilon(1e-5)
                .maxPositionEmbeddings(256)
                .initializerRange(0.12)
                .bosTokenId(BOS)
                .eosTokenId(EOS);
    }

    private static DeepseekConfigBuilder third() {
        return DeepseekConfig.builder()
                .vocabSize(VOCABULARY)
                .hiddenSize(64)
                .intermediateSize(96)
                .moeIntermediateSize(32)
                .numHiddenLayers(3)
                .firstKDenseReplace(1)
                .numAttentionHeads(4)
                .queryLoraRank(32)
                .keyValueLoraRank(32)
                .nopeHeadDim(32)
                .ropeHeadDim(16)
                .valueHeadDim(32)
                .numRoutedExperts(16)
                .numSharedExperts(1)
                .numExpertsPerToken(4)
                .numGroups(4)
                .topGroups(2)
                .routedScalingFactor(2.5)
                .ropeScaling(new YarnScaling(4, 64, 8, 1, 1, 1))
                .maxPositionEmbeddings(256)
                .numNextnPredictLayers(1)
                .initializerRange(0.12)
                .bosTokenId(BOS)
                .eosTokenId(EOS);
    }

    private static DeepseekConfigBuilder second() {
        return third().queryLoraRank(null)
                .numGroups(1)
                .topGroups(1)
                .numSharedExperts(2)
                .normalizeTopK(false)
                .routedScalingFactor(1)
                .scoringFunction(ScoringFunction.SOFTMAX)
                .topKMethod(TopKMethod.GREEDY)
                .ropeScaling(new YarnScaling(4, 64, 8, 1, 0.707, 0.707))
                .numNextnPredictLayers(0);
    }

    /** Every tensor of a model with random weights. */
    static List<NamedTensor> tensors(Case tiny, long seed) {
        try (WorkerPool pool = new WorkerPool(1)) {
            if (tiny.llama != null) {
                LlamaConfig config = tiny.llama;
                return LlamaParameters.checkpointTensors(
                        config, unsettled(LlamaParameters.declare(config).build(seed, pool), seed));
            }
            return DeepseekParameters.checkpointTensors(
                    unsettled(DeepseekParameters.declare(tiny.deepseek).build(seed, pool), seed));
        }
    }

    private static Parameters unsettled(Parameters parameters, long seed) {
        Random random = new Random(seed);
        for (Parameter parameter : parameters) {
            if (!parameter.decay()) {
                for (int i = 0; i < parameter.size(); i++) {
                    float initial = parameter.value().get(0, i);
                    parameter.value().set(0, i, (float) (initial + 0.15 * random.nextGaussian()));
                }
            }
        }
        return parameters;
    }

    /** As the oracle reads them. */
    static Map<String, double[]> doubles(List<NamedTensor> tensors) {
        Map<String, double[]> doubles = new LinkedHashMap<>();
        for (NamedTensor tensor : tensors) {
            doubles.put(tensor.name(), TinyDeepseek.doubles(tensor.view()));
        }
        return doubles;
    }

    /** Writes a Hugging Face directory. */
    public static Path write(Path folder, Case tiny, long seed) throws IOException {
        return write(folder, tiny, tensors(tiny, seed));
    }

    static Path write(Path folder, Case tiny, List<NamedTensor> tensors) throws IOException {
        Files.createDirectories(folder);
        ObjectNode config =
                tiny.llama != null ? LlamaConfigFile.toJson(tiny.llama) : DeepseekConfigFile.toJson(tiny.deepseek);
        Files.write(folder.resolve("config.json"), Json.bytes(config));
        TokenizerFiles.write(folder, tokenizer(tiny.pre), TEMPLATE);
        SafetensorsWriter.write(folder, "model", tensors, SafetensorsWriter.DEFAULT_SHARD_BYTES);
        return folder;
    }

    /** All bytes, a few merges, the tokens that begin and end a text, and nothing from there on. */
    public static Tokenizer tokenizer(String pre) {
        List<String> tokens = new ArrayList<>(BYTES);
        List<String> merges =
                List.of("t h", "h e", "a n", "i n", "o n", "\u0120 t", "\u0120 a", "e r", "\u0120t he", "an d");
        merges.forEach(merge -> tokens.add(merge.replace(" ", "")));
        int[] types = new int[VOCABULARY];
        Arrays.fill(types, GgufVocabulary.TYPE_NORMAL);
        while (tokens.size() < VOCABULARY) {
            int id = tokens.size();
            types[id] = id == BOS || id == EOS ? GgufVocabulary.TYPE_CONTROL : GgufVocabulary.TYPE_UNUSED;
            tokens.add(id == BOS ? "<|begin|>" : id == EOS ? "<|end|>" : "[PAD" + id + "]");
        }
        return new GgufVocabulary("gpt2", pre, tokens, null, types, merges, BOS, EOS, null, false, false, null)
                .tokenizer("tiny");
    }
}
