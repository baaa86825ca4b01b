package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The comparison itself, with stand-ins for both sides: a shell script in the place of Python, and a class in that of Fathom. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the stand-in for Python is a shell script")
class ComparisonTest {
    @TempDir
    private Path folder;

    private Path python;
    private Path script;

    /** Prints what {@code fathom bench} would. */
    static final class Fathom {
        public static void main(String[] args) {
            System.out.println("{\"kernels\":\"kernels: " + String.join(" ", args) + "\",\"tokensPerSecond\":300.0}");
        }
    }

    @BeforeEach
    void standIns() throws IOException {
        script = Files.createFile(folder.resolve("train.py"));
        // Eager f32 makes 60 tokens/s, eager bf16 100 but only without the fused optimizer, compiling fails.
        python = executable("""
                case "$*" in
                  "-c import torch"*) echo 9.9 ;;
                  *--compile*) echo "RuntimeError: no compiler" >&2; exit 1 ;;
                  *bf16*--fused*) exit 1 ;;
                  *bf16*) echo '{"tokens_per_s": 100.0}' ;;
                  *) echo noise; echo '{"tokens_per_s": 60.0}' ;;
                esac
                """);
    }

    @Test
    void theBestVariantIsComparedWithPairByPair() {
        List<String> said = new ArrayList<>();
        Comparison.Result result = Comparison.run(options(python.toString(), script, null), said::add);

        assertThat(result.variant()).isEqualTo("eager-bf16");
        assertThat(result.tried()).extracting(Comparison.Tried::tokensPerSecond).containsExactly(60.0, 100.0, 0.0, 0.0);
        assertThat(result.tried().get(2).failure()).contains("no compiler");
        assertThat(result.pairs()).hasSize(2);
        assertThat(result.ratio()).isCloseTo(3, within(1e-9));
        assertThat(result.torch()).isEqualTo("9.9");
        assertThat(result.kernels()).contains("bench train --workload w2 --steps 1 --json --precision f32");
        assertThat(said).hasSize(6);
        assertThat(said.getLast()).contains("pair 2 of 2").contains("ratio 3.00");
    }

    @Test
    void aNamedVariantIsNotChosen() {
        Comparison.Result result = Comparison.run(options(python.toString(), script, "eager-f32"), line -> {});

        assertThat(result.tried()).isEmpty();
        assertThat(result.ratio()).isCloseTo(5, within(1e-9));
    }

    @Test
    void withoutTorchItSaysWhatToDo() throws IOException {
        Path bare = executable("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1\n");

        assertThatThrownBy(() -> Comparison.run(options(bare.toString(), script, null), line -> {}))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("No module named 'torch'")
                .hasMessageContaining("FATHOM_TORCH_PYTHON");
        assertThatThrownBy(() -> Comparison.run(options("/no/such/python", script, null), line -> {}))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("/no/such/python")
                .hasMessageContaining("FATHOM_TORCH_PYTHON");
    }

    @Test
    void withoutTheScriptItSaysHowToNameOne() {
        assertThatThrownBy(
                        () -> Comparison.run(options(python.toString(), folder.resolve("none.py"), null), line -> {}))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("none.py")
                .hasMessageContaining("--script");
    }

    @Test
    void aScriptThatPrintsSomethingElseIsNamed() throws IOException {
        Path chatty = executable("echo hello\n");

        assertThatThrownBy(() -> Comparison.run(options(chatty.toString(), script, "eager-f32"), line -> {}))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("hello");
    }

    @Test
    void aProcessLosesWhatItIsNotToSee() {
        JavaFork.Output output = JavaFork.run(
                List.of("sh", "-c", "echo \"[$ONE] [$OTHER]\"; exit 3"),
                Map.of("ONE", "1", "OTHER", "2"),
                List.of("OTHER"),
                60);

        assertThat(output.exitCode()).isEqualTo(3);
        assertThat(output.lastLine()).isEqualTo("[1] []");
    }

    @Test
    void aProcessThatTakesTooLongIsEnded() {
        assertThatThrownBy(() -> JavaFork.run(List.of("sleep", "60"), Map.of(), List.of(), 1))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("longer than 1 s");
    }

    private Path executable(String body) throws IOException {
        Path file = Files.createTempFile(folder, "python", ".sh");
        Files.writeString(file, "#!/bin/sh\n" + body);
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file;
    }

    private static Comparison.Options options(String python, Path script, @Nullable String variant) {
        Contest contest = new Contest(Fathom.class.getName(), List.of("--precision", "f32"), 2, 2, 60);
        return new Comparison.Options("w2", contest, 1, python, script, variant);
    }
}
