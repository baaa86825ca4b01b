package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** {@link AdamW} and {@link Muon} over {@link Parameters}. */
class OptimizerTest {
    private static final WorkerPool POOL = new WorkerPool(2);
    private static final Kernels KERNELS = new VectorKernels(POOL);

    @AfterAll
    static void close() {
        POOL.close();
    }

    private static AdamW adamW(double clipNorm) {
        return new AdamW(KERNELS, 0.9f, 0.95f, 1e-8f, 0.1f, clipNorm);
    }

    private static Parameters parameters() {
        return new Parameters.Builder()
                .add("matrix", true, Initializer.normal(0.5), 5, 7)
                .add("norm", false, Initializer.ones(), 7)
                .addUntrained("bias", Initializer.zeros(), 3)
                .add("wide", true, Initializer.normal(0.5), 3, 40)
                .build(1, POOL);
    }

    @Test
    void adamWFollowsTheEquationsWithClippingAndDecayOnMatricesOnly() {
        Parameters parameters = parameters();
        Random random = new Random(2);
        String[] names = {"matrix", "norm", "wide"};
        double[][] p = new double[3][];
        double[][] m = new double[3][];
        double[][] v = new double[3][];
        for (int i = 0; i < 3; i++) {
            float[] start = parameters.get(names[i]).value().toFloats();
            p[i] = new double[start.length];
            m[i] = new double[start.length];
            v[i] = new double[start.length];
            for (int j = 0; j < start.length; j++) {
                p[i][j] = start[j];
            }
        }
        for (int step = 1; step <= 7; step++) {
            parameters.zeroGradients();
            double squares = 0;
            for (String name : names) {
                Tensors.fill(random, parameters.get(name).gradient());
                for (float g : parameters.get(name).gradient().toFloats()) {
                    squares += (double) g * g;
                }
            }
            double norm = adamW(1).step(parameters, 0.01f, step);
            assertThat(norm).isCloseTo(Math.sqrt(squares), Offset.offset(1e-5));
            for (int i = 0; i < 3; i++) {
                float[] gradients = parameters.get(names[i]).gradient().toFloats();
                for (int j = 0; j < gradients.length; j++) {
                    double g = gradients[j] * Math.min(1, 1 / norm);
                    m[i][j] = 0.9 * m[i][j] + 0.1 * g;
                    v[i][j] = 0.95 * v[i][j] + 0.05 * g * g;
                    double update = m[i][j]
                            / (1 - Math.pow(0.9, step))
                            / (Math.sqrt(v[i][j] / (1 - Math.pow(0.95, step))) + 1e-8);
                    p[i][j] -= 0.01 * ((i == 1 ? 0 : 0.1) * p[i][j] + update);
                    float actual = parameters.get(names[i]).value().toFloats()[j];
                    assertThat((double) actual).isCloseTo(p[i][j], Offset.offset(2e-5));
                }
            }
        }
        assertThat(parameters.get("bias").value().toFloats()).containsOnly(0);
        assertPaddingIsZero(parameters);
    }

    private static void assertPaddingIsZero(Parameters parameters) {
        for (Tensor flat : new Tensor[] {
            parameters.values(), parameters.gradients(), parameters.firstMoments(), parameters.secondMoments()
        }) {
            Parameter matrix = parameters.get("matrix");
            for (long i = matrix.offset() + matrix.size();
                    i < parameters.get("norm").offset();
                    i++) {
                assertThat(flat.get(0, i)).isZero();
            }
        }
    }

    @Test
    void aGradientThatIsNotFiniteChangesNothingAndIsNamed() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            Parameters parameters = parameters();
            float[] before = parameters.values().toFloats();
            parameters.get("wide").gradient().set(1, 2, bad);
            assertThatThrownBy(() -> adamW(1).step(parameters, 0.01f, 3))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("step 3")
                    .hasMessageContaining("wide");
            assertThat(parameters.values().toFloats()).isEqualTo(before);
        }
    }

    @Test
    void settingsOutOfRangeAreErrors() {
        assertThatThrownBy(() -> new AdamW(KERNELS, 1f, 0.9f, 1e-8f, 0, 1)).hasMessageContaining("beta1=1.0");
        assertThatThrownBy(() -> new AdamW(KERNELS, 0.9f, 0.9f, 0, 0, 1)).hasMessageContaining("eps=0.0");
    }

    /** Singular values of the update, by the reference way: a small matrix times its transpose must be near the identity. */
    @Test
    void muonUpdatesHaveSingularValuesNearOne() {
        try (Gemm gemm = new VectorGemm(Precision.F32, POOL)) {
            for (long[] shape : new long[][] {{12, 40}, {40, 12}, {3, 16, 24}, {3, 24, 16}}) {
                Parameters parameters = new Parameters.Builder()
                        .add("matrix", true, Initializer.zeros(), shape)
                        .add("norm", false, Initializer.ones(), 7)
                        .build(1, POOL);
                Parameter matrix = parameters.get("matrix");
                Tensors.fill(new Random(3), matrix.gradient());
                Muon muon = new Muon(adamW(Double.POSITIVE_INFINITY), gemm, p -> p == matrix, 0.95f, Muon.DEEPSEEK_V4);
                muon.step(parameters, 1, 1);
                int n = (int) shape[shape.length - 2];
                int m = (int) shape[shape.length - 1];
                double scale = 0.18 * Math.sqrt(Math.max(n, m));
                for (int g = 0; g < matrix.size() / (n * m); g++) {
                    Tensor update = matrix.value().reshape(matrix.size()).slice((long) g * n * m, n, m);
                    for (int i = 0; i < Math.min(n, m); i++) {
                        for (int j = 0; j < Math.min(n, m); j++) {
                            double dot = 0;
                            for (int k = 0; k < Math.max(n, m); k++) {
                                dot += n <= m
                                        ? (double) update.get(i, k) * update.get(j, k)
                                        : (double) update.get(k, i) * update.get(k, j);
                            }
                            assertThat(dot / (scale * scale)).isCloseTo(i == j ? 1 : 0, Offset.offset(0.02));
                        }
                    }
                    // Against the gradient: the update lowers the loss.
                    Tensor gradient = matrix.gradient().reshape(matrix.size()).slice((long) g * n * m, n, m);
                    assertThat(Tensors.weightedSum(gradient, update)).isNegative();
                }
                assertThat(parameters.get("norm").value().toFloats()).containsOnly(1); // no gradient, no decay
            }
        }
    }

    @Test
    void muonKeepsMomentumAndDecaysMatrices() {
        try (Gemm gemm = new VectorGemm(Precision.F32, POOL)) {
            Parameters parameters = new Parameters.Builder()
                    .add("matrix", true, Initializer.ones(), 4, 4)
                    .build(1, POOL);
            Muon muon = new Muon(adamW(Double.POSITIVE_INFINITY), gemm, p -> true, 0.95f, Muon.JORDAN);
            muon.step(parameters, 0.5f, 1); // a zero gradient: only decay
            assertThat(parameters.values().get(0, 0)).isCloseTo(0.95f, Offset.offset(1e-6f));
            Tensors.fill(new Random(1), parameters.get("matrix").gradient());
            float[] gradient = parameters.get("matrix").gradient().toFloats();
            muon.step(parameters, 0.1f, 2);
            muon.step(parameters, 0.1f, 3);
            assertThat(parameters.firstMoments().get(0, 0)).isCloseTo(1.95f * gradient[0], Offset.offset(1e-5f));
        }
    }
}
