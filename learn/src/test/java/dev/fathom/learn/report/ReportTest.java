package dev.fathom.learn.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.learn.Json;
import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.eval.ProblemResult;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.reward.ResponseFormat;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import dev.fathom.learn.run.Sample;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Problems;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Solution;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The report of a made-up run. {@code -Dreport.out=DIR} keeps it, to be looked at. */
class ReportTest {
    @TempDir
    Path folder;

    @Test
    @SuppressWarnings("unchecked")
    void showsTheRunAndNothingElse() throws Exception {
        String out = System.getProperty("report.out");
        Path path = out == null ? folder.resolve("run") : Path.of(out);
        Map<String, Object> recipe =
                Json.MAPPER.readValue(Recipe.builtIn("r1-zero").toJson(), Map.class);
        RunInfo info = new RunInfo(
                "r1-zero-20261122-101530",
                "2026-11-22T10:15:30Z",
                "finished",
                "./fathom learn --seed 1 --out runs/again",
                1,
                "0.1.0",
                "25.0.3",
                "2 cores, 8 GB",
                "vector 512-bit + oneDNN bf16, 2 threads",
                "bf16",
                "auto",
                null,
                recipe);
        try (RunDirectory run = RunDirectory.create(path, info)) {
            writeMetrics(run);
            writeSamples(run);
        }
        String page = Files.readString(Report.write(path));

        assertThat(page.length()).isLessThan(300_000);
        assertThat(page)
                .contains("The R1-Zero curve", "pass@8", "Dead groups", "MoE 2", "Expert load after pre-training")
                .contains("<span class=\"from\">25\u00a0%</span>", "chose different experts <b>0</b> times")
                .contains("vector 512-bit + oneDNN bf16, 2 threads", "./fathom learn --seed 1 --out runs/again")
                .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
                .doesNotContain("<script", "http:", "https:", "NaN", "Infinity");
        requireWellFormed(page);
        assertThat(RunDirectory.list(path.getParent())).contains(path);
    }

    @Test
    void aRunThatHasOnlyBegunHasAReportToo() throws Exception {
        RunInfo info = new RunInfo("n", "2026", "running", "c", 1, "f", "j", "m", "k", "f32", "auto", null, Map.of());
        Path path = folder.resolve("run");
        RunDirectory.create(path, info).close();
        String page = Files.readString(Report.write(path));
        assertThat(page).contains("No model of this run has been evaluated yet", "Fathom run · running");
        requireWellFormed(page);
    }

