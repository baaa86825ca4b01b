package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Bits of a row do not depend on the batch, its place or the threads; bits of gradients do not depend on the threads. */
class KernelInvarianceTest {
    private static final Routing ROUTING = new Routing(40, 5, 4, 2, true, 2.5f);
    private static final int ROWS = 1500; // several tasks for every operation
    private static final int WIDTH = 83;

    private final Random random = new Random(3);
    private final Tensor x = Tensors.normal(random, ROWS, WIDTH);
    private final Tensor residual = Tensors.normal(random, ROWS, WIDTH);
    private final Tensor weight = Tensors.normal(random, WIDTH);
    private final Tensor gateUp = Tensors.normal(random, ROWS, 2 * WIDTH);
    private final Tensor logits = Tensors.normal(random, ROWS, ROUTING.experts());
    private final Tensor bias = Tensors.normal(random, ROUTING.experts());
    private final Tensor targets = Tensors.ids(random, WIDTH, ROWS);
    private final Tensor uniforms = Tensor.zeros(DType.F32, ROWS);
    private final Tensor temperatures = Tensor.zeros(DType.F32, ROWS);

    KernelInvarianceTest() {
        for (int n = 0; n < ROWS; n++) {
            uniforms.set(0, n, random.nextFloat());
            temperatures.set(0, n, n % 3 * 0.6f);
        }
    }

    private static Tensor zeros(long... shape) {
        return Tensor.zeros(DType.F32, shape);
    }

    /** All forward results of these rows, one row of each tensor per row. */
    private List<Tensor> forward(Kernels k, int from, int to) {
        int rows = to - from;
        List<Tensor> out = new ArrayList<>();
        Tensor sum = zeros(rows, WIDTH);
        Tensor y = zeros(rows, WIDTH);
        Tensor inverse = zeros(rows);
        k.rmsNorm(x.rows(from, to), residual.rows(from, to), weight, 1e-6f, sum, y, inverse);
        Tensor plain = zeros(rows, WIDTH);
        k.rmsNorm(x.rows(from, to), null, weight, 1e-6f, null, plain, inverse);
        Tensor activated = zeros(rows, WIDTH);
        k.swiGlu(gateUp.rows(from, to), activated);
        Tensor headed = zeros(rows, 2 * WIDTH);
        k.rmsNormHeads(gateUp.rows(from, to), 2, weight, 1e-6f, headed, zeros(rows, 2));
        Tensor layerSum = zeros(rows, WIDTH);
        Tensor layered = zeros(rows, WIDTH);
        Tensor mean = zeros(rows);
        Tensor deviation = zeros(rows);
        k.layerNorm(
                x.rows(from, to), residual.rows(from, to), weight, weight, 1e-6f, layerSum, layered, mean, deviation);
        Tensor shifted = Tensors.copy(x.rows(from, to));
        k.addBias(shifted, weight);
        Tensor smooth = zeros(rows, WIDTH);
        k.gelu(x.rows(from, to), weight, smooth);
        Tensor scores = zeros(rows, ROUTING.experts());
        Tensor chosen = Tensor.zeros(DType.I32, rows, ROUTING.topK());
        Tensor gates = zeros(rows, ROUTING.topK());
        k.route(logits.rows(from, to), bias, ROUTING, scores, chosen, gates);
        Tensor rowOf = Tensor.zeros(DType.I32, rows, ROUTING.topK());
        Tensor tokenOf = Tensor.zeros(DType.I32, (long) rows * ROUTING.topK());
        k.sortByExpert(chosen, ROUTING.experts(), rowOf, tokenOf);
        Tensor sorted = zeros((long) rows * ROUTING.topK(), WIDTH);
        k.gather(x.rows(from, to), tokenOf, sorted);
        Tensor combined = zeros(rows, WIDTH);
        k.combine(sum, sorted, rowOf, gates, combined);
        Tensor logProbs = zeros(rows, 1);
        Tensor scales = zeros(rows, 1);
        Tensor slopes = zeros(rows, WIDTH);
        Tensor entropy = zeros(rows, 1);
        Tensor target = targets.reshape(ROWS, 1).rows(from, to);
        k.logProbs(Tensors.copy(x.rows(from, to)), target, 0.9f, logProbs, entropy, slopes, scales);
        Tensor tokens = Tensor.zeros(DType.I32, rows, 1);
        Tensor sampled = zeros(rows, 1);
        Tensor temperature = temperatures.reshape(ROWS, 1).rows(from, to);
        k.sample(x.rows(from, to), temperature, uniforms.reshape(ROWS, 1).rows(from, to), tokens, sampled);
        return List.of(
                sum,
                y,
                plain,
                inverse.reshape(rows, 1),
                activated,
                headed,
                layerSum,
                layered,
                mean.reshape(rows, 1),
                deviation.reshape(rows, 1),
                shifted,
                smooth,
                scores,
                chosen,
                gates,
                combined,
                logProbs,
                scales,
                slopes,
                entropy,
                tokens,
                sampled);
    }

    @Test
    void aRowAloneHasTheBitsItHasInABatch() {
        try (WorkerPool pool = new WorkerPool(2)) {
            Kernels k = new VectorKernels(pool);
            List<Tensor> whole = forward(k, 0, ROWS);
            for (int n = 0; n < ROWS; n += 61) {
                compare(forward(k, n, n + 1), whole, n, n + 1);
            }
            compare(forward(k, 700, 1001), whole, 700, 1001);
        }
    }

