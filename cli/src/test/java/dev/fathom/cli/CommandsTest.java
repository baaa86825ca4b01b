package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Every command as a user types it, on one small run. */
class CommandsTest {
    private static final JsonMapper MAPPER = new JsonMapper();

    @TempDir
    static Path folder;

    private static Path recipe;
    private static Path run;
    private static Fathom.Result learned;

    @BeforeAll
    static void learn() throws Exception {
        recipe = Fathom.tinyRecipe(folder);
        run = folder.resolve("run");
        learned = Fathom.run("learn", "--recipe", recipe, "--out", run, "--gemm", "vector", "--precision", "f32");
    }

    @Test
    void learnShowsWhatHappensAndEndsWithTheRun() {
        assertThat(learned.err()).isEmpty();
        assertThat(learned.exitCode()).isZero();
        assertThat(learned.lines())
                .anyMatch(line -> line.startsWith("kernels: vector"))
                .anyMatch(line -> line.matches("model: .* parameters, .* active per token"))
                .anyMatch(line -> line.matches("pretrain 20/20  .* tokens  loss [0-9.]+  .* tok/s"))
                .anyMatch(line -> line.matches("rl +2/8 .*right .* %  held-out .* %  length .*entropy .*"))
                .anyMatch(line -> line.startsWith("base ") && line.contains("pass@2"))
                .anyMatch(line -> line.startsWith("R1-Zero "))
                .anyMatch(line -> line.matches("hardest levels: pass@1 .* -> .*, response length .* tokens"));
        assertThat(learned.lines()
                        .subList(learned.lines().size() - 3, learned.lines().size()))
                .containsExactly("report: " + run.resolve("report.html"), "./fathom chat " + run, run.toString());
    }

    @Test
    void learnShowsTheSameProblemBeforeAndAfter() {
        assertThat(learned.lines().stream()
                        .filter(line -> line.matches(".*=   (not )?right, \\d+ tokens:"))
                        .map(line -> line.strip().split(" ")[0])
                        .toList())
                .hasSize(2)
                .allMatch(problem -> problem.equals(learned.lines().stream()
                        .filter(line -> line.matches(".*=   (not )?right, \\d+ tokens:"))
                        .findFirst()
                        .orElseThrow()
                        .strip()
                        .split(" ")[0]));
    }

    @Test
    void everyRolloutIsReproducedToTheBit() {
        assertThat(learned.lines().stream()
                        .filter(line -> line.startsWith("rl "))
                        .toList())
                .hasSize(8)
                .allMatch(line -> line.contains("max|Δ log p| 0  other experts 0"));
    }

    @Test
    void aRunDirectoryHoldsEverything() throws Exception {
        assertThat(run.resolve("report.html")).isNotEmptyFile();
        assertThat(run.resolve("samples.jsonl")).isNotEmptyFile();
        assertThat(Fathom.checkpoints(run))
                .containsExactly("0-pretrain-000020", "1-eval-000001", "2-rl-000008", "3-eval-000001");
        assertThat(Fathom.weights(run)).isNotEmptyFile();
        JsonNode info = MAPPER.readTree(Files.readString(run.resolve("run.json")));
        assertThat(info.path("status").asString()).isEqualTo("finished");
        assertThat(info.path("precision").asString()).isEqualTo("f32");
        assertThat(info.path("command").asString())
                .isEqualTo("./fathom learn --recipe " + recipe + " --gemm vector --precision f32");
        assertThat(Files.readString(run.resolve("metrics.jsonl")).lines().map(MAPPER::readTree))
                .anyMatch(line ->
                        line.has("loss") && line.path("stage").asString().equals("pretrain"))
                .anyMatch(line -> line.has("maxAbsDeltaLogProb"))
                .anyMatch(line -> line.has("evaluation"));
    }

    @Test
    void anyNumberOfThreadsGivesTheSameBytes() throws Exception {
        for (int threads : new int[] {1, 3}) {
            Path again = folder.resolve("threads" + threads);
            Fathom.Result result = Fathom.run(
                    "learn",
                    "--recipe",
                    recipe,
                    "--out",
                    again,
                    "--gemm",
                    "vector",
                    "--precision",
                    "f32",
                    "--threads",
                    threads);
            assertThat(result.exitCode()).isZero();
            assertThat(Fathom.fingerprint(again)).as("%d threads", threads).isEqualTo(Fathom.fingerprint(run));
        }
    }

    @Test
    void anotherSeedGivesOtherBytes() throws Exception {
        Path other = folder.resolve("seed2");
        Fathom.run(
                "pretrain", "--recipe", recipe, "--out", other, "--gemm", "vector", "--precision", "f32", "--seed", 2);

        assertThat(Fathom.checkpoints(other)).containsExactly("0-pretrain-000020", "1-eval-000001");
        assertThat(Fathom.fingerprint(other)).isNotEqualTo(Fathom.fingerprint(run));
    }

