package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.learn.run.RunDirectory;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever is wrong is said in one line that names it, with exit code 2, and nothing is left behind. */
class BadInputTest {
    @TempDir
    static Path folder;

    private static Path recipe;
    private static Path run;

    @BeforeAll
    static void learn() throws Exception {
        recipe = Fathom.tinyRecipe(folder);
        run = folder.resolve("good");
        assertThat(Fathom.run("pretrain", "--recipe", recipe, "--out", run, "--precision", "f32", "--gemm", "vector")
                        .exitCode())
                .isZero();
    }

    private static void assertRefused(Fathom.Result result, String... words) {
        assertThat(result.err().strip().lines()).as(result.err()).hasSize(1);
        assertThat(result.err()).contains(words).doesNotContain("Exception", "\tat ");
        assertThat(result.exitCode()).isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "learn --sed 1                          | --sed",
                "learn --seed x                         | --seed",
                "learn --recipe r2                      | r2",
                "learn --recipe none.json               | none.json",
                "learn --precision fp4                  | fp4",
                "learn --gemm magic                     | magic",
                "learn --threads 0                      | --threads",
                "learn --minutes -1                     | minutes",
                "learn --tasks chess                    | chess",
                "learn --task my.package.NoTask         | my.package.NoTask",
                "resume no-such-run                     | no-such-run",
                "resume                                 | RUN",
                "rl --steps 3                           | --from",
                "rl --from no-such-run                  | no-such-run",
                "pretrain --worked-share 2              | workedShare",
                "eval no-such-run                       | no-such-run",
                "chat no-such-run --prompt 1+1=         | no-such-run",
                "report no-such-run                     | no-such-run",
                "fly                                    | fly"
            })
    void aWrongCommandLine(String command, String word) {
        assertRefused(Fathom.run((Object[]) command.strip().split(" +")), word);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "eval RUN --checkpoint 9-rl-000001      | 9-rl-000001",
                "eval RUN --samples 2 --k 3             | k",
                "eval RUN --levels 9                    | levels 1 to 3",
                "eval RUN --temperature 0               | temperature",
                "chat RUN --temperature -1              | --temperature",
                "chat RUN --prompt five                 | cannot read",
                "learn --recipe TINY --out RUN          | ./fathom resume"
            })
    void aWrongCommandLineForARun(String command, String word) {
        Object[] words = List.of(command.strip().split(" +")).stream()
                .map(part -> part.equals("RUN") ? run : part.equals("TINY") ? recipe : part)
                .toArray();
        assertRefused(Fathom.run(words), word);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"name\"          | \"nome\"          | nome",
                "\"hidden_size\"   | \"hidden_sise\"   | hidden_size",
                "\"batchTokens\"   | \"batchToken\"    | batchToken",
                "\"attention_bias\"| \"attention_bios\"| attention_bios",
                "512               | \"many\"          | batchTokens",
                "\"hidden_size\": 32 | \"hidden_size\": -1 | hidden_size",
                "\"maxResponseTokens\": 64 | \"maxResponseTokens\": 256 | max_position_embeddings",
                "\"stages\":       | \"stages\"        | tiny"
            })
    void aWrongRecipe(String right, String wrong, String word) throws Exception {
        Path file = folder.resolve("wrong-tiny.json");
        Files.writeString(file, Files.readString(recipe).replaceFirst(Pattern.quote(right), wrong));
        Path out = folder.resolve("never");

        assertRefused(Fathom.run("learn", "--recipe", file, "--out", out), word);
        assertThat(out).doesNotExist();
    }

    @Test
    void aTruncatedWeightFile() throws Exception {
        Path broken = copy("truncated");
        Path weights = Fathom.weights(broken);
        try (FileChannel channel = FileChannel.open(weights, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 100);
        }

        assertRefused(Fathom.run("eval", broken), "model.safetensors");
        assertRefused(Fathom.run("chat", broken, "--prompt", "1+1="), "model.safetensors");
        assertRefused(Fathom.run("rl", "--from", broken, "--recipe", recipe), "model.safetensors");
    }

    @Test
    void aWeightFileOfNoise() throws Exception {
        Path broken = copy("noise");
        Files.write(Fathom.weights(broken), new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});

        assertRefused(Fathom.run("eval", broken), "model.safetensors");
    }

    @Test
    void aDamagedCheckpointIsNotResumed() throws Exception {
        Path broken = copy("damaged");
        unfinish(broken);
        Files.write(Fathom.weights(broken), new byte[100]);

        assertRefused(Fathom.run("resume", broken), "model.safetensors");
    }

    @Test
    void aCheckpointOfAnotherModel() throws Exception {
        Path other = copy("other");
        Path config = Fathom.weights(other).resolveSibling("config.json");
        String text = Files.readString(config);
        Files.writeString(config, text.replaceFirst("\"hidden_size\"\\s*:\\s*32", "\"hidden_size\": 48"));
        assertRefused(Fathom.run("eval", other), "expected");

        Files.writeString(config, text.replaceAll("deepseek_v3", "llama"));
        assertRefused(Fathom.run("eval", other), "llama");
    }

    @Test
    void aRunThatIsInUse() throws Exception {
        Path busy = copy("busy");
        unfinish(busy);
        try (RunDirectory held = RunDirectory.open(busy)) {
            assertRefused(
                    Fathom.run("resume", held.path()),
                    "in use",
                    Long.toString(ProcessHandle.current().pid()));
        }
        assertThat(Fathom.run("resume", busy).exitCode()).isZero();
    }

    @Test
    void otherBitsAreNotMixed() throws Exception {
        Path stopped = copy("stopped");
        unfinish(stopped);

        assertRefused(Fathom.run("resume", stopped, "--precision", "bf16"), "--precision f32", "--precision bf16");
        assertRefused(Fathom.run("resume", stopped, "--gemm", "auto"), "--gemm vector");
        Path file = stopped.resolve("run.json");
        Files.writeString(
                file,
                Files.readString(file).replace("vector 512-bit +", "abacus +").replace("vector 256-bit +", "abacus +"));
        assertRefused(Fathom.run("resume", stopped), "abacus");
    }

    private static Path copy(String name) {
        Path copy = folder.resolve(name);
        Fathom.copyTree(run, copy);
        return copy;
    }

    private static void unfinish(Path stopped) throws Exception {
        Path file = stopped.resolve("run.json");
        Files.writeString(file, Files.readString(file).replace("\"finished\"", "\"stopped\""));
    }
}
