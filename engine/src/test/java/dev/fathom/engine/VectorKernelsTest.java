package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@link VectorKernels} against {@link ReferenceKernels}, operation by operation, over random awkward sizes. Attention, its store and RoPE have
 * a test of their own.
 */
class VectorKernelsTest {
    private static final double TOLERANCE = 3e-6;

    private static final WorkerPool POOL = new WorkerPool(2);
    private static final Kernels VECTOR = new VectorKernels(POOL);
    private static final Kernels REFERENCE = new ReferenceKernels();

    @AfterAll
    static void close() {
        POOL.close();
    }

    /** Runs a case for many seeds, with random rows 0..70 and columns 1..300. */
    private static void sizes(Case test) {
        for (int seed = 0; seed < 60; seed++) {
            Random random = new Random(seed);
            test.run(random, random.nextInt(71), 1 + random.nextInt(300));
        }
        test.run(new Random(99), 700, 128); // large enough for several tasks
    }

    private interface Case {
        void run(Random random, int rows, int columns);
    }

    /** Runs one operation with both implementations on copies of the same output and compares what they made of it. */
    private static void both(String what, Tensor output, BiConsumer<Kernels, Tensor> operation) {
        Tensor expected = Tensors.copy(output);
        operation.accept(VECTOR, output);
        operation.accept(REFERENCE, expected);
        Tensors.assertClose(what, output, expected, TOLERANCE);
    }

    @Test
    void nameSaysTheVectorWidth() {
        assertThat(VECTOR.name()).matches("vector (128|256|512)-bit");
    }

    @Test
    void embedding() {
        sizes((random, rows, width) -> {
            Tensor table = Tensors.any(random, 9, width);
            Tensor ids = Tensors.ids(random, 9, rows);
            Tensor dOut = Tensors.any(random, rows, width);
            both("out", Tensors.any(random, rows, width), (k, out) -> k.embedding(table, ids, out));
            both("dTable", Tensors.any(random, 9, width), (k, d) -> k.embeddingBackward(dOut, ids, d));
        });
    }

    @Test
    void anIdOutsideTheTableIsAnErrorThatNamesIt() {
        Tensor table = Tensor.zeros(DType.F32, 5, 4);
        Tensor out = Tensor.zeros(DType.F32, 2, 4);
        assertThatThrownBy(() -> VECTOR.embedding(table, Tensor.of(new int[] {1, 5}), out))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("ids[1] = 5");
    }

    @Test
    void addition() {
        sizes((random, rows, width) -> {
            Tensor a = Tensors.any(random, rows, width);
            Tensor b = Tensors.any(random, rows, width);
            both("sum", Tensors.any(random, rows, width), (k, out) -> k.add(a, b, out));
            both("in place", Tensors.any(random, rows, width), (k, out) -> k.add(a, out, out));
            both("scaled", Tensors.any(random, rows, width), (k, y) -> k.addScaled(a, -0.37f, y));
        });
    }