    @Test
    void jsonIsForProgramsAndTheRestIsOnStandardError() {
        Path other = folder.resolve("json");
        Fathom.Result result = Fathom.run("pretrain", "--recipe", recipe, "--out", other, "--json", "--tokens", 2000);

        assertThat(result.exitCode()).isZero();
        assertThat(result.lines())
                .hasSize(5)
                .allSatisfy(
                        line -> assertThat(MAPPER.readTree(line).path("stage").asString())
                                .isIn("pretrain", "eval"));
        assertThat(result.err()).contains("kernels: ").endsWith(other + System.lineSeparator());
    }

    @Test
    void minutesScaleTheRecipeBeforeItBegins() throws Exception {
        Path longer = folder.resolve("longer");
        Fathom.run("learn", "--recipe", recipe, "--out", longer, "--minutes", 1.5);

        assertThat(Fathom.checkpoints(longer)).contains("0-pretrain-000030", "2-rl-000012");
    }

    @Test
    void rlStartsFromAModel() throws Exception {
        Path more = folder.resolve("more");
        Fathom.Result result =
                Fathom.run("rl", "--from", run, "--recipe", recipe, "--out", more, "--steps", 3, "--group-size", 2);

        assertThat(result.err()).isEmpty();
        assertThat(Fathom.checkpoints(more)).containsExactly("0-rl-000003", "1-eval-000001");
        assertThat(Files.readString(more.resolve("run.json"))).contains("3-eval-000001");
        assertThat(Fathom.fingerprint(more)).isNotEqualTo(Fathom.fingerprint(run));
    }

    @Test
    void evalPrintsAnObject() {
        Fathom.Result result = Fathom.run("eval", run, "--problems", 3, "--samples", 2, "--levels", "1,2", "--json");

        assertThat(result.exitCode()).isZero();
        JsonNode object = MAPPER.readTree(result.out());
        for (String field : new String[] {"passAt1", "passAtK", "k", "greedy", "problems", "meanResponseTokens"}) {
            assertThat(object.path(field).isNumber()).as(field).isTrue();
            assertThat(object.path("levels").get(0).path(field).isNumber())
                    .as(field)
                    .isTrue();
        }
        assertThat(object.path("problems").asInt()).isEqualTo(12);
        assertThat(object.path("levels")).hasSize(4);
        assertThat(result.err()).contains("kernels: ");
    }

    @Test
    void evalPrintsATableForAModelDirectoryOfNoRun() {
        Path model = folder.resolve("model");
        Fathom.copyTree(run.resolve("checkpoints/3-eval-000001"), model);

        assertThat(Fathom.run("eval", model).err()).contains("name the tasks: --tasks");
        Fathom.Result result = Fathom.run("eval", model, "--tasks", "addition", "--problems", 2, "--samples", 2);
        assertThat(result.exitCode()).isZero();
        assertThat(result.lines()).anyMatch(line -> line.startsWith("  addition 3 "));
    }

    @Test
    void chatAnswersOneProblem() {
        Fathom.Result typed = Fathom.run("chat", run, "--prompt", "12*3");
        Fathom.Result complete = Fathom.run("chat", run, "--prompt", "12*3=");

        assertThat(typed.exitCode()).isZero();
        assertThat(typed.lastLine()).matches("(not )?right, \\d+ tokens");
        assertThat(typed.out()).isEqualTo(complete.out());
    }

    @Test
    void chatGoesOnAfterWhatItCannotRead() {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("what?\n7+8\n\nexit\n1+1\n".getBytes(StandardCharsets.UTF_8)));
        try {
            Fathom.Result result = Fathom.run("chat", run, "--checkpoint", "0-pretrain-000020", "--temperature", 0);
            assertThat(result.exitCode()).isZero();
            assertThat(result.err()).contains("cannot read this").contains("0-pretrain-000020");
            assertThat(result.lines().stream()
                            .filter(line -> line.endsWith(" tokens"))
                            .toList())
                    .hasSize(1);
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void reportIsMadeAgain() throws Exception {
        Files.delete(run.resolve("report.html"));

        assertThat(Fathom.run("report", run).lastLine())
                .isEqualTo(run.resolve("report.html").toString());
        assertThat(run.resolve("report.html")).isNotEmptyFile();
    }

    @Test
    void runsAreListed() {
        Fathom.Result result = Fathom.run("runs", folder);

        assertThat(result.lines()).anyMatch(line -> line.matches(run + " +finished +tiny +[0-9.]+ %"));
        assertThat(Fathom.run("runs", folder, "--json").lines())
                .anyMatch(line -> MAPPER.readTree(line).path("run").asString().equals(run.toString()));
        assertThat(Fathom.run("runs", folder.resolve("none")).out()).contains("./fathom learn");
    }

    @Test
    void aFinishedRunHasNothingToGoOnWith() {
        Fathom.Result result = Fathom.run("resume", run);

        assertThat(result.exitCode()).isZero();
        assertThat(result.lastLine()).isEqualTo(run.toString());
    }
}