    private static void requireWellFormed(String page) throws Exception {
        // Good HTML of this simple kind becomes XML once its few void elements are closed.
        String xml = page.replace("<!DOCTYPE html>\n", "")
                .replaceAll("<meta ([^>]*)>", "<meta $1/>")
                .replace("\u00a0", " ");
        javax.xml.parsers.DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new org.xml.sax.InputSource(new StringReader(xml)));
    }

    private static void writeMetrics(RunDirectory run) {
        RandomSource random = RandomSource.at(1, 1, 1);
        for (int step = 20; step <= 2160; step += 20) {
            double progress = step / 2160.0;
            run.metrics()
                    .append(new Metrics("pretrain", step)
                            .set(Metrics.TOKENS, step * 2560L)
                            .set(Metrics.SECONDS, step * 0.11)
                            .set(Metrics.LOSS, 0.2 + 2.4 * Math.exp(-8 * progress) + 0.03 * random.uniform())
                            .set(Metrics.LEARNING_RATE, progress < 0.65 ? 3e-3 : 3e-3 * (1.02 - progress) / 0.37)
                            .set(Metrics.GRADIENT_NORM, 0.3 + 0.5 * random.uniform())
                            .set(Metrics.TOKENS_PER_SECOND, 23_000 + 800 * random.uniform())
                            .set(Metrics.MAX_VIO, 0.1 + Math.exp(-6 * progress) + 0.1 * random.uniform())
                            .set(Metrics.EXPERT_LOAD, load(random, 0.5))
                            .toJson());
        }
        run.metrics().append(evaluation("base", 2, 40));
        for (int step = 1; step <= 150; step++) {
            double learned = 1 - Math.exp(-step / 25.0);
            Metrics line = new Metrics("rl", step)
                    .set(Metrics.TOKENS, step * 30_000L)
                    .set(Metrics.SECONDS, step * 2.5)
                    .set(Metrics.REWARD, 0.3 + 0.75 * learned + 0.08 * (random.uniform() - 0.5))
                    .set(Metrics.ACCURACY, 0.2 + 0.75 * learned)
                    .set(Metrics.RESPONSE_LENGTH, 42 + 110 * learned + 8 * random.uniform())
                    .set(Metrics.TRUNCATED, 0.02 * random.uniform())
                    .set(Metrics.DEAD_GROUPS, 0.1 + 0.6 * learned * random.uniform())
                    .set(Metrics.ENTROPY, 0.3 * Math.exp(-step / 40.0) + 0.02)
                    .set(Metrics.LEVEL, step < 30 ? 2 : 3)
                    .set(Metrics.MAX_ABS_DELTA_LOG_PROB, 0.0)
                    .set(Metrics.ROUTING_DISAGREEMENTS, 0)
                    .set(Metrics.MAX_VIO, 0.3 + 0.2 * random.uniform())
                    .set(Metrics.EXPERT_LOAD, load(random, 1))
                    .set(Metrics.TOKENS_PER_SECOND, 15_000 + 600 * random.uniform());
            if (step % 10 == 0) {
                line.set(Metrics.HELD_OUT_ACCURACY, 0.2 + 0.75 * learned)
                        .set(Metrics.HELD_OUT_RESPONSE_LENGTH, 42 + 110 * learned);
            }
            run.metrics().append(line.toJson());
        }
        run.metrics().append(evaluation("R1-Zero", 8, 152));
    }

    private static double[][] load(RandomSource random, double spread) {
        double[][] load = new double[2][8];
        for (double[] layer : load) {
            for (int i = 0; i < layer.length; i++) {
                layer[i] = 1 + spread * (random.uniform() - 0.5);
            }
        }
        return load;
    }

    private static tools.jackson.databind.node.ObjectNode evaluation(String label, int correct, int tokens) {
        List<ProblemResult> results = new ArrayList<>();
        for (String task : List.of("addition", "multiplication")) {
            for (int i = 0; i < 1500; i++) {
                int right = correct == 8 && i % 7 == 0 ? 6 : correct;
                results.add(new ProblemResult(task, 1 + i % 3, 8, right, 8, 0, 8L * tokens, right > 4));
            }
        }
        return new Metrics("eval", 0)
                .set(Metrics.LABEL, label)
                .set(Metrics.SECONDS, 12.0)
                .set(Metrics.EVALUATION, Evaluation.of(results, 8).toJson())
                .toJson();
    }

    private static void writeSamples(RunDirectory run) {
        for (String label : List.of("base", "R1-Zero")) {
            boolean thinks = label.equals("R1-Zero");
            for (String name : List.of("multiplication", "addition")) {
                Task task = Tasks.find(name);
                for (int i = 0; i < 4; i++) {
                    RandomSource random = RandomSource.at(2, 2, i);
                    Problem problem = new Problems(task).heldOut(random, task.levels());
                    Solution solution = task.solve(problem, random).orElseThrow();
                    String response = thinks
                            ? ResponseFormat.format(solution.thinking(), solution.answer())
                            : i == 1
                                    ? "<think><script>alert(1)</script>\0"
                                    : ResponseFormat.format("", "12" + i + "40");
                    run.samples()
                            .append(new Sample(
                                            "eval",
                                            0,
                                            label,
                                            name,
                                            task.levels(),
                                            problem.prompt(),
                                            response,
                                            thinks,
                                            thinks ? 1.1 : 0.1,
                                            thinks ? 152 : 12)
                                    .toJson());
                }
            }
        }
    }
}
