package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BlockEncoderTest {
    /** Relative root mean square errors of Gaussian weights; ggml's reference quantizers have 5.34e-3, 0.0857 and 0.0713 (GgmlOracleTest). */
    private static double expectedError(QuantizedType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 2.5e-4;
            case BF16 -> 2e-3;
            case Q8_0 -> 5.4e-3;
            case Q4_0 -> 0.0865;
            case Q4_K -> 0.0717;
            default -> throw new AssertionError(type);
        };
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"})
    void errorsAreSmall(QuantizedType type) {
        float[] values = gaussian(7, 256 * 200, 0.02f);
        float[] decoded = roundTrip(type, values);
        double error = 0;
        double power = 0;
        for (int i = 0; i < values.length; i++) {
            error += Math.pow(decoded[i] - values[i], 2);
            power += Math.pow(values[i], 2);
        }
        assertThat(Math.sqrt(error / power)).isLessThanOrEqualTo(expectedError(type));
    }

    /** What a type can hold exactly comes back exactly. */
    @Test
    void keepsWhatFits() {
        float[] values = new float[256];
        for (int i = 0; i < 256; i++) {
            values[i] = 63 * (0.5f * (i % 16) - 2); // scale 63 and min 63 times powers of two
        }
        assertThat(roundTrip(QuantizedType.Q4_K, values)).containsExactly(values);
        for (int i = 0; i < 256; i++) {
            values[i] = i % 16 - 8;
        }
        assertThat(roundTrip(QuantizedType.Q4_0, values)).containsExactly(values);
        for (int i = 0; i < 256; i++) {
            values[i] = i % 32 == 0 ? -127 : i - 127 - (i == 255 ? 1 : 0);
        }
        assertThat(roundTrip(QuantizedType.Q8_0, values)).containsExactly(values);
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"})
    void zerosAndConstantsSurvive(QuantizedType type) {
        for (float zero : roundTrip(type, new float[256])) {
            assertThat(zero == 0).isTrue(); // of either sign
        }
        for (float constant : new float[] {1, -1, 0.75f, -1e-3f}) {
            for (float value : roundTrip(type, filled(constant))) {
                assertThat(value).isCloseTo(constant, Percentage.withPercentage(1));
            }
        }
        for (float value : roundTrip(type, filled(3e-8f))) {
            assertThat(value).isBetween(-8e-6f, 8e-6f); // 127 times the smallest binary16
        }
    }

    private static float[] filled(float value) {
        float[] values = new float[256];
        Arrays.fill(values, value);
        return values;
    }

    @Test
    void refusesWhatDoesNotFit() {
        float[] large = new float[32];
        large[3] = 1e8f;
        assertThatThrownBy(() -> roundTrip(QuantizedType.Q8_0, large)).hasMessageContaining("65504");
        assertThatThrownBy(() -> roundTrip(QuantizedType.F16, large)).hasMessageContaining("1.0E8");
        float[] nan = new float[256];
        nan[200] = Float.NaN;
        assertThatThrownBy(() -> roundTrip(QuantizedType.Q4_K, nan)).hasMessageContaining("NaN");
        assertThatThrownBy(() -> roundTrip(QuantizedType.Q5_K, nan)).hasMessageContaining("cannot write Q5_K");
        assertThatThrownBy(() -> roundTrip(QuantizedType.Q4_K, large)).hasMessageContaining("32 elements");
    }

    static float[] gaussian(long seed, int count, float deviation) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = deviation * (float) random.nextGaussian();
        }
        return values;
    }

    private static float[] roundTrip(QuantizedType type, float[] values) {
        MemorySegment blocks = encode(type, values);
        MemorySegment decoded = Arena.ofAuto().allocate(4L * values.length);
        type.decode(blocks, 0, decoded, 0, values.length);
        return decoded.toArray(ValueLayout.JAVA_FLOAT);
    }

    static MemorySegment encode(QuantizedType type, float[] values) {
        BlockEncoder encoder = new BlockEncoder(type);
        MemorySegment source = Arena.ofAuto().allocate(4L * values.length);
        MemorySegment.copy(values, 0, source, Memory.FLOAT, 0, values.length);
        MemorySegment blocks = Arena.ofAuto().allocate(type.bytes(values.length));
        encoder.encode(source, 0, blocks, 0, values.length);
        return blocks;
    }
}
