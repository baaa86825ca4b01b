package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** However a run ends, it goes on from its newest checkpoint and ends with the bytes of an undisturbed run. */
class InterruptionTest {
    /** SIGINT as a bit of SigIgn in /proc/self/status. */
    private static final long INTERRUPT = 1 << 1;

    @TempDir
    static Path folder;

    private static Path recipe;
    private static String expected;

    @BeforeAll
    static void undisturbed() throws Exception {
        recipe = Fathom.tinyRecipe(folder);
        Path run = folder.resolve("undisturbed");
        assertThat(Fathom.run(begin(run)).exitCode()).isZero();
        expected = Fathom.fingerprint(run);
    }

    private static Object[] begin(Path run) {
        return new Object[] {"learn", "--recipe", recipe, "--out", run, "--gemm", "vector", "--precision", "f32"};
    }

    @Test
    void kill() throws Exception {
        Path run = folder.resolve("killed");

        killAt("pretrain 10/20", 0, begin(run));
        assertThat(Fathom.run("runs", folder).lines()).anyMatch(line -> line.matches(run + " +interrupted .*"));
        killAt("rl       5/8", 0, "resume", run);
        Fathom.Result result = Fathom.run("resume", run);

        assertThat(result.exitCode()).isZero();
        assertThat(result.out()).contains("rl: 8 steps, going on after step 3");
        assertThat(result.lastLine()).isEqualTo(run.toString());
        assertThat(Fathom.fingerprint(run)).isEqualTo(expected);
        assertThat(metricsWithoutTimes(run)).isEqualTo(metricsWithoutTimes(folder.resolve("undisturbed")));
    }

    /** Kills spread over both stages and the evaluations between them, each a random moment after a line of output. */
    @Test
    @Tag("long")
    void killAtTenMoments() throws Exception {
        List<String> moments = List.of(
                "kernels",
                "pretrain  2/20",
                "pretrain  7/20",
                "pretrain 12/20",
                "pretrain 18/20",
                "pretrain 20/20",
                "rl: 8",
                "rl       2/8",
                "rl       6/8",
                "rl       8/8");
        Path run = folder.resolve("killed-ten-times");
        for (int i = 0; i < moments.size(); i++) {
            long delay = System.nanoTime() % 120;
            killAt(moments.get(i), delay, i == 0 ? begin(run) : new Object[] {"resume", run});
        }
        Fathom.Result result = Fathom.run("resume", run);

        assertThat(result.exitCode()).isZero();
        assertThat(Fathom.fingerprint(run)).isEqualTo(expected);
    }

    @Test
    void controlC() throws Exception {
        assumeFalse(isIgnored(), "SIGINT is ignored here, as in a background job of a shell");
        Path run = folder.resolve("interrupted");
        Process process =
                Fathom.process("", begin(run)).redirectErrorStream(true).start();
        BufferedReader out = reader(process);
        awaitLine(out, "pretrain  3/20");
        signal(process, "INT");
        List<String> rest = out.lines().toList();

        assertThat(process.waitFor()).isEqualTo(130);
        assertThat(rest).anyMatch(line -> line.startsWith("Stopping after this step"));
        assertThat(rest).anyMatch(line -> line.matches("Stopped .*Go on with: ./fathom resume " + run));
        assertThat(rest.getLast()).isEqualTo(run.toString());
        assertThat(Fathom.run("runs", folder).lines()).anyMatch(line -> line.matches(run + " +stopped .*"));

        assertThat(Fathom.run("resume", run).exitCode()).isZero();
        assertThat(Fathom.fingerprint(run)).isEqualTo(expected);
    }

    @Test
    void terminate() throws Exception {
        Path run = folder.resolve("terminated");
        Process process =
                Fathom.process("", begin(run)).redirectErrorStream(true).start();
        BufferedReader out = reader(process);
        awaitLine(out, "rl       2/8");
        signal(process, "TERM");

        assertThat(out.lines().toList()).endsWith(run.toString());
        assertThat(process.waitFor()).isEqualTo(143);
        assertThat(Fathom.run("resume", run).exitCode()).isZero();
        assertThat(Fathom.fingerprint(run)).isEqualTo(expected);
    }

    /** A file that cannot grow any more is what a program sees of a full disk. */
    @Test
    void fullDisk() throws Exception {
        Path run = folder.resolve("full");
        Process process = withSmallFiles(begin(run)).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).as(out).isEqualTo(1);
        assertThat(out.lines().filter(line -> line.startsWith("fathom: "))).hasSize(1);
        assertThat(out).contains("./fathom resume " + run).doesNotContain("\tat ");
        assertThat(Fathom.run("resume", run).exitCode()).isZero();
        assertThat(Fathom.fingerprint(run)).isEqualTo(expected);
    }

    /** A limit on the size of files, 100 kB here, needs no root and no file system of its own. */
    private static ProcessBuilder withSmallFiles(Object... words) {
        ProcessBuilder fathom = Fathom.process("", words);
        List<String> command = new ArrayList<>(List.of("sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"));
        command.addAll(fathom.command());
        return fathom.command(command).redirectErrorStream(true);
    }

    /** Starts a process, waits for a line and a moment more, and kills it like {@code kill -9}. */
    private static void killAt(String line, long delayMillis, Object... words) throws Exception {
        Process process = Fathom.process("", words).redirectErrorStream(true).start();
        try {
            awaitLine(reader(process), line);
            TimeUnit.MILLISECONDS.sleep(delayMillis);
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor()).isEqualTo(137);
    }

    private static BufferedReader reader(Process process) {
        return new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    private static void awaitLine(BufferedReader out, String start) throws IOException {
        StringBuilder seen = new StringBuilder();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            seen.append(line).append('\n');
            if (line.startsWith(start)) {
                return;
            }
        }
        throw new AssertionError("no line begins with '" + start + "' in:\n" + seen);
    }

    private static void signal(Process process, String name) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/bin/kill")) || Files.isExecutable(Path.of("/usr/bin/kill")), "no kill");
        assertThat(new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    private static boolean isIgnored() throws IOException {
        Path status = Path.of("/proc/self/status");
        return Files.exists(status)
                && Files.readAllLines(status).stream()
                        .filter(line -> line.startsWith("SigIgn:"))
                        .anyMatch(line ->
                                (Long.parseUnsignedLong(line.substring(7).strip(), 16) & INTERRUPT) != 0);
    }

    /** What was measured, without how long it took. */
    private static List<String> metricsWithoutTimes(Path run) throws IOException {
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .map(line -> line.replaceAll("\"(seconds|rolloutSeconds|tokensPerSecond)\":[0-9.E-]+,?", ""))
                .toList();
    }
}
