package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The dense models against their oracles: log-probabilities, and the gradient of every tensor against central differences of the
 * oracle's loss. That decoding gives the same bits is in {@link GenerationMatchesTrainingTest}.
 */
class DenseModelTest {
    private static final long SEED = 20230227;
    private static final double STEP = 1e-5;

    private static Engine engine;

    /** A model and its oracle over the model's parameters. */
    record Case(
            String name,
            Function<Engine, TrainableModel> model,
            Function<Map<String, double[]>, ReferenceModel> oracle) {
        static Case of(String name, LlamaConfig config) {
            return new Case(
                    name,
                    engine -> TinyDense.model(config, engine, SEED),
                    parameters -> new ReferenceLlama(config, parameters));
        }

        static Case of(String name, Gpt2Config config) {
            return new Case(
                    name,
                    engine -> TinyDense.model(config, engine, SEED),
                    parameters -> new ReferenceGpt2(config, parameters));
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Case> cases() {
        return Stream.of(
                Case.of("Llama", TinyDense.LLAMA),
                Case.of("Qwen2: grouped, bias, tied head", TinyDense.QWEN2),
                Case.of("Qwen3: one key head, norms on heads", TinyDense.QWEN3),
                Case.of("GPT-2", TinyDense.GPT2),
                Case.of("GPT-2 without biases", TinyDense.GPT2_WITHOUT_BIAS));
    }

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void computesTheOraclesProbabilities(Case tested) {
        TrainableModel model = tested.model.apply(engine);
        ReferenceModel oracle = tested.oracle.apply(TinyDeepseek.parameters(model));
        // One row; more than two of the attention's tiles of sixteen; a sequence that ends where a tile ends.
        List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 1, 1, 21, 6, 37, 16);
        Workspace workspace = new Workspace();
        Ops ops = Ops.inference(engine, workspace);
        Batch batch = Batch.packed(sequences, workspace);
        Variable normed = model.forward(ops, batch, model.newRoutingLog()).normed();
        for (int token = 0; token < model.vocabSize(); token++) {
            int[] targets = new int[batch.rows()];
            Arrays.fill(targets, token);
            Tensor logProbs = ops.tokenLogProbs(normed, model.head(), Tensor.of(targets), 1)
                    .logProbs()
                    .value();
            for (int s = 0; s < sequences.size(); s++) {
                double[][] expected = oracle.logProbs(sequences.get(s));
                for (int t = 0; t < expected.length; t++) {
                    int row = batch.segments().rowStart()[s] + t;
                    double found = logProbs.get(0, row);
                    assertThat(Math.abs(found - expected[t][token]) / Math.max(1, Math.abs(expected[t][token])))
                            .as("sequence %d, position %d, token %d", s, t, token)
                            .isLessThan(1e-5);
                }
            }
        }
    }

    /** Twenty elements of every tensor of the checkpoint (all, where it has fewer), and a random direction through all of it. */
    @ParameterizedTest
    @MethodSource("cases")
    void everyGradientIsTheSlopeOfTheOraclesLoss(Case tested) {
        TrainableModel model = tested.model.apply(engine);
        Map<String, double[]> parameters = TinyDeepseek.parameters(model);
        ReferenceModel oracle = tested.oracle.apply(parameters);
        List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 5, 2, 18, 5);
        double loss = backward(model, sequences);
        assertThat(Math.abs(loss - oracle.loss(sequences))).isLessThan(1e-5);

        Random random = new Random(11);
        Map<String, double[]> gradients = TinyDeepseek.gradients(model);
        assertThat(gradients.keySet()).isEqualTo(parameters.keySet());
        gradients.forEach((name, gradient) -> {
            double[] values = parameters.get(name);
            int[] chosen = random.ints(0, values.length)
                    .distinct()
                    .limit(Math.min(20, values.length))
                    .toArray();
            double[] slopes = new double[chosen.length];
            for (int i = 0; i < chosen.length; i++) {
                double[] direction = new double[values.length];
                direction[chosen[i]] = 1;
                slopes[i] = slope(oracle, sequences, values, direction);
            }
            // Small gradients beside large ones of the same tensor carry the large ones' rounding.
            double floor = 0.01 * Arrays.stream(slopes).map(Math::abs).max().orElseThrow() + 1e-6;
            for (int i = 0; i < chosen.length; i++) {
                assertThat(Math.abs(gradient[chosen[i]] - slopes[i]) / Math.max(Math.abs(slopes[i]), floor))
                        .as("%s[%d]: gradient %s, slope %s", name, chosen[i], gradient[chosen[i]], slopes[i])
                        .isLessThan(1e-3);
            }
            double[] signs = random.ints(values.length, 0, 2)
                    .mapToDouble(bit -> 2 * bit - 1)
                    .toArray();
            double along = 0;
            double squares = 0;
            for (int i = 0; i < signs.length; i++) {
                along += gradient[i] * signs[i];
                squares += gradient[i] * gradient[i];
            }
            double slope = slope(oracle, sequences, values, signs);
            assertThat(Math.abs(along - slope) / (Math.max(Math.abs(slope), Math.sqrt(squares)) + 1e-6))
                    .as("%s along random signs: gradient %s, slope %s", name, along, slope)
                    .isLessThan(1e-3);
        });
    }