    private static void compare(List<Tensor> part, List<Tensor> whole, int from, int to) {
        for (int i = 0; i < part.size(); i++) {
            Tensors.assertSameBits(
                    "output " + i + " from row " + from,
                    part.get(i),
                    whole.get(i).rows(from, to));
        }
    }

    @Test
    void forwardBitsDoNotDependOnThreads() {
        sameForThreads(k -> forward(k, 0, ROWS));
    }

    @Test
    void backwardBitsDoNotDependOnThreads() {
        Tensor dy = Tensors.normal(random, ROWS, WIDTH);
        sameForThreads(k -> {
            Tensor table = zeros(50, WIDTH);
            k.embeddingBackward(dy, Tensors.ids(new Random(1), 50, ROWS), table);
            Tensor y = zeros(ROWS, WIDTH);
            Tensor inverse = zeros(ROWS);
            Tensor dx = zeros(ROWS, WIDTH);
            Tensor dWeight = zeros(WIDTH);
            k.rmsNorm(x, null, weight, 1e-6f, null, y, inverse);
            k.rmsNormBackward(dy, x, weight, inverse, dx, false, dWeight);
            Tensor dGateUp = zeros(ROWS, 2 * WIDTH);
            k.swiGluBackward(dy, gateUp, dGateUp);
            Tensor dHeadWeight = zeros(WIDTH);
            Tensor headInverse = zeros(ROWS, 2);
            k.rmsNormHeads(gateUp, 2, weight, 1e-6f, zeros(ROWS, 2 * WIDTH), headInverse);
            k.rmsNormHeadsBackward(gateUp, gateUp, 2, weight, headInverse, dGateUp, dHeadWeight);
            Tensor mean = zeros(ROWS);
            Tensor dLayerWeight = zeros(WIDTH);
            Tensor dBias = zeros(WIDTH);
            k.layerNorm(x, null, weight, null, 1e-6f, null, y, mean, inverse);
            k.layerNormBackward(dy, x, weight, mean, inverse, dx, dLayerWeight, dBias);
            k.geluBackward(dy, x, weight, dx);
            k.addBiasBackward(dx, dBias);
            var routed = VectorKernelsTest.Routed.of(k, logits, bias, ROUTING);
            Tensor dScores = zeros(ROWS, ROUTING.experts());
            Segments segments = Segments.packed(new int[] {400, 1, 1099});
            double loss = k.balanceLoss(routed.scores(), routed.chosen(), ROUTING, segments, 0.1f, dScores);
            Tensor dLogits = zeros(ROWS, ROUTING.experts());
            k.routeBackward(
                    routed.gates(), dScores, routed.scores(), routed.chosen(), routed.gates(), ROUTING, dLogits);
            Tensor rowOf = Tensor.zeros(DType.I32, ROWS, ROUTING.topK());
            Tensor tokenOf = Tensor.zeros(DType.I32, (long) ROWS * ROUTING.topK());
            k.sortByExpert(routed.chosen(), ROUTING.experts(), rowOf, tokenOf);
            Tensor sorted = zeros((long) ROWS * ROUTING.topK(), WIDTH);
            k.gather(x, tokenOf, sorted);
            Tensor dSorted = zeros((long) ROWS * ROUTING.topK(), WIDTH);
            Tensor dGates = zeros(ROWS, ROUTING.topK());
            k.combineBackward(dy, sorted, rowOf, routed.gates(), dSorted, dGates);
            k.gatherBackward(dSorted, rowOf, dx, true);
            Tensor logProbs = zeros(ROWS);
            Tensor scales = zeros(ROWS);
            Tensor dx2 = Tensors.copy(x);
            k.logProbs(dx2, targets, 1, logProbs, null, dx2, scales);
            k.scaleRows(dx2, scales, dx2);
            Tensor moments = zeros(ROWS * WIDTH);
            Tensor moved = Tensors.copy(x).reshape(ROWS * WIDTH);
            k.adamW(moved, dy.reshape(ROWS * WIDTH), moments, zeros(ROWS * WIDTH), 1, .9f, .9f, 1e-8f, .1f, 1, 1);
            Tensor sums = Tensor.of(new float[] {(float) loss, (float) k.sumOfSquares(gateUp)}, 2);
            return List.of(
                    table,
                    dx,
                    dWeight,
                    dGateUp,
                    dHeadWeight,
                    dLayerWeight,
                    dBias,
                    dScores,
                    dLogits,
                    dSorted,
                    dGates,
                    dx2,
                    moved,
                    moments,
                    sums);
        });
    }

    private static void sameForThreads(Function<Kernels, List<Tensor>> run) {
        List<Tensor> first = null;
        for (int threads = 1; threads <= 4; threads++) {
            try (WorkerPool pool = new WorkerPool(threads)) {
                List<Tensor> results = run.apply(new VectorKernels(pool));
                if (first == null) {
                    first = results;
                }
                assertThat(results).hasSameSizeAs(first);
                for (int i = 0; i < results.size(); i++) {
                    Tensors.assertSameBits(threads + " threads, output " + i, results.get(i), first.get(i));
                }
            }
        }
    }
}
