package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.learn.Json;
import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.InferenceCalibration;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** {@code fathom plan} as a user types it. */
class PlanCommandTest {
    @TempDir
    static Path folder;

    private static JsonNode json(Object... words) {
        Fathom.Result result = Fathom.run(words);
        assertThat(result.exitCode()).as(result.err()).isZero();
        return Json.MAPPER.readTree(result.out());
    }

    @Test
    void trainAsJson() {
        JsonNode plan =
                json("plan", "train", "deepseek-v3", "--gpus", "2048", "--gpu", "h800", "--tokens", "14.8T", "--json");
        assertThat(plan.get("parameters").longValue()).isEqualTo(671_026_419_200L);
        assertThat(plan.get("kvBytesPerToken").longValue()).isEqualTo(70_272);
        assertThat(plan.get("gpuHours").get("total").doubleValue()).isCloseTo(2_788e3, withinPercentage(3));
        assertThat(plan.get("gpuHours").size()).isEqualTo(5);
        assertThat(plan.get("costUsd").doubleValue()).isCloseTo(5.576e6, withinPercentage(3));
        for (String key : new String[] {
            "activeParameters",
            "flopPerToken",
            "memoryPerGpuBytes",
            "stepSeconds",
            "tokensPerDay",
            "mfu",
            "mfuNonCausal"
        }) {
            assertThat(plan.get(key).isNumber()).as(key).isTrue();
        }
    }

