package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The comparison of models, with stand-ins for both sides: a shell script in the place of Node.js, and a class in that of Fathom. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the stand-in for Node.js is a shell script")
class ModelComparisonTest {
    @TempDir
    private Path folder;

    private Path model;
    private Path node;

    /** Prints what {@code fathom bench decode} would: 100 tokens in 2 s, then 10 in a second. */
    static final class Fathom {
        public static void main(String[] args) {
            System.out.println(
                    "{\"kernels\":\"kernels: " + String.join(" ", args).replace('\\', '/')
                            + "\",\"storedWeights\":\"AVX-512\",\"loadSeconds\":0.5,\"firstTokenSeconds\":1.5,"
                            + "\"promptRunSeconds\":[2.0],\"runSeconds\":[1.0],\"peak\":{\"readGigabytesPerSecond\":40.0}}");
        }
    }

    @BeforeEach
    void standIns() throws IOException {
        Files.createDirectories(folder.resolve("node_modules/node-llama-cpp"));
        model = Files.createFile(folder.resolve("m.gguf"));
        // Takes twice as long for prompts and 1.5 times as long for new tokens, if it is asked as it should be.
        node = executable("""
                case "$*" in
                  --version) echo v99 ;;
                  *llama*.mjs*m.gguf" 100 10 1 3 2") grep -q node-llama-cpp "$1" || exit 1; echo noise
                     echo '{"peer": "llama 1", "loadSeconds": 1, "firstTokenSeconds": 3, "promptRunSeconds": [9, 4, 1], "runSeconds": [1.5, 1, 7]}' ;;
                  *) echo "asked: $*" >&2; exit 1 ;;
                esac
                """);
    }

    @Test
    void ratiosPairByPairAndTheirMedians() {
        List<String> said = new ArrayList<>();
        ModelComparison.Result result = ModelComparison.run(options(node.toString(), folder.toString()), said::add);

        assertThat(result.pairs()).hasSize(2);
        assertThat(result.fathom().promptTokensPerSecond()).isCloseTo(50, within(1e-9));
        assertThat(result.llama().promptTokensPerSecond()).isCloseTo(25, within(1e-9));
        assertThat(result.promptRatio()).isCloseTo(2, within(1e-9));
        assertThat(result.ratio()).isCloseTo(1.5, within(1e-9));
        assertThat(result.firstTokenRatio()).isCloseTo(2, within(1e-9));
        assertThat(result.pairs().getFirst().readGigabytesPerSecond()).isEqualTo(40);
        assertThat(result.peer()).isEqualTo("llama 1");
        assertThat(result.kernels())
                .contains(
                        "bench decode " + model,
                        "--prompt-tokens 100 --new-tokens 10 --warmup 1 --runs 3 --json --precision f32");
        assertThat(said).hasSize(2);
        assertThat(said.getLast()).contains("pair 2 of 2", "1.50 new", "2.00 prompt", "2.00 first token");
        assertThat(ReportText.of(result).getFirst()).contains("m.gguf", "1.50", "2.00");
    }

    @Test
    void whatIsMissingIsNamed() {
        assertMissing(options(node.toString(), null), "FATHOM_LLAMA_NODE");
        assertMissing(options(node.toString(), folder.resolve("empty").toString()), "empty", "FATHOM_LLAMA_NODE");
        assertMissing(options("/no/such/node", folder.toString()), "/no/such/node", "Node.js");
    }

    @Test
    void whatFailsSaysWhy() throws IOException {
        assertMissing(options(executable("echo hello").toString(), folder.toString()), "printed no times", "hello");
        Path failing = executable("[ $1 = --version ] && exit 0; echo 'no such tensor' >&2; exit 1");
        assertMissing(options(failing.toString(), folder.toString()), "m.gguf", "no such tensor");
    }

    private static void assertMissing(ModelComparison.Options options, String... words) {
        assertThatThrownBy(() -> ModelComparison.run(options, line -> {}))
                .isInstanceOf(BenchException.class)
                .satisfies(thrown -> assertThat(thrown.getMessage()).contains(words));
    }

    private Path executable(String body) throws IOException {
        Path file = Files.createTempFile(folder, "node", ".sh");
        Files.writeString(file, "#!/bin/sh\n" + body);
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file;
    }

    private ModelComparison.Options options(String program, @Nullable String module) {
        return new ModelComparison.Options(
                model,
                new Contest(Fathom.class.getName(), List.of("--precision", "f32"), 2, 2, 60),
                new InferenceBenchmark.Options(100, 10, 1, 3),
                program,
                module);
    }
}
