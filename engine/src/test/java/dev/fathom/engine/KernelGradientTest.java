package dev.fathom.engine;

import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** The backward passes of {@link VectorKernels} against central differences of the forward passes of {@link ReferenceKernels}. */
class KernelGradientTest {
    private static final WorkerPool POOL = new WorkerPool(2);
    private static final Kernels VECTOR = new VectorKernels(POOL);
    private static final Kernels REFERENCE = new ReferenceKernels();

    private final Random random = new Random(17);

    @AfterAll
    static void close() {
        POOL.close();
    }

    private static Tensor zeros(long... shape) {
        return Tensor.zeros(DType.F32, shape);
    }

    @Test
    void embedding() {
        Tensor table = Tensors.normal(random, 4, 19);
        Tensor ids = Tensor.of(new int[] {2, 0, 2, 3, 2});
        Tensor weights = Tensors.normal(random, 5, 19);
        Tensor out = zeros(5, 19);
        Tensor gradient = zeros(4, 19);
        VECTOR.embeddingBackward(weights, ids, gradient);
        Tensors.assertGradient("table", table, gradient, () -> {
            REFERENCE.embedding(table, ids, out);
            return Tensors.weightedSum(weights, out);
        });
    }

    @Test
    void rmsNorm() {
        Tensor x = Tensors.normal(random, 3, 21);
        Tensor weight = Tensors.normal(random, 21);
        Tensor weights = Tensors.normal(random, 3, 21);
        Tensor inverse = zeros(3);
        Tensor y = zeros(3, 21);
        Tensor dx = zeros(3, 21);
        Tensor dWeight = zeros(21);
        VECTOR.rmsNorm(x, null, weight, 1e-3f, null, y, inverse);
        VECTOR.rmsNormBackward(weights, x, weight, inverse, dx, true, dWeight);
        Tensors.assertGradient("x", x, dx, () -> {
            REFERENCE.rmsNorm(x, null, weight, 1e-3f, null, y, inverse);
            return Tensors.weightedSum(weights, y);
        });
        Tensors.assertGradient("weight", weight, dWeight, () -> {
            REFERENCE.rmsNorm(x, null, weight, 1e-3f, null, y, inverse);
            return Tensors.weightedSum(weights, y);
        });
    }

    @Test
    void rmsNormHeads() {
        Tensor x = Tensors.normal(random, 3, 2 * 19);
        Tensor weight = Tensors.normal(random, 19);
        Tensor weights = Tensors.normal(random, 3, 2 * 19);
        Tensor inverse = zeros(3, 2);
        Tensor y = zeros(3, 2 * 19);
        Tensor dx = zeros(3, 2 * 19);
        Tensor dWeight = zeros(19);
        VECTOR.rmsNormHeads(x, 2, weight, 1e-3f, y, inverse);
        VECTOR.rmsNormHeadsBackward(weights, x, 2, weight, inverse, dx, dWeight);
        DoubleSupplier loss = () -> {
            REFERENCE.rmsNormHeads(x, 2, weight, 1e-3f, y, inverse);
            return Tensors.weightedSum(weights, y);
        };
        Tensors.assertGradient("x", x, dx, loss);
        Tensors.assertGradient("weight", weight, dWeight, loss);
    }

    @Test
    void layerNorm() {
        Tensor x = Tensors.normal(random, 3, 21);
        Tensor weight = Tensors.normal(random, 21);
        Tensor bias = Tensors.normal(random, 21);
        Tensor weights = Tensors.normal(random, 3, 21);
        Tensor mean = zeros(3);
        Tensor inverse = zeros(3);
        Tensor y = zeros(3, 21);
        Tensor dx = zeros(3, 21);
        Tensor dWeight = zeros(21);
        Tensor dBias = zeros(21);
        VECTOR.layerNorm(x, null, weight, bias, 1e-3f, null, y, mean, inverse);
        VECTOR.layerNormBackward(weights, x, weight, mean, inverse, dx, dWeight, dBias);
        DoubleSupplier loss = () -> {
            REFERENCE.layerNorm(x, null, weight, bias, 1e-3f, null, y, mean, inverse);
            return Tensors.weightedSum(weights, y);
        };
        Tensors.assertGradient("x", x, dx, loss);
        Tensors.assertGradient("weight", weight, dWeight, loss);
        Tensors.assertGradient("bias", bias, dBias, loss);
    }

    @Test
    void geluAndItsBias() {
        Tensor x = Tensors.normal(random, 3, 19);
        Tensor bias = Tensors.normal(random, 19);
        Tensor weights = Tensors.normal(random, 3, 19);
        Tensor out = zeros(3, 19);
        Tensor dx = zeros(3, 19);
        Tensor dBias = zeros(19);
        VECTOR.geluBackward(weights, x, bias, dx);
        VECTOR.addBiasBackward(dx, dBias);
        DoubleSupplier loss = () -> {
            REFERENCE.gelu(x, bias, out);
            return Tensors.weightedSum(weights, out);
        };
        Tensors.assertGradient("x", x, dx, loss);
        Tensors.assertGradient("bias", bias, dBias, loss);
    }

