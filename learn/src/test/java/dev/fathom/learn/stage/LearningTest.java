package dev.fathom.learn.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.run.JsonLines;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.files.DurableFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.node.ObjectNode;

/** Whole runs at toy size: what every run promises, and that a run may be stopped anywhere. */
class LearningTest {
    private static final String TINY = """
            {
              "name": "tiny",
              "tasks": ["multiplication", "addition"],
              "model": {
                "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
                "hidden_size": 24, "intermediate_size": 40, "moe_intermediate_size": 12, "num_hidden_layers": 2,
                "first_k_dense_replace": 1, "num_attention_heads": 2, "q_lora_rank": null, "kv_lora_rank": 12,
                "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4,
                "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
                "norm_topk_prob": true, "routed_scaling_factor": 1.0, "scoring_func": "sigmoid",
                "topk_method": "noaux_tc", "rms_norm_eps": 1e-6, "rope_theta": 200.0,
                "max_position_embeddings": 256, "num_nextn_predict_layers": 1, "initializer_range": 0.1
              },
              "stages": [
                { "stage": "pretrain", "tokens": 3000, "batchTokens": 500, "reportEverySteps": 2, "checkpointEverySteps": 2 },
                { "stage": "eval", "problemsPerLevel": 3, "samplesPerProblem": 2, "k": 2, "maxResponseTokens": 12 },
                { "stage": "rl", "steps": 4, "groupsPerStep": 4, "groupSize": 4, "maxResponseTokens": 24,
                  "evaluateEverySteps": 2, "evaluationProblems": 4, "checkpointEverySteps": 2, "dynamicSampling": false,
                  "curriculum": { "startLevel": 1 }%s },
                { "stage": "eval", "problemsPerLevel": 3, "samplesPerProblem": 2, "k": 2, "maxResponseTokens": 12 }
              ]
            }
            """;

    /** Everything reinforcement learning can be told to do at once: several updates, clipping, a reference model, sequences alike. */
    private static final String ALL_OPTIONS = ", \"updatesPerStep\": 2, \"clipLow\": 0.2, \"clipHigh\": 0.28,"
            + " \"klCoefficient\": 0.01, \"referenceRefreshSteps\": 3, \"advantageStd\": true,"
            + " \"lossNormalization\": \"sequence\", \"temperature\": 1.1, \"optimizer\": { \"kind\": \"muon\" }";

    @TempDir
    Path directory;

    private static Recipe recipe(String rlOptions) {
        return Recipe.parse(TINY.formatted(rlOptions), "the test");
    }

    private Path run(String name, Recipe recipe, Engine engine) {
        return run(name, recipe, engine, Integer.MAX_VALUE);
    }

    /** @param stopAfter steps after which the run is asked to stop */
    private Path run(String name, Recipe recipe, Engine engine, int stopAfter) {
        int[] steps = {0};
        RunListener counter = new RunListener() {
            @Override
            public void stepDone(String stage, long step, long all) {
                steps[0]++;
            }
        };
        Path path = directory.resolve(name);
        RunInfo info = new RunInfo(
                name,
                "2026-11-22T10:00:00Z",
                "running",
                "test",
                3,
                "test",
                "25",
                "test",
                engine.describe(),
                "f32",
                "vector",
                null,
                Map.of());
        try (RunDirectory run = RunDirectory.isRun(path) ? RunDirectory.open(path) : RunDirectory.create(path, info)) {
            Learning.run(run, recipe, 3, engine, null, counter, () -> steps[0] >= stopAfter);
        }
        return path;
    }

