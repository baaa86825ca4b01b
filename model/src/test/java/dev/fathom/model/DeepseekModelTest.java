package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigBuilder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The model against {@link ReferenceDeepseek}: what it computes, and the gradient of every parameter against central
 * differences of the oracle's loss.
 */
class DeepseekModelTest {
    private static final long SEED = 20241226;
    private static final float LAMBDA = 0.3f;

    /** Five hundred times V3's, so that an error in the balance loss would show. */
    private static final float ALPHA = 0.05f;

    /** Tokens before this index are a prompt. */
    private static final int FIRST_TARGET = 3;

    private static Engine engine;

    static Stream<Arguments> configs() {
        return Stream.of(
                Arguments.of("query latent, untied head, MTP", TinyDeepseek.LATENT_QUERY),
                Arguments.of("direct query, 2 of 3 groups, 2 shared, tied head, MTP", TinyDeepseek.DIRECT_QUERY),
                Arguments.of("YaRN, 1 of 3 groups, gates not normalised", TinyDeepseek.YARN),
                Arguments.of("YaRN, no dense layer, MTP", TinyDeepseek.ALL_EXPERTS));
    }

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    // ---- what the model computes

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void computesTheOraclesStatesProbabilitiesAndExperts(String name, DeepseekConfig config, TestReporter reporter) {
        DeepseekModel model = TinyDeepseek.model(config, engine, SEED);
        ReferenceDeepseek oracle = new ReferenceDeepseek(config, TinyDeepseek.parameters(model));
        // One row; more than two of the attention's tiles of sixteen; a sequence that ends where a tile ends.
        List<int[]> sequences = TinyDeepseek.sequences(config, 1, 1, 21, 6, 37, 16);
        int[] next = random(config, 2, sequences);
        int[] targets = random(config, 3, sequences);
        targets[4] = -1;

        Workspace workspace = new Workspace();
        Ops ops = Ops.inference(engine, workspace);
        Batch batch = Batch.packed(sequences, workspace);
        RoutingLog log = model.newRoutingLog();
        LanguageModel.States states = model.forward(ops, batch, log);
        Tensor logits = ops.logits(states.normed(), model.head());
        Ops.TokenLogProbs scored = ops.tokenLogProbs(states.normed(), model.head(), Tensor.of(targets), 1);
        // The module's layer overwrites what the main model's was made from.
        Tensor hiddenStates = copy(states.hidden().value());
        Tensor normedStates = copy(states.normed().value());
        Variable ahead = model.predictsMultipleTokens()
                ? model.predictAhead(ops, states.hidden(), Tensor.of(next), batch, log)
                : null;

        Deviation hidden = new Deviation();
        Deviation normed = new Deviation();
        Deviation module = new Deviation();
        Deviation logProbs = new Deviation();
        Deviation entropies = new Deviation();
        for (int s = 0; s < sequences.size(); s++) {
            int start = batch.segments().rowStart()[s];
            int length = sequences.get(s).length;
            ReferenceDeepseek.States expected = oracle.forward(sequences.get(s));
            List<ReferenceMixture.Choice[]> choices = new ArrayList<>(expected.choices());
            hidden.add(expected.hidden(), hiddenStates, start);
            normed.add(expected.normed(), normedStates, start);
            if (ahead != null) {
                ReferenceDeepseek.States expectedAhead =
                        oracle.predictAhead(expected.hidden(), Arrays.copyOfRange(next, start, start + length));
                module.add(expectedAhead.normed(), ahead.value(), start);
                choices.addAll(expectedAhead.choices());
            }
            assertExperts(choices, log, start);

            double[][] expectedLogProbs = oracle.logProbs(expected.normed());
            for (int t = 0; t < length; t++) {
                int row = start + t;
                logProbs.add(expectedLogProbs[t], logSoftmax(logits, row));
                int target = targets[row];
                logProbs.add(
                        target < 0 ? 0 : expectedLogProbs[t][target],
                        scored.logProbs().value().get(0, row));
                double entropy = Arrays.stream(expectedLogProbs[t])
                        .map(logProb -> -logProb * Math.exp(logProb))
                        .sum();
                entropies.add(entropy, scored.entropy().get(0, row));
            }
        }

        reporter.publishEntry(
                name,
                "worst deviation: hidden " + hidden + ", normed " + normed + ", MTP " + module + ", log-probabilities "
                        + logProbs + ", entropies " + entropies);
        assertThat(hidden.worst).as("hidden").isLessThan(1e-5);
        assertThat(normed.worst).as("normed").isLessThan(1e-5);
        assertThat(module.worst).as("multi-token prediction").isLessThan(1e-5);
        assertThat(logProbs.worst).as("log-probabilities").isLessThan(1e-5);
        assertThat(entropies.worst).as("entropies").isLessThan(1e-5);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void computesTheOraclesLosses(String name, DeepseekConfig config, TestReporter reporter) {
        DeepseekModel model = TinyDeepseek.model(config, engine, SEED);
        ReferenceDeepseek oracle = new ReferenceDeepseek(config, TinyDeepseek.parameters(model));
        List<int[]> sequences = TinyDeepseek.sequences(config, 4, 2, 21, 6, 38, 17);

        ReferenceDeepseek.Losses expected = oracle.losses(sequences, FIRST_TARGET, LAMBDA, ALPHA);
        TinyDeepseek.Losses losses = backward(model, sequences, LAMBDA, ALPHA);

        Deviation deviation = new Deviation();
        deviation.add(expected.main(), losses.main());
        deviation.add(expected.ahead(), losses.ahead());
        deviation.add(ALPHA * expected.balance(), losses.balance());
        reporter.publishEntry(name, "worst deviation of a loss: " + deviation);
        assertThat(deviation.worst).as(losses + " against " + expected).isLessThan(1e-5);
    }

    // ---- gradients

    /**
     * Forty elements of every tensor of the checkpoint (all, where it has fewer; of each expert's eight), and one
     * random direction through all of its elements at once. Differences are taken in double, so what is left is the
     * model's f32.
     */
    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void everyGradientIsTheSlopeOfTheOraclesLoss(String name, DeepseekConfig config, TestReporter reporter) {
        DeepseekModel model = TinyDeepseek.model(config, engine, SEED);
        List<int[]> sequences = TinyDeepseek.sequences(config, 5, 2, 18, 4);
        backward(model, sequences, LAMBDA, ALPHA);

        GradientCheck check = new GradientCheck(config, TinyDeepseek.parameters(model), sequences, LAMBDA, ALPHA);
        Map<String, double[]> gradients = TinyDeepseek.gradients(model);
        gradients.forEach(check::check);

        reporter.publishEntry(name, check.summary());
        assertThat(gradients.keySet()).as("checked tensors").containsExactlyElementsOf(check.trainedNames());
        assertThat(check.flips)
                .as("evaluations in which an expert was swapped for another")
                .isZero();
        assertThat(check.worst).as(check.summary()).isLessThan(1e-3);
        assertThat(check.worstDirection).as(check.summary()).isLessThan(1e-3);
    }

    /** The loss of multi-token prediction alone, and that of balance alone: neither hides behind the main loss. */
    @Test
    void everyPartOfTheLossHasItsOwnGradient(TestReporter reporter) {
        DeepseekConfig config = TinyDeepseek.LATENT_QUERY;
        List<int[]> sequences = TinyDeepseek.sequences(config, 6, 9, 4);
        for (float[] weights : new float[][] {{0, 0}, {100, 0}, {0, 100}}) {
            DeepseekModel model = TinyDeepseek.model(config, engine, SEED + 1);
            backward(model, sequences, weights[0], weights[1]);
            GradientCheck check =
                    new GradientCheck(config, TinyDeepseek.parameters(model), sequences, weights[0], weights[1]);
            check.samples = 4;
            check.expertSamples = 2;
            TinyDeepseek.gradients(model).forEach(check::check);
            reporter.publishEntry("lambda " + weights[0] + ", alpha " + weights[1], check.summary());
            assertThat(check.flips).isZero();
            assertThat(Math.max(check.worst, check.worstDirection))
                    .as(check.summary())
                    .isLessThan(1e-3);
        }
    }

    /** With the state detached, the module's loss trains the module, the table and the head, and nothing else. */
    @Test
    void aDetachedStateKeepsTheModulesLossFromTheMainModel() {
        DeepseekConfig config = TinyDeepseek.LATENT_QUERY;
        DeepseekModel model = TinyDeepseek.model(config, engine, SEED);
        List<int[]> sequences = TinyDeepseek.sequences(config, 7, 9, 14);
        Workspace workspace = new Workspace();
        Tape tape = new Tape();
        Ops ops = Ops.recording(engine, workspace, tape);
        Batch batch = Batch.packed(sequences, workspace);
        RoutingLog log = model.newRoutingLog();
        LanguageModel.States states = model.forward(ops, batch, log);
        Tensor tokens = Tensor.of(random(config, 8, sequences));
        Variable ahead = model.predictAhead(ops, ops.detach(states.hidden()), tokens, batch, log);
        Variable logProbs = ops.tokenLogProbs(ahead, model.head(), tokens, 1).logProbs();
        for (int n = 0; n < batch.rows(); n++) {
            logProbs.gradient().set(0, n, -1);
        }
        tape.backward();

        TinyDeepseek.gradients(model).forEach((name, gradient) -> {
            boolean trained = name.startsWith("model.layers.2.")
                    || name.equals("model.embed_tokens.weight")
                    || name.equals("lm_head.weight");
            boolean expert = name.contains(".experts."); // may have seen no token
            if (!expert) {
                assertThat(Arrays.stream(gradient).anyMatch(g -> g != 0))
                        .as(name)
                        .isEqualTo(trained);
            } else if (!trained) {
                assertThat(gradient).as(name).containsOnly(0);
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void gradientsOfTwoMicroBatchesAddUpToThoseOfTheBatch(String name, DeepseekConfig config, TestReporter reporter) {
        DeepseekModel model = TinyDeepseek.model(config, engine, SEED);
        List<int[]> sequences = TinyDeepseek.sequences(config, 9, 2, 19, 5, 30, 12);
        TinyDeepseek.Losses whole = backward(model, sequences, LAMBDA, ALPHA);
        Map<String, double[]> expected = TinyDeepseek.gradients(model);

        model.parameters().zeroGradients();
        TinyDeepseek.Totals totals = TinyDeepseek.Totals.of(sequences, FIRST_TARGET);
        RoutingLog log = model.newRoutingLog();
        Workspace workspace = new Workspace();
        TinyDeepseek.Losses first = TinyDeepseek.backward(
                model, sequences.subList(0, 2), FIRST_TARGET, LAMBDA, ALPHA, totals, log, workspace);
        TinyDeepseek.Losses second = TinyDeepseek.backward(
                model, sequences.subList(2, 5), FIRST_TARGET, LAMBDA, ALPHA, totals, log, workspace);

        Deviation losses = new Deviation();
        losses.add(whole.main(), first.main() + second.main());
        losses.add(whole.ahead(), first.ahead() + second.ahead());
        losses.add(whole.balance(), first.balance() + second.balance());
        double worst = 0;
        Map<String, double[]> sums = TinyDeepseek.gradients(model);
        for (Map.Entry<String, double[]> tensor : expected.entrySet()) {
            double[] sum = sums.get(tensor.getKey());
            double largest =
                    Arrays.stream(tensor.getValue()).map(Math::abs).max().orElseThrow();
            for (int i = 0; i < sum.length; i++) {
                worst = Math.max(worst, Math.abs(sum[i] - tensor.getValue()[i]) / (largest + 1e-9));
            }
        }
        reporter.publishEntry(name, "losses " + losses + ", gradients " + worst + " of the tensor's largest");
        assertThat(losses.worst).isLessThan(1e-6);
        assertThat(worst).isLessThan(1e-5);
    }

    // ---- what cannot be computed is refused

    @Test
    void refusesMoreThanOnePredictionModule() {
        DeepseekConfigBuilder two = TinyDeepseek.shape().numNextnPredictLayers(2);
        assertThatThrownBy(() -> DeepseekModel.random(two.build(), engine, 1))
                .hasMessageContaining("num_nextn_predict_layers")
                .hasMessageContaining("2");
    }

    @Test
    void refusesToPredictAheadWithoutAModule() {
        DeepseekConfig config = TinyDeepseek.shape().numNextnPredictLayers(0).build();
        DeepseekModel model = DeepseekModel.random(config, engine, 1);
        Workspace workspace = new Workspace();
        Ops ops = Ops.inference(engine, workspace);
        Batch batch = Batch.packed(List.of(new int[] {1, 2, 3}), workspace);
        RoutingLog log = model.newRoutingLog();
        Variable hidden = model.forward(ops, batch, log).hidden();
        assertThat(model.predictsMultipleTokens()).isFalse();
        assertThatThrownBy(() -> model.predictAhead(ops, hidden, Tensor.of(new int[] {2, 3, 4}), batch, log))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("num_nextn_predict_layers");
    }

    /** Behind the kernels stand absolute addresses: what is outside a table must not reach them. */
    @Test
    void refusesTokensOutsideTheVocabularyAndPositionsOutsideTheModel() {
        DeepseekConfig config = TinyDeepseek.LATENT_QUERY;
        DeepseekModel model = DeepseekModel.random(config, engine, 1);
        Ops ops = Ops.inference(engine, new Workspace());
        for (int[] tokens : List.of(new int[] {1, config.vocabSize()}, new int[] {-1}, new int[65])) {
            Batch batch = Batch.packed(List.of(tokens), ops.workspace());
            assertThatThrownBy(() -> model.forward(ops, batch, model.newRoutingLog()))
                    .as("tokens %s", Arrays.toString(tokens))
                    .isInstanceOfAny(IllegalArgumentException.class, IndexOutOfBoundsException.class)
                    .hasMessageContaining("outside");
        }
    }

    @Test
    void theSameSeedGivesTheSameModelOnAnyNumberOfThreads() {
        try (Engine single = Engine.vector(Precision.F32, 1)) {
            DeepseekConfig config = TinyDeepseek.LATENT_QUERY;
            float[] one = DeepseekModel.random(config, single, 5)
                    .parameters()
                    .values()
                    .toFloats();
            float[] two = DeepseekModel.random(config, engine, 5)
                    .parameters()
                    .values()
                    .toFloats();
            float[] other = DeepseekModel.random(config, engine, 6)
                    .parameters()
                    .values()
                    .toFloats();
            assertThat(two).isEqualTo(one);
            assertThat(other).isNotEqualTo(one);
        }
    }

    // ---- the parts of the checks

    private static TinyDeepseek.Losses backward(DeepseekModel model, List<int[]> sequences, float lambda, float alpha) {
        TinyDeepseek.Totals totals = TinyDeepseek.Totals.of(sequences, FIRST_TARGET);
        return TinyDeepseek.backward(
                model, sequences, FIRST_TARGET, lambda, alpha, totals, model.newRoutingLog(), new Workspace());
    }

    /** One random token per row. */
    private static int[] random(DeepseekConfig config, long seed, List<int[]> sequences) {
        int rows = sequences.stream().mapToInt(sequence -> sequence.length).sum();
        return TinyDeepseek.sequences(config, seed, rows).getFirst();
    }

    private static void assertExperts(List<ReferenceMixture.Choice[]> expected, RoutingLog log, int start) {
        assertThat(log.mixtures()).isEqualTo(expected.size());
        for (int mixture = 0; mixture < expected.size(); mixture++) {
            ReferenceMixture.Choice[] tokens = expected.get(mixture);
            for (int t = 0; t < tokens.length; t++) {
                int[] experts = tokens[t].experts();
                for (int rank = 0; rank < experts.length; rank++) {
                    assertThat(log.chosen(mixture).getInt(start + t, rank))
                            .as("mixture %d, row %d, rank %d", mixture, start + t, rank)
                            .isEqualTo(experts[rank]);
                }
            }
        }
    }

    private static double[] logSoftmax(Tensor logits, int row) {
        double[] values = IntStream.range(0, (int) logits.columns())
                .mapToDouble(i -> logits.get(row, i))
                .toArray();
        double logSumExp = Math.log(Arrays.stream(values).map(Math::exp).sum());
        return Arrays.stream(values).map(value -> value - logSumExp).toArray();
    }

    /** The largest {@code |actual - expected| / max(1, |expected|)} seen. */
    private static final class Deviation {
        double worst;

        void add(double expected, double actual) {
            double deviation = Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
            worst = Double.isNaN(deviation) ? Double.POSITIVE_INFINITY : Math.max(worst, deviation);
        }

        void add(double[] expected, double[] actual) {
            assertThat(actual).hasSameSizeAs(expected);
            for (int i = 0; i < expected.length; i++) {
                add(expected[i], actual[i]);
            }
        }

        /** The rows of one sequence against those of the packed batch from {@code start} on. */
        void add(double[][] expected, Tensor actual, int start) {
            for (int t = 0; t < expected.length; t++) {
                add(expected[t], TinyDeepseek.doubles(actual.rows(start + t, start + t + 1)));
            }
        }

        @Override
        public String toString() {
            return String.format("%.1e", worst);
        }
    }

    /** Compares gradients with central differences of the oracle's total loss. */
    private static final class GradientCheck {
        private static final double STEP = 1e-5;

        /** Gradients below this share of their tensor's largest slope are compared with that instead. */
        private static final double FLOOR = 0.01;

        private final Map<String, double[]> parameters;
        private final ReferenceDeepseek oracle;
        private final List<int[]> sequences;
        private final double lambda;
        private final double alpha;
        private final ReferenceDeepseek.Losses base;
        private final Random random = new Random(11);
        int samples = 40;
        int expertSamples = 8;
        int flips;
        double worst;
        double worstDirection;
        private int elements;
        private int tensors;
        private String worstPlace = "";

        GradientCheck(
                DeepseekConfig config,
                Map<String, double[]> parameters,
                List<int[]> sequences,
                double lambda,
                double alpha) {
            this.parameters = parameters;
            this.oracle = new ReferenceDeepseek(config, parameters);
            this.sequences = sequences;
            this.lambda = lambda;
            this.alpha = alpha;
            this.base = oracle.losses(sequences, FIRST_TARGET, lambda, alpha);
        }

        List<String> trainedNames() {
            return parameters.keySet().stream()
                    .filter(name -> !name.endsWith("e_score_correction_bias"))
                    .toList();
        }

        void check(String name, double[] gradient) {
            double[] values = parameters.get(name);
            int count = Math.min(values.length, name.contains(".experts.") ? expertSamples : samples);
            int[] chosen = random.ints(0, values.length).distinct().limit(count).toArray();
            double[] slopes = new double[chosen.length];
            for (int i = 0; i < chosen.length; i++) {
                double[] direction = new double[values.length];
                direction[chosen[i]] = 1;
                slopes[i] = slope(values, direction);
            }
            double[] signs = random.ints(values.length, 0, 2)
                    .mapToDouble(bit -> 2 * bit - 1)
                    .toArray();
            double slope = slope(values, signs);
            double along = 0;
            for (int i = 0; i < values.length; i++) {
                along += gradient[i] * signs[i];
            }

            double largest = Arrays.stream(slopes).map(Math::abs).max().orElseThrow();
            double floor = FLOOR * largest + 1e-7;
            for (int i = 0; i < chosen.length; i++) {
                double error = Math.abs(gradient[chosen[i]] - slopes[i]) / Math.max(Math.abs(slopes[i]), floor);
                if (!(error <= worst)) {
                    worst = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
                    worstPlace = name + "[" + chosen[i] + "]: gradient " + gradient[chosen[i]] + ", slope " + slopes[i];
                }
            }
            // A sum over random signs: errors are measured against its typical size, not against its accidental
            // cancellation.
            double size = Math.sqrt(Arrays.stream(gradient).map(g -> g * g).sum());
            double error = Math.abs(along - slope) / (Math.max(Math.abs(slope), size) + 1e-7);
            worstDirection = Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(worstDirection, error);
            elements += chosen.length;
            tensors++;
        }

        /** Central difference of the loss along a direction; the parameter is left as it was. */
        private double slope(double[] values, double[] direction) {
            double[] saved = values.clone();
            double difference = 0;
            for (int side = 1; side >= -1; side -= 2) {
                for (int i = 0; i < values.length; i++) {
                    values[i] = saved[i] + side * STEP * direction[i];
                }
                ReferenceDeepseek.Losses losses = oracle.losses(sequences, FIRST_TARGET, lambda, alpha);
                difference += side * losses.total();
                flips += sameExperts(losses, base) ? 0 : 1;
            }
            System.arraycopy(saved, 0, values, 0, values.length);
            return difference / (2 * STEP);
        }

        private static boolean sameExperts(ReferenceDeepseek.Losses a, ReferenceDeepseek.Losses b) {
            for (int s = 0; s < a.choices().size(); s++) {
                for (int mixture = 0; mixture < a.choices().get(s).size(); mixture++) {
                    ReferenceMixture.Choice[] left = a.choices().get(s).get(mixture);
                    ReferenceMixture.Choice[] right = b.choices().get(s).get(mixture);
                    for (int t = 0; t < left.length; t++) {
                        if (!Arrays.equals(sorted(left[t]), sorted(right[t]))) {
                            return false;
                        }
                    }
                }
            }
            return true;
        }

        private static int[] sorted(ReferenceMixture.Choice choice) {
            return Arrays.stream(choice.experts()).sorted().toArray();
        }

        String summary() {
            return elements + " elements of " + tensors + " tensors: worst relative error "
                    + String.format("%.1e", worst)
                    + " (" + worstPlace + "), along random directions " + String.format("%.1e", worstDirection) + ", "
                    + flips + " expert flips";
        }
    }

    private static Tensor copy(Tensor source) {
        Tensor copy = Tensor.zeros(DType.F32, source.rows(), source.columns());
        copy.copyFrom(source);
        return copy;
    }
}
