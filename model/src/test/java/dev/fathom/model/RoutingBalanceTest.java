package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.DeepseekConfig;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Balancing without an auxiliary loss: who moves the routing bias, when, which way, and the figures that show whether
 * it works.
 */
class RoutingBalanceTest {
    private static final DeepseekConfig CONFIG = TinyDeepseek.LATENT_QUERY; // mixtures: layer 1 and the MTP module
    private static final float GAMMA = 0.001f;
    private static Engine engine;

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    @Test
    void overloadedExpertsGoDownAndUnderloadedOnesUpByGamma() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        float[] before = bias(model, 1);
        float[] module = bias(model, 2);
        RoutingLog log = new RoutingLog(2, 6);
        log.record(0, routed(5, 1, 3, 9, 0, 0)); // mean 3

        model.updateRoutingBiases(log, GAMMA);

        float[] after = bias(model, 1);
        float[] step = {-GAMMA, GAMMA, 0, -GAMMA, GAMMA, GAMMA};
        for (int expert = 0; expert < 6; expert++) {
            assertThat(after[expert]).isEqualTo(before[expert] + step[expert]);
        }
        assertThat(bias(model, 2)).as("a mixture that saw no token").isEqualTo(module);
    }

    /** Each micro-batch by itself is out of balance; in sum all experts are equally loaded. */
    @Test
    void theLoadIsThatOfAllMicroBatchesOfTheStep() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        float[] before = bias(model, 1);
        RoutingLog log = new RoutingLog(2, 6);
        log.record(0, routed(4, 0, 0, 2, 2, 0));
        log.record(0, routed(0, 4, 4, 2, 2, 4));
        assertThat(log.load(0)).containsOnly(4);

        model.updateRoutingBiases(log, GAMMA);

        assertThat(bias(model, 1)).isEqualTo(before);
        assertThat(log.maxViolation()).isZero();
    }

    @Test
    void theLogCountsWhatTheForwardPassesChose() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        RoutingLog log = model.newRoutingLog();
        long[] expected = new long[6];
        Workspace workspace = new Workspace();
        for (int micro = 0; micro < 3; micro++) {
            workspace.reset();
            Ops ops = Ops.inference(engine, workspace);
            Batch batch = Batch.packed(TinyDeepseek.sequences(CONFIG, micro, 5, 11), workspace);
            model.forward(ops, batch, log);
            for (int expert : log.chosen(0).toInts()) {
                expected[expert]++;
            }
        }
        assertThat(log.load(0)).isEqualTo(expected);
        assertThat(Arrays.stream(log.load(0)).sum()).isEqualTo(3 * 16 * 2);
        assertThat(log.load(1)).as("the MTP module, not run").containsOnly(0);
    }

    @Test
    void neitherGradientNorOptimizerTouchesTheBias() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        Parameters parameters = model.parameters();
        float[] before = bias(model, 1);
        List<int[]> sequences = TinyDeepseek.sequences(CONFIG, 5, 12, 30);
        TinyDeepseek.Totals totals = TinyDeepseek.Totals.of(sequences, 0);
        TinyDeepseek.backward(model, sequences, 0, 0.3f, 0.1f, totals, model.newRoutingLog(), new Workspace());

        Parameter bias = parameters.get("model.layers.1.mlp.gate.e_score_correction_bias");
        assertThat(bias.trained()).isFalse();
        assertThat(bias.decay()).isFalse();
        assertThat(parameters.gradients().slice(bias.offset(), 6).toFloats()).containsOnly(0);
        assertThat(parameters.trainedSpans())
                .noneMatch(span -> bias.offset() < span.to() && span.from() < bias.offset() + bias.size());
        TinyDeepseek.adamW(parameters, engine.kernels(), 0.01f, 0.1f, 1, 1);
        assertThat(bias(model, 1)).isEqualTo(before);
        assertThat(parameters
                        .get("model.layers.1.mlp.gate.weight")
                        .firstMoment()
                        .toFloats())
                .as("the router's weights, which are trained")
                .isNotEqualTo(new float[6 * 20]);
    }

    @Test
    void theBiasSteersTheChoiceAndNotTheGates() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        Tensor bias = model.parameters()
                .get("model.layers.1.mlp.gate.e_score_correction_bias")
                .value();
        bias.zero();
        bias.set(0, 4, 10);
        bias.set(0, 1, 20);
        ReferenceDeepseek oracle = new ReferenceDeepseek(CONFIG, TinyDeepseek.parameters(model));
        int[] tokens = TinyDeepseek.sequences(CONFIG, 8, 13).getFirst();
        Workspace workspace = new Workspace();
        RoutingLog log = model.newRoutingLog();
        Tensor normed = model.forward(Ops.inference(engine, workspace), Batch.packed(List.of(tokens), workspace), log)
                .normed()
                .value();

        ReferenceDeepseek.States expected = oracle.forward(tokens);
        for (int t = 0; t < tokens.length; t++) {
            assertThat(log.chosen(0).getInt(t, 0)).isEqualTo(1);
            assertThat(log.chosen(0).getInt(t, 1)).isEqualTo(4);
            ReferenceMixture.Choice choice = expected.choices().getFirst()[t];
            assertThat(choice.gates()[0] / choice.gates()[1])
                    .isCloseTo(choice.scores()[1] / choice.scores()[4], within(1e-12));
            for (int i = 0; i < CONFIG.hiddenSize(); i++) {
                assertThat((double) normed.get(t, i)).isCloseTo(expected.normed()[t][i], within(1e-5));
            }
        }
    }

    /** The same tokens over and over, only the bias moving: the worst expert's load comes down to almost the mean. */
    @Test
    void repeatedUpdatesBalanceTheLoad() {
        DeepseekModel model = TinyDeepseek.model(CONFIG, engine, 3);
        List<int[]> sequences = TinyDeepseek.sequences(CONFIG, 5, 50, 50);
        double first = 0;
        double last = 0;
        Workspace workspace = new Workspace();
        for (int step = 0; step < 60; step++) {
            workspace.reset();
            RoutingLog log = model.newRoutingLog();
            model.forward(Ops.inference(engine, workspace), Batch.packed(sequences, workspace), log);
            model.updateRoutingBiases(log, 0.01f);
            last = log.maxViolation();
            first = step == 0 ? last : first;
        }
        assertThat(first).as("violation at first").isGreaterThan(0.3);
        assertThat(last).as("violation at last, %f at first", first).isLessThan(first / 3);
    }

    @Test
    void figuresOfTheLog() {
        RoutingLog log = new RoutingLog(3, 4);
        assertThat(log.maxViolation()).isZero();
        assertThat(log.relativeLoads()).isEmpty();
        log.record(0, routed(3, 1, 2, 2)); // mean 2: 3/2 - 1
        assertThat(log.maxViolation()).isEqualTo(0.5);
        log.record(2, routed(0, 0, 4, 4)); // mean 2: 4/2 - 1, the worse layer
        assertThat(log.maxViolation()).isEqualTo(1);
        assertThat(log.relativeLoads()).isDeepEqualTo(new double[][] {{1.5, 0.5, 1, 1}, {0, 0, 2, 2}});
        log.record(2, routed(4, 4, 0, 0));
        assertThat(log.maxViolation()).isEqualTo(0.5);
        assertThat(log.mixtures()).isEqualTo(3);
    }

    private static float[] bias(DeepseekModel model, int layer) {
        return model.parameters()
                .get("model.layers." + layer + ".mlp.gate.e_score_correction_bias")
                .value()
                .toFloats();
    }

    /** A forward pass in which the experts got this many (token, rank) pairs. */
    private static Ops.Routed routed(int... load) {
        int[] offsets = new int[load.length + 1];
        for (int expert = 0; expert < load.length; expert++) {
            offsets[expert + 1] = offsets[expert] + load[expert];
        }
        int pairs = offsets[load.length];
        Tensor rows = Tensor.zeros(DType.I32, pairs);
        return new Ops.Routed(rows, null, rows, rows, new RowGroups(offsets), 0);
    }
}
