package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.learn.Json;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** {@code fathom bench} as a user types it, at toy size. */
class BenchCommandTest {
    @TempDir
    private Path folder;

    @Test
    void trainPrintsItsOneNumberFirst() {
        Fathom.Result result = run("train --workload tiny --warmup 1 --steps 2 --threads 1");

        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.lines().getFirst()).matches("tiny: [\\d,]+ tokens/s, .* of the (f32|bf16) peak");
        assertThat(result.out()).contains("kernels: ", "machine: ", "roofline", "(the rest)");
    }

    @Test
    void trainAsJson() {
        JsonNode json =
                json("train --workload tiny --warmup 1 --steps 60 --precision f32 --gemm vector --threads 2 --json");

        assertKeys(json);
        assertThat(json.path("precision").asString()).isEqualTo("f32");
        assertThat(json.path("threads").asInt()).isEqualTo(2);
        assertThat(json.path("stepSeconds")).hasSize(60);
        // Steps enough for the clock: the processor time of threads under way is up to a tick of the kernel old.
        assertThat(json.path("cpuUtilisation").asDouble()).isBetween(0.0, 1.5);
        // Two losses of a model that knows nothing, the second of them weighted with 0.3.
        assertThat(json.path("lossFirst").asDouble()).isCloseTo(1.3 * Math.log(67), within(0.05));
        JsonNode operation = json.path("operations").get(0);
        for (String key : new String[] {
            "name", "calls", "share", "seconds", "flops", "bytes", "gflops", "gigabytesPerSecond", "rooflineFraction"
        }) {
            assertThat(operation.has(key)).as(key).isTrue();
        }
    }

    @Test
    void rolloutAsJson() {
        JsonNode json = json("rollout --workload tiny --warmup 0 --runs 2 --lengths 2-5 --threads 1 --json");

        assertKeys(json);
        assertThat(json.path("runSeconds")).hasSize(2);
        JsonNode varied = json.path("variedLengths");
        assertThat(varied.path("meanLength").asDouble()).isBetween(2.0, 5.0);
        assertThat(varied.path("ratio").asDouble())
                .isEqualTo(varied.path("tokensPerSecond").asDouble()
                        / varied.path("equalTokensPerSecond").asDouble());
        assertThat(json.path("operations").findValuesAsString("name")).contains("sample", "attention");
    }

    @Test
    void gemmInForksOfItsOwn() {
        JsonNode json = json("gemm --shape 40x24x16 --shape 40x24x16x3 --seconds 0.01 --forks 2 --threads 1 --json");

        assertKeys(json);
        assertThat(json.path("forks").asInt()).isEqualTo(2);
        assertThat(json.path("operations").findValuesAsString("name"))
                .containsExactly(
                        "forward 40x24x16",
                        "backwardInput 40x24x16",
                        "backwardWeight 40x24x16",
                        "forward 40x24x16x3",
                        "backwardInput 40x24x16x3",
                        "backwardWeight 40x24x16x3");
        for (JsonNode operation : json.path("operations")) {
            assertThat(operation.path("worstForkSeconds").asDouble())
                    .isGreaterThanOrEqualTo(operation.path("seconds").asDouble());
        }
    }

    @Test
    void kernelsOfTrainingAndOfSampling() {
        Fathom.Result result = run("kernels --workload tiny --seconds 0.001 --threads 1");

        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.out()).contains("rmsNorm 96x32", "attentionBackward", "decode: sample", "worst fork");
        assertThat(result.out()).doesNotContain("backwardWeight");
    }

    @Test
    void aTextIsLearned() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "abcdefghij".repeat(200));
        JsonNode json = json("text --text " + text + " --steps 3 --threads 1 --json");

        assertThat(json.path("validationLoss").asDouble()).isBetween(0.1, 2.4);
        assertThat(json.path("vocabulary").asInt()).isEqualTo(10);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "train --workload w9",
                "train --workload tiny --steps 0",
                "train --workload tiny --threads 0",
                "rollout --workload tiny --lengths 5",
                "rollout --workload tiny --lengths 9-2",
                "gemm --shape 3x4",
                "gemm --forks 0",
                "kernels --workload tiny --seconds -1",
                "text --model w2",
                "compare --workload odd",
                "compare --peer-variant jax",
                "compare --pairs 0",
                "compare --runs 2",
                "compare --model m.gguf --workload w2",
                "compare --model m.gguf --new-tokens 0",
                "rollout --workload tiny --requests-per-slot 2",
                "streams m.gguf --peer-timeout 9",
                "gemm --workload tiny --shape 3x4x5"
            })
    void whatCannotBeMeasuredIsRefusedInOneLine(String words) {
        Fathom.Result result = run(words);

        assertThat(result.exitCode()).as(result.err()).isEqualTo(2);
        assertThat(result.err().lines()).hasSize(1);
        assertThat(result.out()).isEmpty();
    }

    @Test
    void aModelThatLlamaCppCannotReadIsNamed() throws IOException {
        assertThat(run("compare --model " + folder.resolve("none.gguf")).err())
                .contains("none.gguf is not there")
                .hasLineCount(1);
        assertThat(run("compare --model " + folder).err())
                .contains(folder + " is a folder")
                .hasLineCount(1);
        assertThat(run("streams " + folder + " --compare").err())
                .contains(folder + " is a folder")
                .hasLineCount(1);
    }

    @Test
    void aMissingTextIsNamed() {
        Fathom.Result result = run("text --text " + folder.resolve("none.txt"));

        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.err()).contains("none.txt", "--text");
    }

    private static void assertKeys(JsonNode json) {
        for (String key : new String[] {"tokensPerSecond", "gflops", "peakFraction", "kernels", "peakMemoryBytes"}) {
            assertThat(json.has(key)).as(key).isTrue();
        }
        assertThat(json.path("kernels").asString()).startsWith("kernels: ");
        assertThat(json.path("peakMemoryBytes").asLong()).isPositive();
        assertThat(json.path("peak").path("f32Gflops").asDouble()).isPositive();
    }

    private static JsonNode json(String words) {
        Fathom.Result result = run(words);
        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.lines()).hasSize(1);
        return Json.MAPPER.readTree(result.out());
    }

    /** A checkpoint of a tiny run is a model directory like any other. */
    @Test
    void prefillAndDecode() throws IOException {
        Path model = tinyModel();
        JsonNode decode = json("decode " + model + " --prompt-tokens 9 --new-tokens 3 --warmup 0 --runs 2 --json");
        assertThat(decode.path("runSeconds")).hasSize(2);
        assertThat(decode.path("newTokens").asInt()).isEqualTo(3);
        assertThat(decode.path("tokensPerSecond").asDouble()).isPositive();
        assertThat(decode.path("firstTokenSeconds").asDouble())
                .isGreaterThan(decode.path("loadSeconds").asDouble());
        assertThat(decode.path("kernels").asString()).startsWith("kernels: ");

        Fathom.Result prefill = run("prefill " + model + " --prompt-tokens 9 --warmup 0 --runs 1");
        assertThat(prefill.exitCode()).as(prefill.err()).isZero();
        assertThat(prefill.lines().getFirst()).matches("tiny: [\\d,.]+ prompt tokens/s");

        Fathom.Result missing = run("decode " + folder.resolve("none.gguf"));
        assertThat(missing.exitCode()).isNotZero();
        assertThat(missing.err()).contains("none.gguf").doesNotContain("\tat ");
    }

    private Path tinyModel() throws IOException {
        Path directory = folder.resolve("tiny");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            Tokenizer tokenizer = CharacterTokenizer.of("0123456789+=", SpecialTokens.REASONING);
            DeepseekConfig config = DeepseekConfig.builder()
                    .vocabSize(tokenizer.vocabularySize())
                    .hiddenSize(32)
                    .intermediateSize(48)
                    .moeIntermediateSize(16)
                    .numHiddenLayers(2)
                    .numAttentionHeads(2)
                    .queryLoraRank(null)
                    .keyValueLoraRank(16)
                    .nopeHeadDim(8)
                    .ropeHeadDim(4)
                    .valueHeadDim(8)
                    .numRoutedExperts(4)
                    .numExpertsPerToken(2)
                    .maxPositionEmbeddings(64)
                    .build();
            DeepseekModel model = DeepseekModel.random(config, engine, 1);
            Checkpoint.publish(directory, writer -> {
                writer.config(model.config());
                writer.tokenizer(tokenizer, null);
                writer.weights(model.checkpointTensors());
                writer.state(dev.fathom.model.files.Json.MAPPER.createObjectNode());
            });
        }
        return directory;
    }

    private static Fathom.Result run(String words) {
        return Fathom.run((Object[]) ("bench " + words).split(" "));
    }
}
