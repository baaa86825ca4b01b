package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LlamaModel;
import dev.fathom.model.RoutingLog;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.LlamaConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is sampled depends on the request and the seed alone, and is what the training forward pass would say of it, to the bit. */
class GeneratorTest {
    private static final int END = 1;

    private static final DeepseekConfig CONFIG = DeepseekConfig.builder()
            .vocabSize(23)
            .hiddenSize(40)
            .intermediateSize(52)
            .moeIntermediateSize(20)
            .numHiddenLayers(3)
            .numAttentionHeads(3)
            .queryLoraRank(null)
            .keyValueLoraRank(24)
            .nopeHeadDim(10)
            .ropeHeadDim(6)
            .valueHeadDim(9)
            .numRoutedExperts(6)
            .numExpertsPerToken(2)
            .initializerRange(0.3)
            .maxPositionEmbeddings(64)
            .build();

    private static List<GenerationRequest> requests() {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            int[] prompt =
                    IntStream.range(0, 1 + i % 5).map(t -> 2 + (t * 7) % 20).toArray();
            requests.add(new GenerationRequest(100 + i, prompt, 5 + i % 30, i % 4 == 3 ? 0 : 1));
        }
        return requests;
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void tokensAndLogProbsDoNotDependOnSlotsThreadsOrCompany(Precision precision) {
        List<Completion> expected;
        try (Engine engine = Engine.vector(precision, 1)) {
            DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
            expected = new Generator(model, 1, 64).generate(requests(), 9, END, true, TokenListener.NONE);
            Completion alone = new Generator(model, 4, 64)
                    .generate(requests().subList(7, 8), 9, END, true, TokenListener.NONE)
                    .getFirst();
            assertSame(expected.get(7), alone);
        }
        for (int slots : new int[] {3, 64}) {
            try (Engine engine = Engine.vector(precision, 2)) {
                DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
                List<Completion> found =
                        new Generator(model, slots, 64).generate(requests(), 9, END, true, TokenListener.NONE);
                for (int i = 0; i < expected.size(); i++) {
                    assertSame(expected.get(i), found.get(i));
                }
            }
        }
        // Otherwise the comparison above would say little.
        assertThat(expected).anyMatch(Completion::truncated).anyMatch(completion -> !completion.truncated());
        assertThat(expected.stream()
                        .map(c -> Arrays.toString(c.tokens()))
                        .distinct()
                        .count())
                .isGreaterThan(10);
    }

