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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The comparison of many streams, with stand-ins for both sides as in {@link ModelComparisonTest}. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the stand-in for Node.js is a shell script")
class LlamaStreamsTest {
    @TempDir
    private Path folder;

    /** Prints what {@code fathom bench streams} would. */
    static final class Fathom {
        public static void main(String[] args) {
            System.out.println("{\"kernels\":\"kernels: "
                    + String.join(" ", args).replace('\\', '/') + "\",\"tokensPerSecond\":60.0}");
        }
    }

    @Test
    void ratiosPairByPair() throws IOException {
        Files.createDirectories(folder.resolve("node_modules/node-llama-cpp"));
        Path model = Files.createFile(folder.resolve("m.gguf"));
        // 4 streams of 10 tokens, in the median in 2 s, if it is asked as it should be.
        Path node = Files.writeString(folder.resolve("node.sh"), """
                #!/bin/sh
                case "$*" in
                  --version) echo v99 ;;
                  *llama*.mjs*m.gguf" 4 20 10 3 2") grep -q "parallel sequences" "$1" || exit 1
                     echo '{"peer": "llama 1", "seconds": [9, 2, 1]}' ;;
                  *) echo "asked: $*" >&2; exit 1 ;;
                esac
                """);
        assertThat(node.toFile().setExecutable(true)).isTrue();
        List<String> said = new ArrayList<>();
        LlamaStreams.Result result = LlamaStreams.run(options(model, node.toString(), folder.toString()), said::add);

        assertThat(result.pairs()).hasSize(2);
        assertThat(result.llamaTokensPerSecond()).isCloseTo(20, within(1e-9));
        assertThat(result.ratio()).isCloseTo(3, within(1e-9));
        assertThat(result.llama()).isEqualTo("llama 1");
        assertThat(result.kernels())
                .contains(
                        "bench streams " + model,
                        "--streams 4 --prompt-tokens 20 --new-tokens 10 --runs 3 --json --kv f32");
        assertThat(said).hasSize(2);
        assertThatThrownBy(() -> LlamaStreams.run(options(model, node.toString(), null), line -> {}))
                .isInstanceOf(BenchException.class)
                .hasMessageContaining("FATHOM_LLAMA_NODE");
    }

    private static LlamaStreams.Options options(Path model, String node, @Nullable String folder) {
        return new LlamaStreams.Options(
                model,
                new Contest(Fathom.class.getName(), List.of("--kv", "f32"), 2, 2, 60),
                new StreamsBenchmark.Options(4, 20, 10, 3),
                node,
                folder);
    }
}