    @Test
    void rmsNorm() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor residual = Tensors.any(random, rows, width);
            Tensor weight = Tensors.normal(random, width);
            Tensor inverse = Tensor.zeros(DType.F32, rows);
            Tensor sum = Tensors.any(random, rows, width);
            Tensor y = Tensors.any(random, rows, width);
            both("y", y, (k, out) -> k.rmsNorm(x, null, weight, 1e-6f, null, out, inverse));
            both("y of sum", y, (k, out) -> k.rmsNorm(x, residual, weight, 1e-6f, sum, out, inverse));
            both("sum", sum, (k, out) -> k.rmsNorm(x, residual, weight, 1e-6f, out, y, inverse));
            both("inverse", inverse, (k, out) -> k.rmsNorm(x, null, weight, 1e-6f, null, y, out.reshape(rows)));
        });
    }

    @Test
    void rmsNormBackward() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor dy = Tensors.any(random, rows, width);
            Tensor weight = Tensors.normal(random, width);
            Tensor inverse = Tensor.zeros(DType.F32, rows);
            Tensor unused = Tensor.zeros(DType.F32, rows, width);
            Tensor unusedWeight = Tensor.zeros(DType.F32, width);
            VECTOR.rmsNorm(x, null, weight, 1e-6f, null, unused, inverse);
            boolean accumulate = random.nextBoolean();
            both(
                    "dx",
                    Tensors.any(random, rows, width),
                    (k, d) -> k.rmsNormBackward(dy, x, weight, inverse, d, accumulate, unusedWeight));
            Tensor dWeight = Tensors.normal(random, width);
            Tensor expected = Tensors.copy(dWeight).reshape(width);
            VECTOR.rmsNormBackward(dy, x, weight, inverse, unused, false, dWeight);
            REFERENCE.rmsNormBackward(dy, x, weight, inverse, unused, false, expected);
            Tensors.assertClose("dWeight", dWeight, expected, 2e-5); // a sum over rows
        });
    }

    @Test
    void bias() {
        sizes((random, rows, width) -> {
            Tensor bias = Tensors.normal(random, width);
            Tensor dy = Tensors.any(random, rows, width);
            both("y", Tensors.any(random, rows, width), (k, y) -> k.addBias(y, bias));
            Tensor dBias = Tensors.normal(random, width);
            Tensor expected = Tensors.copy(dBias).reshape(width);
            VECTOR.addBiasBackward(dy, dBias);
            REFERENCE.addBiasBackward(dy, expected);
            Tensors.assertClose("dBias", dBias, expected, 2e-5); // a sum over rows
        });
    }

    @Test
    void rmsNormHeads() {
        sizes((random, rows, width) -> {
            int heads = 1 + random.nextInt(5);
            long columns = (long) heads * width;
            Tensor x = Tensors.any(random, rows, columns);
            Tensor dy = Tensors.any(random, rows, columns);
            Tensor weight = Tensors.normal(random, width);
            Tensor inverse = Tensor.zeros(DType.F32, rows, heads);
            Tensor unused = Tensor.zeros(DType.F32, rows, columns);
            both(
                    "y",
                    Tensors.any(random, rows, columns),
                    (k, y) -> k.rmsNormHeads(x, heads, weight, 1e-6f, y, inverse));
            both("inverse", inverse, (k, out) -> k.rmsNormHeads(x, heads, weight, 1e-6f, unused, out));
            Tensor sink = Tensor.zeros(DType.F32, width);
            both(
                    "dx",
                    Tensors.any(random, rows, columns),
                    (k, d) -> k.rmsNormHeadsBackward(dy, x, heads, weight, inverse, d, sink));
            Tensor dWeight = Tensors.normal(random, width);
            Tensor expected = Tensors.copy(dWeight).reshape(width);
            VECTOR.rmsNormHeadsBackward(dy, x, heads, weight, inverse, unused, dWeight);
            REFERENCE.rmsNormHeadsBackward(dy, x, heads, weight, inverse, unused, expected);
            Tensors.assertClose("dWeight", dWeight, expected, 2e-5); // a sum over rows
        });
    }

    @Test
    void layerNorm() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor residual = Tensors.any(random, rows, width);
            Tensor weight = Tensors.normal(random, width);
            Tensor bias = Tensors.normal(random, width);
            Tensor mean = Tensor.zeros(DType.F32, rows);
            Tensor inverse = Tensor.zeros(DType.F32, rows);
            Tensor sum = Tensors.any(random, rows, width);
            Tensor y = Tensors.any(random, rows, width);
            // Rows of two or three elements may be nearly equal: eps keeps the division from magnifying rounding.
            float eps = 1e-2f;
            both("y", y, (k, out) -> k.layerNorm(x, null, weight, bias, eps, null, out, mean, inverse));
            both("no bias", y, (k, out) -> k.layerNorm(x, null, weight, null, eps, null, out, mean, inverse));
            both("y of sum", y, (k, out) -> k.layerNorm(x, residual, weight, bias, eps, sum, out, mean, inverse));
            both("sum", sum, (k, out) -> k.layerNorm(x, residual, weight, bias, eps, out, y, mean, inverse));
            both("mean", mean, (k, m) -> k.layerNorm(x, null, weight, bias, eps, null, y, m.reshape(rows), inverse));
            both("inverse", inverse, (k, i) -> k.layerNorm(x, null, weight, null, eps, null, y, mean, i.reshape(rows)));
        });
    }

    @Test
    void layerNormBackward() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor dy = Tensors.any(random, rows, width);
            Tensor weight = Tensors.normal(random, width);
            Tensor mean = Tensor.zeros(DType.F32, rows);
            Tensor inverse = Tensor.zeros(DType.F32, rows);
            Tensor unused = Tensor.zeros(DType.F32, rows, width);
            Tensor sink = Tensor.zeros(DType.F32, width);
            VECTOR.layerNorm(x, null, weight, null, 1e-2f, null, unused, mean, inverse);
            both(
                    "dx",
                    Tensors.any(random, rows, width),
                    (k, d) -> k.layerNormBackward(dy, x, weight, mean, inverse, d, sink, null));
            Tensor dWeight = Tensors.normal(random, width);
            Tensor dBias = Tensors.normal(random, width);
            Tensor expectedWeight = Tensors.copy(dWeight).reshape(width);
            Tensor expectedBias = Tensors.copy(dBias).reshape(width);
            VECTOR.layerNormBackward(dy, x, weight, mean, inverse, unused, dWeight, dBias);
            REFERENCE.layerNormBackward(dy, x, weight, mean, inverse, unused, expectedWeight, expectedBias);
            Tensors.assertClose("dWeight", dWeight, expectedWeight, 2e-5); // sums over rows
            Tensors.assertClose("dBias", dBias, expectedBias, 2e-5);
        });
    }

    @Test
    void gelu() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor bias = Tensors.normal(random, width);
            Tensor dOut = Tensors.any(random, rows, width);
            for (Tensor b : new Tensor[] {bias, null}) {
                both("out", Tensors.any(random, rows, width), (k, out) -> k.gelu(x, b, out));
                both("dx", Tensors.any(random, rows, width), (k, dx) -> k.geluBackward(dOut, x, b, dx));
            }
        });
    }

    @Test
    void geluOfExtremesIsFinite() {
        Tensor x = Tensor.of(new float[] {1e12f, -1e12f, 40, -40}, 1, 4);
        Tensor out = Tensor.zeros(DType.F32, 1, 4);
        VECTOR.gelu(x, null, out);
        assertThat(out.toFloats()).containsExactly(1e12f, -0f, 40, -0f);
        Tensor dx = Tensor.zeros(DType.F32, 1, 4);
        VECTOR.geluBackward(Tensor.of(new float[] {1, 1, 1, 1}, 1, 4), x, null, dx);
        assertThat(dx.toFloats()).containsExactly(1, 0, 1, 0);
    }

    @Test
    void residualAndSumComeTogether() {
        Tensor x = Tensor.zeros(DType.F32, 2, 4);
        Tensor row = Tensor.zeros(DType.F32, 4);
        Tensor stat = Tensor.zeros(DType.F32, 2);
        assertThatThrownBy(() -> VECTOR.layerNorm(x, x, row, null, 1e-6f, null, x, stat, stat))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() ->
                        VECTOR.rmsNorm(x, x, Tensor.zeros(DType.F32, 4), 1e-6f, null, x, Tensor.zeros(DType.F32, 2)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void swiGlu() {
        sizes((random, rows, width) -> {
            Tensor gateUp = Tensors.any(random, rows, 2L * width);
            Tensor dOut = Tensors.any(random, rows, width);
            both("out", Tensors.any(random, rows, width), (k, out) -> k.swiGlu(gateUp, out));
            both("dGateUp", Tensors.any(random, rows, 2L * width), (k, d) -> k.swiGluBackward(dOut, gateUp, d));
        });
    }

    @Test
    void swiGluOfExtremeGatesIsFinite() {
        Tensor gateUp = Tensor.of(new float[] {1e4f, -1e4f, 1, 1}, 1, 4);
        Tensor out = Tensor.zeros(DType.F32, 1, 2);
        VECTOR.swiGlu(gateUp, out);
        assertThat(out.toFloats()).containsExactly(1e4f, -0f);
    }

    /** Sizes that divide into groups. */
    static List<Routing> routings() {
        List<Routing> routings = new ArrayList<>();
        for (boolean normalize : new boolean[] {true, false}) {
            routings.add(new Routing(1, 1, 1, 1, normalize, 1));
            routings.add(new Routing(5, 2, 1, 1, normalize, 2.5f));
            routings.add(new Routing(64, 6, 8, 3, normalize, 2.5f));
            routings.add(new Routing(256, 8, 8, 4, normalize, 2.5f));
            routings.add(new Routing(18, 6, 3, 1, normalize, 1));
            routings.add(new Routing(40, 40, 1, 1, normalize, 16));
            routings.add(new Routing(64, 6, 1, 1, normalize, 1, Routing.Scoring.SOFTMAX));
            routings.add(new Routing(160, 6, 8, 3, normalize, 16, Routing.Scoring.SOFTMAX));
            routings.add(new Routing(6, 2, 6, 3, normalize, 16, Routing.Scoring.SOFTMAX));
        }
        return routings;
    }

    @Test
    void route() {
        for (Routing routing : routings()) {
            Random random = new Random(routing.experts());
            for (int rows : new int[] {0, 1, 37, 300}) {
                Tensor logits = Tensors.any(random, rows, routing.experts());
                Tensor bias = Tensors.normal(random, routing.experts());
                Routed actual = Routed.of(VECTOR, logits, bias, routing);
                Routed expected = Routed.of(REFERENCE, logits, bias, routing);
                Tensors.assertClose("scores", actual.scores, expected.scores, TOLERANCE);
                Tensors.assertClose("gates", actual.gates, expected.gates, TOLERANCE);
                Tensors.assertSameBits("chosen", actual.chosen, expected.chosen);
            }
        }
    }

    /** The three outputs of a router. */
    record Routed(Tensor scores, Tensor chosen, Tensor gates) {
        static Routed of(Kernels kernels, Tensor logits, Tensor bias, Routing routing) {
            Tensor scores = Tensor.zeros(DType.F32, logits.rows(), routing.experts());
            Tensor chosen = Tensor.zeros(DType.I32, logits.rows(), routing.topK());
            Tensor gates = Tensor.zeros(DType.F32, logits.rows(), routing.topK());
            kernels.route(logits, bias, routing, scores, chosen, gates);
            return new Routed(scores, chosen, gates);
        }
    }

    @Test
    void tiesGoToTheLowerIndex() {
        Routing routing = new Routing(8, 4, 4, 2, true, 1);
        Tensor zeros = Tensor.zeros(DType.F32, 1, 8);
        assertThat(Routed.of(VECTOR, zeros, zeros.reshape(8), routing).chosen.toInts())
                .containsExactly(0, 1, 2, 3);
    }

    @Test
    void maskedGroupsLoseAgainstNegativeScores() {
        // Group 0 is kept; its biased scores are all negative. A mask of 0 instead of minus infinity would choose group
        // 1.
        Routing routing = new Routing(4, 2, 2, 1, true, 1);
        Tensor logits = Tensor.zeros(DType.F32, 1, 4);
        Tensor bias = Tensor.of(new float[] {-2, -3, -4, -5}, 4);
        Routed routed = Routed.of(VECTOR, logits, bias, routing);
        assertThat(routed.chosen.toInts()).containsExactly(0, 1);
        assertThat(routed.gates.toFloats()).containsExactly(0.5f, 0.5f); // the bias is not in the gates
    }

    @Test
    void logitsThatAreNotNumbersStillChooseExperts() {
        Routing routing = new Routing(4, 2, 1, 1, true, 1);
        Tensor logits = Tensor.of(new float[] {Float.NaN, Float.NaN, Float.NaN, 1}, 1, 4);
        Routed routed = Routed.of(VECTOR, logits, Tensor.zeros(DType.F32, 4), routing);
        assertThat(routed.chosen.toInts()).containsExactly(3, 0);
    }

    @Test
    void routeBackward() {
        for (Routing routing : routings()) {
            if (routing.scoring() == Routing.Scoring.SOFTMAX) {
                continue; // run, not trained
            }
            Random random = new Random(routing.experts());
            int rows = 23;
            Tensor logits = Tensors.any(random, rows, routing.experts());
            Routed routed = Routed.of(VECTOR, logits, Tensors.normal(random, routing.experts()), routing);
            Tensor dGates = Tensors.normal(random, rows, routing.topK());
            Tensor dScores = Tensors.any(random, rows, routing.experts());
            for (Tensor direct : new Tensor[] {null, dScores}) {
                both(
                        "dLogits",
                        Tensors.any(random, rows, routing.experts()),
                        (k, d) -> k.routeBackward(
                                dGates, direct, routed.scores, routed.chosen, routed.gates, routing, d));
            }
        }
    }

    @Test
    void balanceLoss() {
        for (Routing routing : routings()) {
            Random random = new Random(routing.experts());
            Segments segments = Segments.packed(new int[] {1, 30, 7});
            Tensor logits = Tensors.any(random, 38, routing.experts());
            Routed routed = Routed.of(VECTOR, logits, Tensors.normal(random, routing.experts()), routing);
            Tensor dScores = Tensors.any(random, 38, routing.experts());
            Tensor expected = Tensors.copy(dScores);
            double actual = VECTOR.balanceLoss(routed.scores, routed.chosen, routing, segments, 0.5f, dScores);
            double loss = REFERENCE.balanceLoss(routed.scores, routed.chosen, routing, segments, 0.5f, expected);
            assertThat(actual).isCloseTo(loss, Offset.offset(1e-6));
            Tensors.assertClose("dScores", dScores, expected, TOLERANCE);
        }
    }

    @Test
    void balancedChoiceHasLossAlpha() {
        // Each of four experts is chosen once with the same score: f = 1 and Σ P = 1.
        Routing routing = new Routing(4, 1, 1, 1, true, 1);
        Tensor scores = Tensor.of(
                new float[] {.5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f}, 4, 4);
        Tensor chosen = Tensor.of(new int[] {0, 1, 2, 3}).reshape(4, 1);
        double loss = VECTOR.balanceLoss(
                scores, chosen, routing, Segments.packed(new int[] {4}), 0.25f, Tensor.zeros(DType.F32, 4, 4));
        assertThat(loss).isCloseTo(0.25, Offset.offset(1e-7));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8})
    void experts(int topK) {
        sizes((random, tokens, width) -> {
            int experts = topK + random.nextInt(20);
            Tensor chosen = Tensors.ids(random, experts, tokens, topK);
            Tensor rowOf = Tensor.zeros(DType.I32, tokens, topK);
            Tensor tokenOf = Tensor.zeros(DType.I32, (long) tokens * topK);
            Tensor expectedRowOf = Tensor.zeros(DType.I32, tokens, topK);
            Tensor expectedTokenOf = Tensor.zeros(DType.I32, (long) tokens * topK);
            RowGroups groups = VECTOR.sortByExpert(chosen, experts, rowOf, tokenOf);
            RowGroups expected = REFERENCE.sortByExpert(chosen, experts, expectedRowOf, expectedTokenOf);
            assertThat(groups.offsets()).isEqualTo(expected.offsets());
            Tensors.assertSameBits("rowOf", rowOf, expectedRowOf);
            Tensors.assertSameBits("tokenOf", tokenOf, expectedTokenOf);

            int pairs = tokens * topK;
            boolean accumulate = random.nextBoolean();
            Tensor x = Tensors.any(random, tokens, width);
            Tensor sorted = Tensors.any(random, pairs, width);
            Tensor gates = Tensors.normal(random, tokens, topK);
            Tensor dSorted = Tensors.any(random, pairs, width);
            Tensor dGates = Tensors.any(random, tokens, topK);
            both("gather", Tensors.any(random, pairs, width), (k, out) -> k.gather(x, tokenOf, out));
            both(
                    "gather back",
                    Tensors.any(random, tokens, width),
                    (k, d) -> k.gatherBackward(sorted, rowOf, d, accumulate));
            both("combine", Tensors.any(random, tokens, width), (k, y) -> k.combine(x, sorted, rowOf, gates, y));
            both("alone", Tensors.any(random, tokens, width), (k, y) -> k.combine(null, sorted, rowOf, gates, y));
            Tensor gateSink = Tensor.zeros(DType.F32, tokens, topK);
            Tensor rowSink = Tensor.zeros(DType.F32, pairs, width);
            both("dExpertOut", dSorted, (k, d) -> k.combineBackward(x, sorted, rowOf, gates, d, gateSink));
            Tensor expectedGates = Tensors.copy(dGates);
            VECTOR.combineBackward(x, sorted, rowOf, gates, rowSink, dGates);
            REFERENCE.combineBackward(x, sorted, rowOf, gates, rowSink, expectedGates);
            Tensors.assertClose("dGates", dGates, expectedGates, 2e-5); // a sum of products of any sign
        });
    }

    @Test
    void logProbs() {
        sizes((random, rows, vocabulary) -> {
            Tensor logits = Tensors.any(random, rows, vocabulary);
            Tensor targets = Tensors.ids(random, vocabulary, rows);
            if (rows > 1) {
                targets.setInt(0, 1, -1);
            }
            float inverse = 0.5f + random.nextFloat();
            Tensor entropy = Tensor.zeros(DType.F32, rows);
            Tensor logProbs = Tensor.zeros(DType.F32, rows);
            Tensor sink = Tensor.zeros(DType.F32, rows);
            both(
                    "entropy",
                    entropy,
                    (k, out) -> k.logProbs(logits, targets, inverse, sink, out.reshape(rows), null, null));
            both(
                    "logProbs",
                    logProbs,
                    (k, out) -> k.logProbs(logits, targets, inverse, out.reshape(rows), entropy, null, null));
            Tensor weights = Tensors.normal(random, rows);
            both(
                    "dLogits",
                    Tensors.copy(logits),
                    (k, d) -> dLogits(k, d, targets, inverse, weights, random.nextBoolean() ? d : Tensors.copy(d)));
        });
    }

    /** The gradient of {@code Σ weights logProbs} in place of the logits; slopes are left where told. */
    static void dLogits(
            Kernels k, Tensor logits, Tensor targets, float inverseTemperature, Tensor weights, Tensor slopes) {
        Tensor logProbs = Tensor.zeros(DType.F32, logits.rows());
        Tensor scales = Tensor.zeros(DType.F32, logits.rows());
        k.logProbs(logits, targets, inverseTemperature, logProbs, null, slopes, scales);
        for (long n = 0; n < logits.rows(); n++) {
            scales.set(0, n, scales.get(0, n) * weights.get(0, n));
        }
        k.scaleRows(slopes, scales, logits);
    }

    @Test
    void scaleRows() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor factors = Tensors.normal(random, rows);
            both("out", Tensors.any(random, rows, width), (k, out) -> k.scaleRows(x, factors, out));
            Tensor rounded = Tensors.rounded(x);
            both("out", Tensors.any(random, rows, width), (k, out) -> k.scaleRows(rounded, factors, out));
        });
    }

    /** A result in BF16 is the F32 result rounded, to the bit. */
    @Test
    void resultsMayBeBf16() {
        sizes((random, rows, width) -> {
            Tensor x = Tensors.any(random, rows, width);
            Tensor residual = Tensors.any(random, rows, width);
            Tensor weight = Tensors.normal(random, width);
            Tensor bias = random.nextBoolean() ? Tensors.normal(random, width) : null;
            Tensor gateUp = Tensors.any(random, rows, 2L * width);
            Tensor stat = Tensor.zeros(DType.F32, rows);
            Tensor sum = Tensor.zeros(DType.F32, rows, width);
            rounded("rmsNorm", rows, width, y -> VECTOR.rmsNorm(x, residual, weight, 1e-6f, sum, y, stat));
            rounded("layerNorm", rows, width, y -> VECTOR.layerNorm(x, null, weight, bias, 1e-6f, null, y, stat, stat));
            rounded("gelu", rows, width, y -> VECTOR.gelu(x, bias, y));
            rounded("swiGlu", rows, width, y -> VECTOR.swiGlu(gateUp, y));
            rounded("swiGluBackward", rows, 2L * width, y -> VECTOR.swiGluBackward(x, gateUp, y));
            rounded("scaleRows", rows, width, y -> VECTOR.scaleRows(x, stat, y));
            Tensor targets = Tensors.ids(random, width, rows);
            Tensor logits = Tensor.zeros(DType.F32, rows, width);
            rounded("slopes", rows, width, y -> {
                logits.copyFrom(x);
                VECTOR.logProbs(logits, targets, 1, stat, null, y, stat);
            });
            Tensor rowOf = Tensor.zeros(DType.I32, rows, 1);
            for (int n = 0; n < rows; n++) {
                rowOf.setInt(n, 0, rows - 1 - n);
            }
            Tensor gates = Tensors.normal(random, rows, 1);
            Tensor dGates = Tensor.zeros(DType.F32, rows, 1);
            rounded("combineBackward", rows, width, y -> VECTOR.combineBackward(x, residual, rowOf, gates, y, dGates));
            Tensor rounded = Tensors.rounded(x);
            rounded("gather", rows, width, y -> {
                Tensor source = y.dtype() == DType.BF16 ? rounded : Tensors.widened(rounded);
                VECTOR.gather(source, rowOf.reshape(rows), y);
            });
        });
    }

    private static void rounded(String what, long rows, long width, Consumer<Tensor> kernel) {
        Tensor exact = Tensor.zeros(DType.F32, rows, width);
        kernel.accept(exact);
        Tensor narrow = Tensors.rounded(Tensor.zeros(DType.F32, rows, width));
        kernel.accept(narrow);
        Tensors.assertSameBits(what, narrow, Tensors.rounded(exact));
    }

    @Test
    void entropyOfEqualLogitsIsTheLogarithmOfTheirNumber() {
        Tensor logits = Tensor.zeros(DType.F32, 1, 50);
        logits.set(0, 7, Float.NEGATIVE_INFINITY);
        Tensor out = Tensor.zeros(DType.F32, 1);
        Tensor entropy = Tensor.zeros(DType.F32, 1);
        VECTOR.logProbs(logits, Tensor.of(new int[] {3}), 1, out, entropy, null, null);
        assertThat(entropy.get(0, 0)).isCloseTo((float) Math.log(49), Offset.offset(1e-6f));
        assertThat(out.get(0, 0)).isCloseTo((float) -Math.log(49), Offset.offset(1e-6f));
    }

    @Test
    void sumOfSquares() {
        Random random = new Random(5);
        for (int size : new int[] {0, 1, 17, 4096, 4097, 300_001}) {
            Tensor x = Tensors.normal(random, size);
            double expected = REFERENCE.sumOfSquares(x);
            assertThat(VECTOR.sumOfSquares(x)).isCloseTo(expected, Offset.offset(1e-6 * (1 + expected)));
        }
    }

    @Test
    void adamWOverSeveralSteps() {
        Random random = new Random(6);
        for (int size : new int[] {1, 15, 16, 333, 40_000}) {
            Tensor[] actual = new Tensor[4];
            Tensor[] expected = new Tensor[4];
            for (int i = 0; i < 4; i++) {
                actual[i] = i < 2 ? Tensors.normal(random, size) : Tensor.zeros(DType.F32, size);
                expected[i] = Tensors.copy(actual[i]).reshape(size);
            }
            for (int step = 1; step <= 6; step++) {
                Tensors.fill(random, actual[1]);
                expected[1].copyFrom(actual[1]);
                for (Kernels k : new Kernels[] {VECTOR, REFERENCE}) {
                    Tensor[] t = k == VECTOR ? actual : expected;
                    k.adamW(t[0], t[1], t[2], t[3], 1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.7f, step);
                }
            }
            for (int i = 0; i < 4; i++) {
                Tensors.assertClose("buffer " + i, actual[i], expected[i], 3e-6);
            }
        }
    }
}