    /** So many rows that each thread takes its own through the whole model. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void aStepInPartsIsSampledLikewise(Precision precision) {
        List<GenerationRequest> many = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            int id = i;
            int[] prompt = IntStream.range(0, 1 + i % 7)
                    .map(t -> 2 + (t * 7 + id) % 20)
                    .toArray();
            many.add(new GenerationRequest(i, prompt, 1 + i % 9, 1));
        }
        List<Completion> expected;
        try (Engine engine = Engine.vector(precision, 1)) {
            DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
            expected = new Generator(model, 20, 64).generate(many, 9, END, true, TokenListener.NONE);
        }
        for (int threads = 2; threads <= 3; threads++) {
            try (Engine engine = Engine.vector(precision, threads)) {
                DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
                List<Completion> found = new Generator(model, 250, 64).generate(many, 9, END, true, TokenListener.NONE);
                for (int i = 0; i < expected.size(); i++) {
                    assertSame(expected.get(i), found.get(i));
                }
            }
        }
    }

    /** A model without experts: the same promise, and nothing to record. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void aDenseModelIsSampledLikewise(Precision precision) {
        LlamaConfig config = LlamaConfig.builder()
                .architecture(LlamaConfig.Architecture.QWEN2)
                .vocabSize(23)
                .hiddenSize(40)
                .intermediateSize(52)
                .numHiddenLayers(2)
                .numAttentionHeads(4)
                .numKeyValueHeads(2)
                .headDim(12)
                .initializerRange(0.3)
                .maxPositionEmbeddings(64)
                .build();
        try (Engine engine = Engine.vector(precision, 2)) {
            LlamaModel model = LlamaModel.random(config, engine, 5);
            List<Completion> one = new Generator(model, 1, 64).generate(requests(), 9, END, true, TokenListener.NONE);
            List<Completion> many = new Generator(model, 7, 64).generate(requests(), 9, END, true, TokenListener.NONE);
            for (int i = 0; i < one.size(); i++) {
                assertSame(one.get(i), many.get(i));
                assertThat(one.get(i).experts()).isEmpty();
            }
            assertThat(one.stream()
                            .map(c -> Arrays.toString(c.tokens()))
                            .distinct()
                            .count())
                    .isGreaterThan(10);
        }
    }

    private static void assertSame(Completion expected, Completion found) {
        assertThat(found.tokens()).isEqualTo(expected.tokens());
        assertThat(found.logProbs()).isEqualTo(expected.logProbs());
        assertThat(found.experts()).isEqualTo(expected.experts());
        assertThat(found.truncated()).isEqualTo(expected.truncated());
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void theTrainingForwardPassReproducesLogProbsAndExpertsToTheBit(Precision precision) {
        try (Engine engine = Engine.vector(precision, 2)) {
            DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
            List<GenerationRequest> requests = requests().stream()
                    .filter(request -> request.temperature() == 1)
                    .toList();
            List<Completion> completions =
                    new Generator(model, 7, 64).generate(requests, 9, END, true, TokenListener.NONE);
            Workspace workspace = new Workspace();
            Ops ops = Ops.inference(engine, workspace);
            List<int[]> inputs = completions.stream()
                    .map(completion -> Arrays.copyOf(completion.sequence(), completion.sequence().length - 1))
                    .toList();
            Batch batch = Batch.packed(inputs, workspace);
            RoutingLog log = model.newRoutingLog();
            Tensor targets = Tensor.of(completions.stream()
                    .flatMapToInt(
                            completion -> Arrays.stream(completion.sequence()).skip(1))
                    .toArray());
            Tensor logProbs = ops.tokenLogProbs(model.forward(ops, batch, log).normed(), model.head(), targets, 1)
                    .logProbs()
                    .value();
            for (int s = 0; s < completions.size(); s++) {
                Completion completion = completions.get(s);
                int start = batch.segments().rowStart()[s];
                int prompt = completion.request().prompt().length;
                for (int i = 0; i < completion.tokens().length; i++) {
                    assertThat(logProbs.get(0, start + prompt - 1 + i))
                            .isEqualTo(completion.logProbs()[i]);
                }
                int at = 0;
                for (int row = 0; row < inputs.get(s).length; row++) {
                    for (int mixture = 0; mixture < model.mixtures(); mixture++) {
                        for (int rank = 0; rank < 2; rank++) {
                            assertThat(log.chosen(mixture).getInt(start + row, rank))
                                    .isEqualTo(completion.experts()[at++]);
                        }
                    }
                }
                assertThat(at).isEqualTo(completion.experts().length);
            }
        }
    }

    @Test
    void everyTokenIsHeardInOrder() {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
            List<Integer> heard = new ArrayList<>();
            Completion completion = new Generator(model, 2, 64)
                    .generate(requests().subList(2, 3), 9, END, false, (request, token) -> heard.add(token))
                    .getFirst();
            assertThat(heard.stream().mapToInt(Integer::intValue).toArray()).isEqualTo(completion.tokens());
            assertThat(completion.experts()).isEmpty();
        }
    }

    @Test
    void whatDoesNotFitIsRefusedByName() {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            DeepseekModel model = DeepseekModel.random(CONFIG, engine, 5);
            assertThatThrownBy(() -> new Generator(model, 1, 65)).hasMessageContaining("max_position_embeddings=64");
            GenerationRequest tooLong = new GenerationRequest(1, new int[] {2, 3}, 63, 1);
            assertThatThrownBy(() ->
                            new Generator(model, 1, 64).generate(List.of(tooLong), 9, END, false, TokenListener.NONE))
                    .hasMessageContaining("maxTokens=63");
            assertThatThrownBy(() -> new GenerationRequest(1, new int[0], 3, 1)).hasMessageContaining("prompt");
            assertThatThrownBy(() -> new GenerationRequest(1, new int[] {2}, 3, Float.NaN))
                    .hasMessageContaining("temperature");
        }
    }
}