    /** Every element of every parameter belongs to exactly one tensor of the checkpoint, and none to a copy. */
    @ParameterizedTest
    @MethodSource("cases")
    void theCheckpointIsAViewOfAllParameters(Case tested) {
        TrainableModel model = tested.model.apply(engine);
        model.parameters().values().zero();
        for (NamedTensor tensor : model.checkpointTensors()) {
            for (long row = 0; row < tensor.view().rows(); row++) {
                for (long column = 0; column < tensor.view().columns(); column++) {
                    tensor.view().set(row, column, tensor.view().get(row, column) + 1);
                }
            }
        }
        for (Parameter parameter : model.parameters()) {
            assertThat(parameter.value().toFloats()).as(parameter.name()).containsOnly(1);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void refusesTokensOutsideTheVocabularyAndPositionsOutsideTheModel(Case tested) {
        TrainableModel model = tested.model.apply(engine);
        Ops ops = Ops.inference(engine, new Workspace());
        for (int[] tokens : List.of(new int[] {1, model.vocabSize()}, new int[] {-1}, new int[65])) {
            Batch batch = Batch.packed(List.of(tokens), ops.workspace());
            assertThatThrownBy(() -> model.forward(ops, batch, model.newRoutingLog()))
                    .as("tokens %s", Arrays.toString(tokens))
                    .isInstanceOfAny(IllegalArgumentException.class, IndexOutOfBoundsException.class)
                    .hasMessageContaining("outside");
        }
    }

    /** Central difference of the loss along a direction; the parameter is left as it was. */
    private static double slope(ReferenceModel oracle, List<int[]> sequences, double[] values, double[] direction) {
        double[] saved = values.clone();
        double difference = 0;
        for (int side = 1; side >= -1; side -= 2) {
            for (int i = 0; i < values.length; i++) {
                values[i] = saved[i] + side * STEP * direction[i];
            }
            difference += side * oracle.loss(sequences);
        }
        System.arraycopy(saved, 0, values, 0, values.length);
        return difference / (2 * STEP);
    }

    /** The loss of {@link ReferenceModel#loss}; its gradients are left in the model. */
    private static double backward(TrainableModel model, List<int[]> sequences) {
        Workspace workspace = new Workspace();
        Tape tape = new Tape();
        Ops ops = Ops.recording(engine, workspace, tape);
        List<int[]> inputs = sequences.stream()
                .map(tokens -> Arrays.copyOf(tokens, tokens.length - 1))
                .toList();
        int[] targets = sequences.stream()
                .flatMapToInt(tokens -> Arrays.stream(tokens, 1, tokens.length))
                .toArray();
        Variable normed = model.forward(ops, Batch.packed(inputs, workspace), model.newRoutingLog())
                .normed();
        Variable logProbs =
                ops.tokenLogProbs(normed, model.head(), Tensor.of(targets), 1).logProbs();
        double loss = 0;
        for (int n = 0; n < targets.length; n++) {
            loss -= logProbs.value().get(0, n) / targets.length;
            logProbs.gradient().set(0, n, -1f / targets.length);
        }
        tape.backward();
        return loss;
    }
}
