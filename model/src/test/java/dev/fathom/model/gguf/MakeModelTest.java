package dev.fathom.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Memory;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.inspect.ModelSummary;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Models written and decoded by independent code in Python: {@code make_model.py} and {@code ref_logits.py} of the benchmarks beside the
 * repository, or where FATHOM_SHARED says. They need python3 with numpy.
 */
class MakeModelTest {
    private static final Path BENCH =
            Path.of(Objects.requireNonNullElse(System.getenv("FATHOM_SHARED"), "../../shared"), "bench");

    /** Prints name, type, shape and decoded values of each tensor: lines of text, then float64 values in one file. */
    private static final String DECODE = """
            import sys, numpy
            sys.path.insert(0, sys.argv[1])
            sys.dont_write_bytecode = True
            import ref_logits
            meta, tensors = ref_logits.read_gguf(sys.argv[2])
            with open(sys.argv[3], "wb") as out:
                for name, values in tensors.items():
                    print(name, *values.shape)
                    out.write(numpy.ascontiguousarray(values).tobytes())
            """;

    @TempDir
    Path folder;

    @BeforeAll
    static void find() throws Exception {
        assumeTrue(Files.exists(BENCH.resolve("make_model.py")), () -> "no make_model.py in " + BENCH.toAbsolutePath());
        assumeTrue(run(List.of("python3", "-c", "import numpy")) != null, "no python3 with numpy");
    }

    @ParameterizedTest
    @CsvSource({
        "tiny-llama, F32",
        "tiny-qwen2, F16",
        "tiny-ds2, BF16",
        "tiny-ds3, Q8_0",
        "tiny-ds3, Q4_0",
        "tiny-ds2, Q4_K",
        "tiny-llama, Q6_K"
    })
    void decodesWhatOthersDecode(String shape, QuantizedType type) throws Exception {
        Path file = folder.resolve("model.gguf");
        run(List.of(
                "python3",
                "-B",
                BENCH.resolve("make_model.py").toString(),
                shape,
                type.name(),
                "--out",
                file.toString()));
        Path decoded = folder.resolve("decoded");
        String lines =
                run(List.of("python3", "-B", "-c", DECODE, BENCH.toString(), file.toString(), decoded.toString()));
        ByteBuffer expected = ByteBuffer.wrap(Files.readAllBytes(decoded)).order(ByteOrder.LITTLE_ENDIAN);

        Gguf model = Gguf.open(file);
        List<String> found = new ArrayList<>();
        long parameters = 0;
        for (GgufTensor tensor : model.tensors()) {
            StringBuilder line = new StringBuilder(tensor.name());
            tensor.shape().forEach(dimension -> line.append(' ').append(dimension));
            found.add(line.toString());
            parameters += tensor.size();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment floats = arena.allocate(4 * tensor.size(), 4);
                tensor.type().decode(tensor.data(), 0, floats, 0, tensor.size());
                for (long i = 0; i < tensor.size(); i++) {
                    // In float64 these formulas are exact, so rounding the result once is what a decoder must do.
                    float value = (float) expected.getDouble();
                    if (floats.get(Memory.FLOAT, 4 * i) != value) {
                        assertThat(floats.get(Memory.FLOAT, 4 * i))
                                .as("%s[%d]", tensor.name(), i)
                                .isEqualTo(value);
                    }
                }
            }
        }
        assertThat(found).isEqualTo(lines.lines().toList());
        assertThat(expected.hasRemaining()).isFalse();
        assertThat(model.tensors()).anyMatch(tensor -> tensor.type() == type);
        assertThat(ModelSummary.of(file).parameters()).isEqualTo(parameters);
    }

    /** Standard output of a command, or null if it fails. */
    private static String run(List<String> command) throws IOException, InterruptedException {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return process.waitFor() == 0 ? output : null;
        } catch (IOException e) {
            return null; // no such program
        }
    }
}
