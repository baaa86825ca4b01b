package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.learn.Json;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LlamaModel;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.tokenizer.GgufVocabulary;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code fathom logits}, {@code convert} and {@code inspect} on a tiny released model. */
class ReleasedModelCommandsTest {
    private static final int VOCABULARY = 256;

    @TempDir
    Path folder;

    private Path directory;

    @BeforeEach
    void release() throws IOException {
        directory = Files.createDirectories(folder.resolve("tiny"));
        LlamaConfig config = LlamaConfig.builder()
                .vocabSize(VOCABULARY)
                .hiddenSize(64)
                .intermediateSize(96)
                .numHiddenLayers(2)
                .numAttentionHeads(4)
                .numKeyValueHeads(2)
                .headDim(16)
                .maxPositionEmbeddings(128)
                .initializerRange(0.2)
                .eosTokenId(10)
                .build();
        Files.write(
                directory.resolve("config.json"),
                LlamaConfigFile.toJson(config).toString().getBytes(StandardCharsets.UTF_8));
        List<String> tokens = new ArrayList<>();
        int next = 256;
        for (int b = 0; b < VOCABULARY; b++) {
            boolean printable = (b > 32 && b < 127) || (b > 160 && b != 173);
            tokens.add(Character.toString(printable ? b : next++));
        }
        GgufVocabulary vocabulary = new GgufVocabulary(
                "gpt2", "llama-bpe", tokens, null, null, List.of(), null, 10, null, false, false, null);
        TokenizerFiles.write(directory, vocabulary.tokenizer("tiny"), "{{ messages[0]['content'] }}");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            SafetensorsWriter.write(
                    directory,
                    "model",
                    LlamaModel.random(config, engine, 5).checkpointTensors(),
                    SafetensorsWriter.DEFAULT_SHARD_BYTES);
        }
    }

    private static JsonNode logits(Path model, String... more) {
        List<Object> args =
                new ArrayList<>(List.of("logits", model, "--ids", "72,101,108", "--json", "--precision", "f32"));
        args.addAll(List.of(more));
        Fathom.Result result = Fathom.run(args.toArray());
        assertThat(result.exitCode()).as(result.err()).isZero();
        return Json.MAPPER.readTree(result.out());
    }

    @Test
    void aConvertedModelExpectsTheSameTokens() {
        JsonNode expected = logits(directory, "--top", "5").get("top");
        assertThat(expected).hasSize(5);
        double sum = 0;
        for (JsonNode candidate : logits(directory, "--top", "256").get("top")) {
            sum += candidate.get("probability").doubleValue();
        }
        assertThat(sum).isBetween(1 - 1e-6, 1 + 1e-6);

        Path gguf = folder.resolve("tiny.gguf");
        Fathom.Result converted = Fathom.run("convert", directory, gguf, "--type", "f32");
        assertThat(converted.exitCode()).as(converted.err()).isZero();
        JsonNode found = logits(gguf, "--top", "5", "--kv", "f32").get("top");
        for (int i = 0; i < 5; i++) {
            assertThat(found.get(i).get("id")).isEqualTo(expected.get(i).get("id"));
            assertThat(found.get(i).get("logit").doubleValue())
                    .isBetween(
                            expected.get(i).get("logit").doubleValue() - 1e-4,
                            expected.get(i).get("logit").doubleValue() + 1e-4);
        }
        Path back = folder.resolve("back");
        assertThat(Fathom.run("convert", gguf, back).exitCode()).isZero();
        assertThat(logits(back, "--top", "5").get("top")).isEqualTo(expected);
        assertThat(Fathom.run("logits", gguf, "--ids", "72", "--top", "3").out().lines())
                .hasSize(3);
    }

    /** The kernels line says what attention computes: with bf16 machine code, or in f32. */
    @Test
    void keysAndValuesAreKeptAsAskedForByEveryCommandThatGenerates() {
        Object[] generate = {"generate", directory, "--prompt", "hello", "--max-tokens", "2", "--json", "--kv", "f32"};
        Fathom.Result result = Fathom.run(generate);
        assertThat(result.exitCode()).as(result.err()).isZero();
        JsonNode generated = Json.MAPPER.readTree(result.out());
        assertThat(generated.get("kernels").stringValue())
                .doesNotContain("attention in")
                .contains("stored weights");
        assertThat(generated.get("secondsFromStartToFirstToken").isNull())
                .as("no launcher said when it began")
                .isTrue();
        generate[generate.length - 1] = "q8";
        Fathom.Result quantized = Fathom.run(generate);
        assertThat(quantized.exitCode()).as(quantized.err()).isZero();
        assertThat(Json.MAPPER.readTree(quantized.out()).get("kernels").stringValue())
                .contains("over keys and values in eight bits");
        for (String command :
                List.of("generate --prompt x", "chat", "serve --port 0", "bench decode", "bench prefill")) {
            List<Object> words = new ArrayList<>(List.of(command.split(" ")));
            words.add(words.getFirst().equals("bench") ? 2 : 1, directory);
            words.addAll(List.of("--kv", "q4"));
            assertRefused("--kv must be auto, f32, bf16 or q8, was \"q4\"", words.toArray());
        }
    }

    /** DeepSeek-V3's module guesses from safetensors and GGUF alike; without the module the text is the same. */
    @Test
    void aDraftChangesNoToken() throws IOException {
        DeepseekConfig config = DeepseekConfig.builder()
                .vocabSize(VOCABULARY)
                .hiddenSize(64)
                .intermediateSize(96)
                .moeIntermediateSize(32)
                .numHiddenLayers(2)
                .firstKDenseReplace(1)
                .numAttentionHeads(4)
                .queryLoraRank(32)
                .keyValueLoraRank(32)
                .nopeHeadDim(32)
                .ropeHeadDim(16)
                .valueHeadDim(32)
                .numRoutedExperts(8)
                .numExpertsPerToken(2)
                .numNextnPredictLayers(1)
                .maxPositionEmbeddings(128)
                .initializerRange(0.2)
                .eosTokenId(10)
                .build();
        Path with = Files.createDirectories(folder.resolve("with"));
        Path without = Files.createDirectories(folder.resolve("without"));
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            List<NamedTensor> tensors = DeepseekModel.random(config, engine, 6).checkpointTensors();
            List<NamedTensor> main = tensors.stream()
                    .filter(tensor -> !tensor.name().startsWith("model.layers.2."))
                    .toList();
            assertThat(main).hasSizeLessThan(tensors.size());
            for (Path each : List.of(with, without)) {
                Files.write(
                        each.resolve("config.json"),
                        DeepseekConfigFile.toJson(config).toString().getBytes(StandardCharsets.UTF_8));
                Files.copy(directory.resolve("tokenizer.json"), each.resolve("tokenizer.json"));
                SafetensorsWriter.write(
                        each, "model", each.equals(with) ? tensors : main, SafetensorsWriter.DEFAULT_SHARD_BYTES);
            }
        }
        Path gguf = folder.resolve("with.gguf");
        assertThat(Fathom.run("convert", with, gguf, "--type", "f32").exitCode())
                .isZero();
        JsonNode plain = greedy(without);
        assertThat(plain.at("/usage/draftedTokens").intValue()).isZero();
        for (Path each : List.of(with, gguf)) {
            JsonNode drafted = greedy(each);
            assertThat(drafted.get("tokens")).as(each.toString()).isEqualTo(plain.get("tokens"));
            assertThat(drafted.at("/usage/draftedTokens").intValue()).isPositive();
            assertThat(drafted.at("/usage/acceptedTokens").intValue())
                    .isBetween(0, drafted.at("/usage/draftedTokens").intValue());
        }
    }

    private static JsonNode greedy(Path model) {
        Fathom.Result result = Fathom.run(
                "generate", model, "--raw", "--prompt", "hello", "--max-tokens", "30", "--temperature", "0", "--json");
        assertThat(result.exitCode()).as(result.err()).isZero();
        return Json.MAPPER.readTree(result.out());
    }

    @Test
    void inspectSaysWhatMemoryItNeeds() throws IOException {
        Fathom.Result result = Fathom.run("inspect", directory);
        assertThat(result.out()).contains("and 256 bytes of keys and values (bf16; q8 272, f32 512) for each token");
        Path config = directory.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"silu\"", "\"gelu\""));
        assertThat(Fathom.run("inspect", directory).out())
                .contains("not run        " + config + ": hidden_act: found \"gelu\"");
    }

    @Test
    void mistakesAreNamed() throws IOException {
        Path gguf = folder.resolve("new.gguf");
        assertRefused("--ids must be token ids such as 1,2,3, was \"1,x\"", "logits", directory, "--ids", "1,x");
        assertRefused("--ids must be below 256", "logits", directory, "--ids", "256");
        assertRefused("--top must be between 1", "logits", directory, "--ids", "1", "--top", "0");
        assertRefused("--kv must be auto, f32, bf16 or q8", "logits", directory, "--ids", "1", "--kv", "q4");
        assertRefused("no such file or directory", "logits", folder.resolve("none"), "--ids", "1");
        assertRefused("--type must be one of", "convert", directory, gguf, "--type", "q9");
        assertRefused("F32, F16 or BF16 for safetensors", "convert", directory, folder.resolve("x"), "--type", "q8_0");
        assertThat(gguf).doesNotExist();
        assertThat(Fathom.run("convert", directory, gguf, "--type", "q8_0").exitCode())
                .isZero();
        assertRefused("exists already", "convert", directory, gguf);
        assertRefused("expected a type to convert it to", "convert", gguf, folder.resolve("x"));
        assertThat(folder.resolve("x")).doesNotExist();
    }

    private static void assertRefused(String message, Object... args) {
        Fathom.Result result = Fathom.run(args);
        assertThat(result.exitCode()).as(result.out()).isEqualTo(2);
        assertThat(result.err()).contains(message).doesNotContain("\tat ");
    }
}