    /** Hash of the weights, the moments and the counters of the last checkpoint. */
    private static String result(Path run) {
        try {
            Path checkpoint = Checkpoints.newest(run).orElseThrow();
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(Files.readAllBytes(checkpoint.resolve("model.safetensors")));
            digest.update(Files.readAllBytes(checkpoint.resolve("trainer/moments.safetensors")));
            return checkpoint.getFileName() + " " + HexFormat.of().formatHex(digest.digest());
        } catch (IOException | java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** The metrics without those that tell time. */
    private static List<ObjectNode> timeless(Path run) {
        List<ObjectNode> lines = JsonLines.read(RunDirectory.metricsFile(run));
        lines.forEach(line -> line.remove(List.of("seconds", "tokensPerSecond", "rolloutSeconds")));
        return lines;
    }

    /** Pure Java in both precisions, and bf16 as this machine prefers it, which may keep keys and values in bf16. */
    @ParameterizedTest
    @CsvSource({"F32,vector", "BF16,vector", "BF16,auto"})
    void aRunKeepsItsPromises(Engine.PrecisionChoice precision, String gemm) {
        try (Engine engine = Engine.open(precision, gemm, 2)) {
            Path run = run("whole", recipe(""), engine);
            List<ObjectNode> metrics = JsonLines.read(RunDirectory.metricsFile(run));
            List<ObjectNode> rl = metrics.stream()
                    .filter(line -> line.path("stage").asString().equals("rl"))
                    .toList();
            assertThat(rl).hasSize(4).allSatisfy(line -> {
                assertThat(line.path("maxAbsDeltaLogProb").asDouble(-1)).isZero();
                assertThat(line.path("routingDisagreements").asLong(-1)).isZero();
                assertThat(line.path("comparedTokens").asLong(0)).isPositive();
                assertThat(line.propertyNames())
                        .contains(
                                "step",
                                "tokens",
                                "seconds",
                                "loss",
                                "reward",
                                "accuracy",
                                "responseLength",
                                "truncated",
                                "deadGroups",
                                "entropy",
                                "maxVio",
                                "tokensPerSecond");
            });
            assertThat(metrics.stream()
                            .filter(line -> line.path("stage").asString().equals("eval"))
                            .map(line -> line.path("label").asString()))
                    .containsExactly("base", "R1-Zero");
            assertThat(metrics.getFirst().path("loss").asDouble()).isBetween(2.0, 4.0);
            assertThat(run.resolve("report.html")).isNotEmptyFile();
            assertThat(RunDirectory.readInfo(run).status()).isEqualTo("finished");
        }
    }

    @Test
    void theThreadCountChangesNothing() {
        try (Engine one = Engine.vector(Precision.F32, 1);
                Engine three = Engine.vector(Precision.F32, 3)) {
            Path first = run("one", recipe(""), one);
            Path second = run("three", recipe(""), three);
            assertThat(result(second)).isEqualTo(result(first));
            assertThat(timeless(second)).isEqualTo(timeless(first));
        }
    }

    @ParameterizedTest
    @CsvSource({"1,false", "3,false", "2,true"})
    void aRunStoppedAgainAndAgainEndsWithTheSameBytes(int stepsAtATime, boolean allOptions) {
        Recipe recipe = recipe(allOptions ? ALL_OPTIONS : "");
        try (Engine engine = Engine.vector(Precision.F32, 2)) {
            Path expected = run("undisturbed", recipe, engine);
            Path found = directory.resolve("stopped");
            boolean finished = false;
            int attempts = 0;
            while (!finished) {
                assertThat(attempts++).isLessThan(30);
                try {
                    run("stopped", recipe, engine, stepsAtATime);
                    finished = true;
                } catch (RunStopped stopped) {
                    assertThat(stopped).hasMessageContaining("stopped");
                }
            }
            assertThat(attempts).isGreaterThan(2);
            assertThat(result(found)).isEqualTo(result(expected));
            assertThat(timeless(found).stream()
                            .filter(line -> line.path("stage").asString().equals("rl")))
                    .allSatisfy(
                            line -> assertThat(line.path("maxAbsDeltaLogProb").asDouble(-1))
                                    .isZero());
            assertThat(withoutMeans(timeless(found))).isEqualTo(withoutMeans(timeless(expected)));
        }
    }

    @Test
    void aStageThatIsDoneIsNotDoneAgain() {
        try (Engine engine = Engine.vector(Precision.F32, 2)) {
            Path run = run("whole", recipe(""), engine);
            String expected = result(run);
            List<ObjectNode> metrics = timeless(run);
            for (Path checkpoint : Checkpoint.list(run.resolve("checkpoints")).reversed()) {
                run("whole", recipe(""), engine);
                assertThat(result(run)).isEqualTo(expected);
                assertThat(timeless(run)).isEqualTo(metrics);
                delete(checkpoint); // as if the run had been killed before it was written
            }
        }
    }

    private static void delete(Path checkpoint) {
        try {
            DurableFiles.deleteTree(checkpoint);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Means since the line before: after a stop between two lines, the next one speaks for the steps since then. */
    private static List<ObjectNode> withoutMeans(List<ObjectNode> lines) {
        for (ObjectNode line : lines) {
            if (line.path("stage").asString().equals("pretrain")) {
                line.remove(List.of("loss", "mtpLoss", "entropy"));
            }
        }
        return lines;
    }

    @Test
    void aBrokenReductionOrderShowsAsMismatch() {
        try (Engine sound = Engine.vector(Precision.F32, 2)) {
            Gemm broken = new OrderDependsOnRows(sound.gemm());
            Engine engine =
                    new Engine(sound.kernels(), broken, sound.exactGemm(), sound.storedGemm(), sound.pool(), "");
            Path run = run("broken", recipe(""), engine);
            assertThat(JsonLines.read(RunDirectory.metricsFile(run)))
                    .anySatisfy(
                            line -> assertThat(line.path("maxAbsDeltaLogProb").asDouble(0))
                                    .isPositive());
        }
    }

    @Test
    void aTaskWithoutWorkedSolutionsCannotBePretrainedOn() {
        Recipe recipe =
                Recipe.parse(TINY.formatted("").replace("\"addition\"", "\"" + Parity.class.getName() + "\""), "test");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            assertThatThrownBy(() -> run("parity", recipe, engine))
                    .hasMessageContaining("parity")
                    .hasMessageContaining("no worked solutions");
        }
    }

    /** A matrix product that adds from the other end where there are few rows: as a library does that picks its kernel by shape. */
    private record OrderDependsOnRows(Gemm sound) implements Gemm {
        private record WithSource(Gemm.Packed packed, Tensor source) implements Gemm.Packed {
            @Override
            public int groups() {
                return packed.groups();
            }

            @Override
            public long outputs() {
                return packed.outputs();
            }

            @Override
            public long inputs() {
                return packed.inputs();
            }

            @Override
            public void refresh() {
                packed.refresh();
            }
        }

        @Override
        public String name() {
            return "broken";
        }

        @Override
        public Precision precision() {
            return sound.precision();
        }

        @Override
        public Packed pack(Tensor weights) {
            return new WithSource(sound.pack(weights), weights);
        }

        @Override
        public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
            WithSource source = (WithSource) weights;
            sound.forward(x, groups, source.packed, y);
            if (groups.count() > 1 || x.rows() > 16) {
                return;
            }
            for (long row = 0; row < x.rows(); row++) {
                for (long out = 0; out < weights.outputs(); out++) {
                    float sum = 0;
                    for (long in = weights.inputs() - 1; in >= 0; in--) {
                        sum = Math.fma(x.get(row, in), source.source.get(out, in), sum);
                    }
                    y.set(row, out, sum);
                }
            }
        }

        @Override
        public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
            sound.backwardInput(dy, groups, ((WithSource) weights).packed, dx, accumulate);
        }

        @Override
        public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
            sound.backwardWeight(dy, x, groups, dw, accumulate);
        }

        @Override
        public void close() {
            sound.close();
        }
    }
}
