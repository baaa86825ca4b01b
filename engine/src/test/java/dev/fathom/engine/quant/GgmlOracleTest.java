package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Decoders and encoders beside ggml's own, where FATHOM_GGML names a {@code libggml-base} (npm's node-llama-cpp has one for every system).
 */
class GgmlOracleTest {
    private static SymbolLookup ggml;

    @BeforeAll
    static void find() {
        String library = Objects.requireNonNullElse(System.getenv("FATHOM_GGML"), "");
        assumeTrue(Files.exists(Path.of(library)) && !library.isEmpty(), "FATHOM_GGML names no libggml-base");
        ggml = SymbolLookup.libraryLookup(Path.of(library), Arena.global());
    }

    private static MethodHandle function(String name) {
        return Linker.nativeLinker()
                .downcallHandle(
                        ggml.findOrThrow(name),
                        FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
    }

    private static String rowOf(QuantizedType type) {
        String name = type.name();
        return name.startsWith("IQ") ? name.toLowerCase(Locale.ROOT) : "q" + name.substring(1);
    }

    @ParameterizedTest
    @EnumSource(
            names = {"F32", "F16", "BF16"},
            mode = EnumSource.Mode.EXCLUDE)
    void decodesTheSameBits(QuantizedType type) throws Throwable {
        int blocks = 20_000;
        long count = (long) blocks * type.blockSize();
        MemorySegment source = QuantizedTypeTest.random(type, blocks, 0, new SplittableRandom(5));
        MemorySegment expected = Arena.ofAuto().allocate(4 * count);
        MemorySegment actual = Arena.ofAuto().allocate(4 * count);
        function("dequantize_row_" + rowOf(type)).invoke(source, expected, count);
        type.decode(source, 0, actual, 0, count);
        for (long i = 0; i < count; i++) {
            assertThat(Float.floatToIntBits(actual.get(Memory.FLOAT, 4 * i)))
                    .isEqualTo(Float.floatToIntBits(expected.get(Memory.FLOAT, 4 * i)));
        }
    }

    /** The same bytes, or in Q4_K, where the best integers are searched for, no larger error. */
    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K"})
    void encodesAsWell(QuantizedType type) throws Throwable {
        for (float deviation : new float[] {0.02f, 1e-4f, 30}) {
            float[] values = BlockEncoderTest.gaussian(3, 256 * 2000, deviation);
            MemorySegment ours = BlockEncoderTest.encode(type, values);
            MemorySegment floats = Arena.ofAuto().allocate(4L * values.length);
            MemorySegment.copy(values, 0, floats, Memory.FLOAT, 0, values.length);
            MemorySegment theirs = Arena.ofAuto().allocate(type.bytes(values.length));
            function("quantize_row_" + rowOf(type) + "_ref").invoke(floats, theirs, (long) values.length);
            double mine = error(type, ours, values);
            double reference = error(type, theirs, values);
            assertThat(mine).isLessThanOrEqualTo(reference).isGreaterThan(reference * 0.9);
            if (type != QuantizedType.Q4_K) {
                assertThat(ours.mismatch(theirs)).as("first differing byte").isEqualTo(-1);
            }
        }
    }

    private static double error(QuantizedType type, MemorySegment blocks, float[] values) {
        MemorySegment decoded = Arena.ofAuto().allocate(4L * values.length);
        type.decode(blocks, 0, decoded, 0, values.length);
        double error = 0;
        double power = 0;
        for (int i = 0; i < values.length; i++) {
            error += Math.pow(decoded.get(Memory.FLOAT, 4L * i) - values[i], 2);
            power += Math.pow(values[i], 2);
        }
        return Math.sqrt(error / power);
    }
}
