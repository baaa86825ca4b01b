package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Test;

/** Accuracy over the whole range in units in the last place, and equality of vector and scalar twins to the bit. */
class VectorMathTest {
    private static final List<VectorSpecies<Float>> SPECIES =
            List.of(FloatVector.SPECIES_128, FloatVector.SPECIES_256, FloatVector.SPECIES_512);

    /** The error of {@code actual} in units of the last place of the float nearest to {@code exact}. */
    private static double ulps(float actual, double exact) {
        if (Float.isInfinite(actual)) {
            return (float) exact == actual ? 0 : Double.POSITIVE_INFINITY;
        }
        return Math.abs(actual - exact) / Math.ulp((float) exact);
    }

    @Test
    void expIsWithinOnePointOneUlpOverTheWholeRange() {
        double worst = 0;
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 2_000_000; i++) {
            float x = i < 1_000_000 ? -104f + 192.7f * i / 1_000_000 : (float) (random.nextDouble() * 2 - 1);
            worst = Math.max(worst, ulps(VectorMath.exp(x), StrictMath.exp(x)));
        }
        assertThat(worst).isLessThan(1.1);
    }

    @Test
    void expOfSpecialValues() {
        assertThat(VectorMath.exp(0f)).isEqualTo(1f);
        assertThat(VectorMath.exp(-0f)).isEqualTo(1f);
        assertThat(VectorMath.exp(Float.NEGATIVE_INFINITY)).isEqualTo(0f);
        assertThat(VectorMath.exp(-104f)).isEqualTo(0f);
        assertThat(VectorMath.exp(-3e38f)).isEqualTo(0f);
        assertThat(VectorMath.exp(-103.9f)).isEqualTo(Float.MIN_VALUE);
        assertThat(VectorMath.exp(88.72284f)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(VectorMath.exp(88.7228f)).isLessThan(Float.POSITIVE_INFINITY);
        assertThat(VectorMath.exp(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(VectorMath.exp(Float.NaN)).isNaN();
    }

    @Test
    void expGrowsWithItsArgument() {
        float previous = 0;
        for (float x = -104f; x < 88f; x += 1e-3f) {
            float y = VectorMath.exp(x);
            assertThat(y).isGreaterThanOrEqualTo(previous);
            previous = y;
        }
    }

    @Test
    void sigmoidIsWithinTwoAndAHalfUlp() {
        double worst = 0;
        for (int i = 0; i < 1_000_000; i++) {
            float x = -87f + 187f * i / 1_000_000;
            worst = Math.max(worst, ulps(VectorMath.sigmoid(x), 1 / (1 + StrictMath.exp(-(double) x))));
        }
        assertThat(worst).isLessThan(2.5);
        assertThat(VectorMath.sigmoid(Float.NEGATIVE_INFINITY)).isEqualTo(0f);
        assertThat(VectorMath.sigmoid(0f)).isEqualTo(0.5f);
        assertThat(VectorMath.sigmoid(Float.POSITIVE_INFINITY)).isEqualTo(1f);
    }

    @Test
    void logIsCorrectlyRoundedButForTies() {
        double worst = 0;
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 2_000_000; i++) {
            float x = i % 2 == 0
                    ? Float.intBitsToFloat(1 + random.nextInt(Float.floatToRawIntBits(Float.MAX_VALUE)))
                    : (float) (0.5 + random.nextDouble());
            worst = Math.max(worst, ulps(VectorMath.log(x), StrictMath.log(x)));
        }
        assertThat(worst).isLessThan(0.501);
        assertThat(VectorMath.log(1f)).isEqualTo(0f);
        assertThat(VectorMath.log(0f)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(VectorMath.log(-1f)).isNaN();
        assertThat(VectorMath.log(Float.NaN)).isNaN();
        assertThat(VectorMath.log(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
    }

    @Test
    void everyLaneOfEveryLengthHasTheBitsOfTheScalarTwin() {
        SplittableRandom random = new SplittableRandom(3);
        float[] special = {
            0f, -0f, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY, -104f, -103.9f, 88.72f, 89f, 1e-30f
        };
        float[] x = new float[1 << 16];
        for (int i = 0; i < x.length; i++) {
            x[i] = i < special.length ? special[i] : (float) (random.nextDouble() * 200 - 106);
        }
        float[] exponentials = new float[x.length];
        float[] sigmoids = new float[x.length];
        for (VectorSpecies<Float> species : SPECIES) {
            for (int i = 0; i < x.length; i += species.length()) {
                FloatVector v = FloatVector.fromArray(species, x, i);
                VectorMath.exp(v).intoArray(exponentials, i);
                VectorMath.sigmoid(v).intoArray(sigmoids, i);
            }
            for (int i = 0; i < x.length; i++) {
                assertThat(Float.floatToRawIntBits(exponentials[i]))
                        .as("exp(%s), %s", x[i], species)
                        .isEqualTo(Float.floatToRawIntBits(VectorMath.exp(x[i])));
                assertThat(Float.floatToRawIntBits(sigmoids[i]))
                        .as("sigmoid(%s), %s", x[i], species)
                        .isEqualTo(Float.floatToRawIntBits(VectorMath.sigmoid(x[i])));
            }
        }
    }

    @Test
    void expOfNoPositiveNumberHasTheBitsOfExp() {
        SplittableRandom random = new SplittableRandom(4);
        float[] special = {0f, -0f, -104f, -103.9f, -87.4f, -1e-30f, 1e-3f, 1f, Float.NaN};
        float[] x = new float[1 << 20];
        for (int i = 0; i < x.length; i++) {
            x[i] = i < special.length
                    ? special[i]
                    : (float) (-104 * (i % 2 == 0 ? random.nextDouble() : random.nextDouble() * 0.05));
        }
        float[] actual = new float[x.length];
        for (VectorSpecies<Float> species : SPECIES) {
            for (int i = 0; i < x.length; i += species.length()) {
                VectorMath.expNotPositive(FloatVector.fromArray(species, x, i)).intoArray(actual, i);
            }
            for (int i = 0; i < x.length; i++) {
                if (Float.floatToIntBits(actual[i]) != Float.floatToIntBits(VectorMath.exp(x[i]))) {
                    assertThat(actual[i]).as("exp(%s), %s", x[i], species).isEqualTo(VectorMath.exp(x[i]));
                }
            }
        }
    }
}
