package dev.fathom.learn.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.learn.LearnException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
    @TempDir
    Path folder;

    private static RunInfo info(String created) {
        return new RunInfo(
                "test",
                created,
                "running",
                "fathom learn",
                1,
                "0.1",
                "25",
                "m",
                "k",
                "f32",
                "auto",
                null,
                Map.of("name", "x"));
    }

    private RunDirectory create() {
        return RunDirectory.create(folder.resolve("run"), info("2026-11-22T10:00:00Z"));
    }

    private static Metrics step(long step) {
        return new Metrics("rl", step).set(Metrics.REWARD, 0.5);
    }

    @Test
    void holdsWhatWasWritten() {
        Sample sample = new Sample("eval", 0, "base", "addition", 1, "1+1=", "<think>\n\0é\"", false, 0.1, 9);
        try (RunDirectory run = create()) {
            run.metrics()
                    .append(step(1).set(Metrics.EXPERT_LOAD, new double[][] {{1, 0.33333333}})
                            .toJson());
            run.samples().append(sample.toJson());
            run.update(run.info().withStatus("finished"));
            assertThat(run.checkpoints()).isDirectory();
        }
        Path path = folder.resolve("run");
        assertThat(RunDirectory.readInfo(path))
                .isEqualTo(info("2026-11-22T10:00:00Z").withStatus("finished"));
        assertThat(RunDirectory.metricsFile(path))
                .hasContent("{\"stage\":\"rl\",\"step\":1,\"reward\":0.5,\"expertLoad\":[[1.0,0.3333]]}\n");
        assertThat(JsonLines.read(RunDirectory.samplesFile(path)).stream().map(Sample::fromJson))
                .containsExactly(sample);
    }

    @Test
    void aTornLastLineIsDropped() throws Exception {
        try (RunDirectory run = create()) {
            run.metrics().append(step(1).toJson());
        }
        Path file = RunDirectory.metricsFile(folder.resolve("run"));
        Files.writeString(file, "{\"stage\":\"rl\",\"ste", StandardOpenOption.APPEND);
        assertThat(JsonLines.read(file)).hasSize(1);
        try (RunDirectory run = RunDirectory.open(folder.resolve("run"))) {
            assertThat(run.metrics().lines()).isEqualTo(1);
            run.metrics().append(step(2).toJson());
        }
        assertThat(JsonLines.read(file).stream().map(line -> line.get("step").asInt()))
                .containsExactly(1, 2);
    }

    @Test
    void resumingDropsWhatTheCheckpointDoesNotKnow() {
        try (RunDirectory run = create()) {
            for (int i = 1; i <= 5; i++) {
                run.metrics().append(step(i).toJson());
            }
            run.metrics().truncate(3);
            assertThat(run.metrics().lines()).isEqualTo(3);
            run.metrics().append(step(40).toJson());
            run.metrics().truncate(2);
            run.metrics().append(step(7).toJson());
            run.metrics().sync();
            assertThat(JsonLines.read(RunDirectory.metricsFile(run.path())).stream()
                            .map(l -> l.get("step").asInt()))
                    .containsExactly(1, 2, 7);
            assertThatThrownBy(() -> run.metrics().truncate(9))
                    .isInstanceOf(LearnException.class)
                    .hasMessageContaining("has 3 lines");
        }
    }

    @Test
    void aMetricIsNeverNaN() {
        assertThatThrownBy(() -> new Metrics("rl", 7).set(Metrics.LOSS, Double.NaN))
                .isInstanceOf(LearnException.class)
                .hasMessage("Stage rl, step 7: loss is NaN. The run has diverged; begin again with a lower "
                        + "learningRate.peak.");
        assertThatThrownBy(() -> step(1).set("x", new double[][] {{Double.POSITIVE_INFINITY}}))
                .isInstanceOf(LearnException.class);
    }

    @Test
    void aSecondUserOfTheDirectoryIsToldWhoHasIt() throws Exception {
        Path path = folder.resolve("run");
        try (RunDirectory run = create()) {
            assertThatThrownBy(() -> RunDirectory.open(path))
                    .isInstanceOf(LearnException.class)
                    .hasMessageContaining(path + " is in use by another process (process id "
                            + ProcessHandle.current().pid() + ")");
        }
        Process other = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        path.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(other.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(out.readLine()).isEqualTo("held");
            assertThatThrownBy(() -> RunDirectory.open(path)).hasMessageContaining("(process id " + other.pid() + ")");
        } finally {
            other.destroyForcibly().waitFor();
        }
        // Killed, it holds nothing any more.
        RunDirectory.open(path).close();
    }

    /** The other process: holds a run directory until it is killed. */
    static final class Holder {
        public static void main(String[] arguments) throws Exception {
            try (RunDirectory run = RunDirectory.open(Path.of(arguments[0]))) {
                System.out.println(run.path() == null ? "" : "held");
                Thread.sleep(60_000);
            }
        }
    }

    @Test
    void mistakesAreNamed() throws Exception {
        create().close();
        assertThatThrownBy(() -> create().close()).hasMessageContaining("already holds a run. Resume it");
        assertThatThrownBy(() -> RunDirectory.open(folder.resolve("nowhere"))).hasMessageContaining("does not exist");
        assertThatThrownBy(() -> RunDirectory.open(folder)).hasMessageContaining("is not a run directory");
        Path file = Files.writeString(folder.resolve("file"), "");
        assertThatThrownBy(() -> RunDirectory.create(file, info(""))).hasMessageContaining("is a file");
        Files.writeString(folder.resolve("run/run.json"), "{\"name\": 3");
        assertThatThrownBy(() -> RunDirectory.readInfo(folder.resolve("run")))
                .hasMessageContaining("run.json is not valid");
        Files.writeString(folder.resolve("run/metrics.jsonl"), "{}\n{\"a\"\n");
        assertThatThrownBy(() -> JsonLines.read(folder.resolve("run/metrics.jsonl")))
                .hasMessageContaining("line 2");
    }

    @Test
    void runsAreNamedByTimeAndListedNewestFirst() {
        LocalDateTime now = LocalDateTime.of(2026, 11, 22, 10, 15, 30);
        Path first = RunDirectory.newPath(folder, "r1-zero", now);
        assertThat(first).hasFileName("r1-zero-20261122-101530");
        RunDirectory.create(first, info("2026-11-22T10:15:30Z")).close();
        Path second = RunDirectory.newPath(folder, "r1-zero", now);
        assertThat(second).hasFileName("r1-zero-20261122-101530-2");
        RunDirectory.create(second, info("2026-11-22T10:15:31Z")).close();
        assertThat(RunDirectory.list(folder)).isEqualTo(List.of(second, first));
        assertThat(RunDirectory.newest(folder)).contains(second);
        assertThat(RunDirectory.newest(folder.resolve("nowhere"))).isEmpty();
    }
}
