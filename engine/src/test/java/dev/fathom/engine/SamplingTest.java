package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** {@link Kernels#sample}: its log-probabilities, its distribution and its extremes. */
class SamplingTest {
    private static final float JUST_BELOW_ONE = Math.nextDown(1f);

    private static final WorkerPool POOL = new WorkerPool(2);
    private static final Kernels KERNELS = new VectorKernels(POOL);

    @AfterAll
    static void close() {
        POOL.close();
    }

    private static Tensor filled(int rows, float value) {
        float[] values = new float[rows];
        Arrays.fill(values, value);
        return Tensor.of(values, rows);
    }

    private static int sample(float[] logits, float temperature, float uniform) {
        Tensor tokens = Tensor.zeros(DType.I32, 1);
        Tensor row = Tensor.of(logits, 1, logits.length);
        KERNELS.sample(row, filled(1, temperature), filled(1, uniform), tokens, Tensor.zeros(DType.F32, 1));
        return tokens.getInt(0, 0);
    }

    @Test
    void logProbabilityIsThatOfTrainingToTheBit() {
        Random random = new Random(1);
        for (int vocabulary : new int[] {1, 2, 15, 16, 17, 100, 255, 256, 257, 1000}) {
            for (float temperature : new float[] {0, 0.6f, 1, 1.7f}) {
                int rows = 40;
                Tensor logits = Tensors.any(random, rows, vocabulary);
                Tensor uniforms = Tensor.zeros(DType.F32, rows);
                for (int n = 0; n < rows; n++) {
                    uniforms.set(0, n, random.nextFloat());
                }
                Tensor tokens = Tensor.zeros(DType.I32, rows);
                Tensor sampled = Tensor.zeros(DType.F32, rows);
                Tensor trained = Tensor.zeros(DType.F32, rows);
                KERNELS.sample(logits, filled(rows, temperature), uniforms, tokens, sampled);
                float inverse = temperature == 0 ? 1 : 1 / temperature;
                KERNELS.logProbs(logits, tokens, inverse, trained, null, null, null);
                Tensors.assertSameBits("log-probability", sampled, trained);
            }
        }
    }

    @Test
    void temperatureZeroTakesTheLargestAndTheFirstOfEquals() {
        assertThat(sample(new float[] {1, 3, -2, 3, 0}, 0, JUST_BELOW_ONE)).isEqualTo(1);
    }

    @Test
    void frequenciesFollowTheDistribution() {
        int vocabulary = 300;
        int draws = 200_000;
        Random random = new Random(2);
        Tensor row = Tensors.normal(random, 1, vocabulary);
        float temperature = 0.8f;
        double[] expected = ReferenceKernels.logSoftmax(row, 0, 1 / temperature);
        int[] counts = new int[vocabulary];
        int batch = 1000;
        Tensor logits = Tensor.zeros(DType.F32, batch, vocabulary);
        Tensor tokens = Tensor.zeros(DType.I32, batch);
        Tensor uniforms = Tensor.zeros(DType.F32, batch);
        for (int n = 0; n < batch; n++) {
            logits.rows(n, n + 1).copyFrom(row);
        }
        for (int i = 0; i < draws / batch; i++) {
            for (int n = 0; n < batch; n++) {
                uniforms.set(0, n, Philox.uniform(7, 1, i, n));
            }
            KERNELS.sample(logits, filled(batch, temperature), uniforms, tokens, Tensor.zeros(DType.F32, batch));
            for (int token : tokens.toInts()) {
                counts[token]++;
            }
        }
        double chiSquare = 0;
        for (int i = 0; i < vocabulary; i++) {
            double mean = draws * Math.exp(expected[i]);
            chiSquare += (counts[i] - mean) * (counts[i] - mean) / mean;
        }
        // 299 degrees of freedom: mean 299, standard deviation 24.5.
        assertThat(chiSquare).isBetween(200.0, 400.0);
    }

    @Test
    void agreesWithTheReferenceWalkThroughTheTokens() {
        Random random = new Random(4);
        Kernels reference = new ReferenceKernels();
        int rows = 2000;
        Tensor logits = Tensors.normal(random, rows, 700);
        Tensor uniforms = Tensor.zeros(DType.F32, rows);
        for (int n = 0; n < rows; n++) {
            uniforms.set(0, n, random.nextFloat());
        }
        Tensor actual = Tensor.zeros(DType.I32, rows);
        Tensor expected = Tensor.zeros(DType.I32, rows);
        Tensor sink = Tensor.zeros(DType.F32, rows);
        KERNELS.sample(logits, filled(rows, 1), uniforms, actual, sink);
        reference.sample(logits, filled(rows, 1), uniforms, expected, sink);
        int different = 0;
        for (int n = 0; n < rows; n++) {
            int distance = Math.abs(actual.getInt(0, n) - expected.getInt(0, n));
            assertThat(distance).isLessThanOrEqualTo(1); // a uniform within rounding of a boundary
            different += distance;
        }
        assertThat(different).isLessThanOrEqualTo(2);
    }

    @Test
    void aTokenWithoutProbabilityIsNeverTaken() {
        Random random = new Random(5);
        for (int round = 0; round < 300; round++) {
            int vocabulary = 1 + random.nextInt(600);
            float[] logits = new float[vocabulary];
            Arrays.fill(logits, -1e4f);
            logits[random.nextInt(vocabulary)] = Float.NEGATIVE_INFINITY;
            int possible = random.nextInt(vocabulary);
            logits[possible] = 1e4f;
            int second = random.nextInt(vocabulary);
            logits[second] = 1e4f - 1;
            for (float uniform : new float[] {0, 0.5f, JUST_BELOW_ONE}) {
                assertThat(sample(logits, 1, uniform)).isIn(possible, second);
            }
        }
    }

    @Test
    void theEndsOfTheUniformRange() {
        float[] logits = new float[777];
        assertThat(sample(logits, 1, 0)).isEqualTo(0);
        assertThat(sample(logits, 1, JUST_BELOW_ONE)).isEqualTo(776);
        logits[0] = Float.NEGATIVE_INFINITY;
        logits[776] = -1e4f;
        assertThat(sample(logits, 1, 0)).isEqualTo(1);
        assertThat(sample(logits, 1, JUST_BELOW_ONE)).isEqualTo(775);
    }

    @Test
    void whatIsNoDistributionIsAnErrorThatNamesTheRow() {
        assertThatThrownBy(() -> sample(new float[] {0, Float.NaN}, 1, 0.5f)).hasMessageContaining("row 0");
        assertThatThrownBy(() -> sample(new float[] {0, 0}, -1, 0.5f)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> sample(new float[] {0, 0}, 1, 1f)).hasMessageContaining("uniform");
    }
}