    @Test
    void trainForPeople() throws Exception {
        Path page = folder.resolve("plan.html");
        Fathom.Result result =
                Fathom.run("plan", "train", "deepseek-v3", "--explain", "--html", page, "--grow-to", "1M");
        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.out()).contains("671,026,419,200", "dualpipe", "calibrated:", "breaks first: batch", "#####");
        assertThat(Files.readString(page))
                .contains("<svg", "prefers-color-scheme: dark", "routedLinear")
                .doesNotContain("http://", "https://", "<script", "<img");
    }

    @Test
    void aModelThatIsTrainedHere() throws Exception {
        Path config = folder.resolve("config.json");
        Files.writeString(config, """
                { "model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "num_hidden_layers": 16,
                  "num_attention_heads": 16, "intermediate_size": 5632 }""");
        JsonNode plan = json("plan", "train", config, "--gpus", "8", "--gpu", "h100", "--tokens", "20B", "--json");
        assertThat(plan.get("mfu").doubleValue()).isBetween(0.1, 0.8);
        assertThat(plan.get("memoryPerGpuBytes").doubleValue()).isLessThan(80e9);
    }

    @Test
    void onThisMachine() throws Exception {
        JsonNode plan =
                json("plan", "train", "--device", "this-machine", "--recipe", Fathom.tinyRecipe(folder), "--json");
        double slowest = plan.get("trainingSecondsAtSlowestPace").doubleValue();
        double fastest = plan.get("trainingSecondsAtFastestPace").doubleValue();
        assertThat(plan.get("warmUpSeconds").doubleValue()).isNotNegative();
        assertThat(plan.get("trainingSeconds").doubleValue()).isBetween(fastest * (1 - 1e-9), slowest * (1 + 1e-9));
        assertThat(fastest).isGreaterThan(plan.get("warmUpSeconds").doubleValue());
    }

    @Test
    void theOtherPlans() {
        JsonNode serving = json("plan", "serve", "deepseek-v3", "--json");
        double nodes = serving.get("prefillNodes").doubleValue()
                + serving.get("decodeNodes").doubleValue();
        assertThat(serving.get("costUsdPerDay").doubleValue()).isCloseTo(nodes * 8 * 24 * 2, withinPercentage(1e-6));
        JsonNode hours = json("plan", "rl", "deepseek-v3", "--recipe", "r1", "--first-stage-steps", "2000", "--json")
                .get("gpuHours");
        JsonNode more = json("plan", "rl", "deepseek-v3", "--recipe", "r1", "--first-stage-steps", "4000", "--json")
                .get("gpuHours");
        assertThat(more.get("R1, first stage").doubleValue())
                .isCloseTo(2 * hours.get("R1, first stage").doubleValue(), withinPercentage(1e-6));
        assertThat(more.get("total").doubleValue())
                .isGreaterThan(hours.get("total").doubleValue());
        assertThat(json("plan", "search", "deepseek-v2-lite", "--gpus", "8", "--gpu", "h100", "--batch", "64", "--json")
                        .get("layouts")
                        .size())
                .isPositive();
    }

    @Test
    void everyPlanIsAPage() throws Exception {
        for (List<String> command : List.of(
                List.of("plan", "serve", "deepseek-v3"),
                List.of("plan", "rl", "deepseek-v3"),
                List.of("plan", "search", "deepseek-v3", "--gpus", "2048"))) {
            Path page = folder.resolve(command.get(1) + ".html");
            List<Object> words = new ArrayList<>(command);
            words.addAll(List.of("--html", page));
            Fathom.Result result = Fathom.run(words.toArray());
            assertThat(result.exitCode()).as(result.err()).isZero();
            assertThat(Files.readString(page))
                    .contains("deepseek-v3 on ", "What is measured by others", "./fathom plan " + command.get(1))
                    .doesNotContain("http://", "https://", "<script", "<img");
        }
    }

    @Test
    void everyConstantHasASource() throws Exception {
        for (List<Object> command : List.<List<Object>>of(
                List.of("plan", "serve", "deepseek-v3", "--explain"),
                List.of("plan", "rl", "deepseek-v3", "--explain"))) {
            Fathom.Result result = Fathom.run(command.toArray());
            assertThat(result.exitCode()).as(result.err()).isZero();
            for (Constant constant : InferenceCalibration.PUBLISHED.constants()) {
                assertThat(result.out()).contains("  " + constant.name() + " ", constant.source());
            }
        }
    }

    @Test
    void expertsFromARunAndFromAFile() throws Exception {
        Path run = folder.resolve("run");
        assertThat(Fathom.run("pretrain", "--recipe", Fathom.tinyRecipe(folder), "--out", run)
                        .exitCode())
                .isZero();
        assertThat(json("plan", "experts", run, "--gpus", "2", "--json")
                        .get("layers")
                        .size())
                .isPositive();

        Path file = folder.resolve("loads.json");
        Files.writeString(file, "[[90,132,40,61,104,165,39,4,73,56,183,86]]");
        JsonNode layer = json(
                        "plan",
                        "experts",
                        file,
                        "--gpus",
                        "8",
                        "--slots",
                        "16",
                        "--groups",
                        "4",
                        "--nodes",
                        "2",
                        "--json")
                .get("layers")
                .get(0);
        assertThat(layer.get("imbalance").doubleValue())
                .isLessThan(layer.get("imbalanceNaive").doubleValue());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "plan train deepseek-v3 --gpu h900                | h900",
                "plan train deepseek-v3 --ep 48                   | nearest is 32",
                "plan train deepseek-v3 --pp 8 --ep 32            | 22.0 GB too much. The nearest layout that fits: --pp 8",
                "plan train deepseek-v3 --gpus 8                  | GPUs are needed",
                "plan train deepseek-v3 --gpus 2050               | the nearest is 2048",
                "plan train deepseek-v3 --gpus 1e12               | 1 to 100000000",
                "plan train deepseek-v3 --sequence-length 0       | --sequence-length",
                "plan train deepseek-v3 --tokens many             | --tokens",
                "plan train deepseek-v3 --zero 3                  | --zero",
                "plan train deepseek-v3 --device gpu              | this-machine",
                "plan train                                       | MODEL",
                "plan train no-such-model                         | no-such-model",
                "plan serve deepseek-v3 --cache-hits 2            | --cache-hits",
                "plan serve deepseek-v3 --tokens-per-second 9999  | at most",
                "plan rl deepseek-v3 --recipe r2                  | r1-zero",
                "plan rl deepseek-v3 --first-stage-steps 9        | only with --recipe r1",
                "plan rl deepseek-v3 --recipe r1 --first-stage-steps 0 | --first-stage-steps",
                "plan experts no-such-run --gpus 2                | no-such-run"
            })
    void aWrongPlanIsOneLine(String command, String word) {
        Fathom.Result result = Fathom.run((Object[]) command.strip().split(" +"));
        assertThat(result.err().strip().lines()).as(result.err()).hasSize(1);
        assertThat(result.err()).contains(word).doesNotContain("Exception", "\tat ");
        assertThat(result.exitCode()).isEqualTo(2);
    }
}