    @Test
    void swiGlu() {
        Tensor gateUp = Tensors.normal(random, 3, 2 * 19);
        Tensor weights = Tensors.normal(random, 3, 19);
        Tensor out = zeros(3, 19);
        Tensor gradient = zeros(3, 2 * 19);
        VECTOR.swiGluBackward(weights, gateUp, gradient);
        Tensors.assertGradient("gateUp", gateUp, gradient, () -> {
            REFERENCE.swiGlu(gateUp, out);
            return Tensors.weightedSum(weights, out);
        });
    }

    @Test
    void routerGatesAndBalanceLoss() {
        for (boolean normalize : new boolean[] {true, false}) {
            // All experts chosen: the choice, which has no gradient, cannot change under a difference.
            Routing routing = new Routing(6, 6, 1, 1, normalize, 2.5f);
            Segments segments = Segments.packed(new int[] {2, 3});
            Tensor logits = Tensors.normal(random, 5, 6);
            Tensor bias = zeros(6);
            Tensor weights = Tensors.normal(random, 5, 6);
            VectorKernelsTest.Routed routed = VectorKernelsTest.Routed.of(VECTOR, logits, bias, routing);
            Tensor dScores = zeros(5, 6);
            VECTOR.balanceLoss(routed.scores(), routed.chosen(), routing, segments, 0.5f, dScores);
            Tensor gradient = zeros(5, 6);
            VECTOR.routeBackward(weights, dScores, routed.scores(), routed.chosen(), routed.gates(), routing, gradient);
            Tensor unused = zeros(5, 6);
            Tensors.assertGradient("logits", logits, gradient, () -> {
                var now = VectorKernelsTest.Routed.of(REFERENCE, logits, bias, routing);
                double loss = REFERENCE.balanceLoss(now.scores(), now.chosen(), routing, segments, 0.5f, unused);
                // A difference may swap ranks; the weights belong to the rank an expert had.
                for (int n = 0; n < 5; n++) {
                    for (int rank = 0; rank < 6; rank++) {
                        for (int other = 0; other < 6; other++) {
                            if (now.chosen().getInt(n, other) == routed.chosen().getInt(n, rank)) {
                                loss += (double) weights.get(n, rank)
                                        * now.gates().get(n, other);
                            }
                        }
                    }
                }
                return loss;
            });
        }
    }

    @Test
    void experts() {
        Tensor chosen = Tensor.of(new int[] {0, 2, 2, 1, 1, 0}).reshape(3, 2);
        Tensor rowOf = Tensor.zeros(DType.I32, 3, 2);
        Tensor tokenOf = Tensor.zeros(DType.I32, 6);
        VECTOR.sortByExpert(chosen, 3, rowOf, tokenOf);
        Tensor x = Tensors.normal(random, 3, 17);
        Tensor gates = Tensors.normal(random, 3, 2);
        Tensor weights = Tensors.normal(random, 3, 17);
        Tensor sorted = zeros(6, 17);
        Tensor y = zeros(3, 17);
        VECTOR.gather(x, tokenOf, sorted);
        Tensor dSorted = zeros(6, 17);
        Tensor dGates = zeros(3, 2);
        Tensor dx = zeros(3, 17);
        VECTOR.combineBackward(weights, sorted, rowOf, gates, dSorted, dGates);
        VECTOR.gatherBackward(dSorted, rowOf, dx, true);
        Tensors.assertGradient("x", x, dx, () -> {
            REFERENCE.gather(x, tokenOf, sorted);
            REFERENCE.combine(null, sorted, rowOf, gates, y);
            return Tensors.weightedSum(weights, y);
        });
        REFERENCE.gather(x, tokenOf, sorted);
        Tensors.assertGradient("gates", gates, dGates, () -> {
            REFERENCE.combine(null, sorted, rowOf, gates, y);
            return Tensors.weightedSum(weights, y);
        });
    }

    @Test
    void logProbs() {
        Tensor logits = Tensors.normal(random, 3, 23);
        Tensor targets = Tensor.of(new int[] {5, -1, 22});
        Tensor weights = Tensors.normal(random, 3);
        Tensor logProbs = zeros(3);
        Tensor gradient = Tensors.copy(logits);
        VectorKernelsTest.dLogits(VECTOR, gradient, targets, 0.7f, weights, gradient);
        Tensors.assertGradient("logits", logits, gradient, () -> {
            REFERENCE.logProbs(logits, targets, 0.7f, logProbs, null, null, null);
            return Tensors.weightedSum(weights, logProbs);
        });
    }
}
