package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.Philox;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorKernels;
import dev.fathom.engine.WorkerPool;
import dev.fathom.engine.Workspace;
import dev.fathom.infer.SampledToken.Candidate;
import dev.fathom.infer.SampledToken.LogProbs;
import dev.fathom.infer.Sampler.Drawn;
import dev.fathom.infer.Sampler.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Every setting against its definition, written out, and the distribution that comes out of them all. */
class SamplerTest {
    private static final WorkerPool POOL = new WorkerPool(2);

    @AfterAll
    static void close() {
        POOL.close();
    }

    private static float[] logits(long seed, int size, double spread) {
        float[] logits = new float[size];
        for (int i = 0; i < size; i++) {
            logits[i] = (float) (spread * Philox.gaussian(seed, 7, 0, i));
        }
        return logits;
    }

    private static Sequence sequence(Sampling sampling, int[] prompt, int... response) {
        Sequence sequence = new Sequence(
                new Prompt(prompt, ReasoningFormat.NONE),
                sampling.withSeed(3L),
                3,
                0,
                1 << 20,
                new TextStream(EngineFixture.TOKENIZER, new BitSet(), ReasoningFormat.NONE, List.of()),
                TokenRoles.of(EngineFixture.TOKENIZER, List.of()),
                event -> {});
        for (int token : response) {
            sequence.append(token, null);
        }
        return sequence;
    }

    private static Drawn draw(float[] logits, Sequence sequence) {
        Workspace workspace = new Workspace();
        return new Sampler(new VectorKernels(POOL), POOL, logits.length)
                .draw(Tensor.of(logits, 1, logits.length), List.of(new Rows(sequence, 0, 1)), workspace);
    }

    /** The probabilities that the settings leave, by the definitions. */
    private static double[] expected(float[] logits, Sampling sampling, int[] prompt, int[] response) {
        int n = logits.length;
        double[] scores = new double[n];
        for (int i = 0; i < n; i++) {
            int token = i;
            double score = logits[i];
            long count = Arrays.stream(response).filter(it -> it == token).count();
            boolean seen = count > 0 || Arrays.stream(prompt).anyMatch(it -> it == token);
            if (seen) {
                score = score < 0 ? score * sampling.repetitionPenalty() : score / sampling.repetitionPenalty();
            }
            score -= count * sampling.frequencyPenalty() + (count > 0 ? sampling.presencePenalty() : 0);
            scores[i] = score / sampling.temperature();
        }
        List<Integer> order = new ArrayList<>(IntStream.range(0, n).boxed().toList());
        order.sort(Comparator.comparingDouble((Integer i) -> -scores[i]).thenComparingInt(i -> i));
        double max = scores[order.getFirst()];
        List<Integer> kept = sampling.topK() > 0 ? order.subList(0, Math.min(n, sampling.topK())) : order;
        double total = kept.stream().mapToDouble(i -> Math.exp(scores[i] - max)).sum();
        double before = 0;
        double[] probabilities = new double[n];
        for (int i : kept) {
            double mass = Math.exp(scores[i] - max);
            if ((sampling.topP() == 1 || before < sampling.topP() * total) && mass >= sampling.minP()) {
                probabilities[i] = mass;
            }
            before += mass;
        }
        double sum = Arrays.stream(probabilities).sum();
        return Arrays.stream(probabilities).map(p -> p / sum).toArray();
    }

    /** 8,000 tokens of each of many settings: Pearson's statistic lies where it does for the right distribution, and nothing else is drawn. */
    @Test
    void tokensAreDistributedAsTheSettingsSay() {
        int[] prompt = {1, 2, 3, 4};
        int[] response = {2, 5, 5, 5, 6};
        List<Sampling> settings = List.of(
                Sampling.DEFAULT,
                Sampling.DEFAULT.withTemperature(0.6).withTopP(0.95),
                Sampling.DEFAULT.withTopK(7),
                Sampling.DEFAULT.withTopK(12).withTopP(0.7).withTemperature(1.5),
                Sampling.DEFAULT.withMinP(0.08),
                Sampling.DEFAULT.withTemperature(2).withTopK(20).withTopP(0.9).withMinP(0.05),
                Sampling.DEFAULT
                        .withRepetitionPenalty(1.4)
                        .withPresencePenalty(0.7)
                        .withFrequencyPenalty(-0.3),
                Sampling.DEFAULT.withFrequencyPenalty(0.5).withTopP(0.8).withRepetitionPenalty(0.8));
        for (int s = 0; s < settings.size(); s++) {
            Sampling sampling = settings.get(s);
            float[] logits = logits(s, 30, 1.5);
            double[] probabilities = expected(logits, sampling, prompt, response);
            int draws = 8_000;
            int[] counts = new int[30];
            Workspace workspace = new Workspace();
            Sampler sampler = new Sampler(new VectorKernels(POOL), POOL, 30);
            int batch = 500;
            float[] rows = new float[batch * 30];
            for (int i = 0; i < batch; i++) {
                System.arraycopy(logits, 0, rows, 30 * i, 30);
            }
            for (int b = 0; b < draws / batch; b++) {
                workspace.reset();
                List<Rows> work = new ArrayList<>();
                for (int i = 0; i < batch; i++) {
                    Sequence sequence = new Sequence(
                            new Prompt(prompt, ReasoningFormat.NONE),
                            sampling,
                            b * batch + i,
                            s,
                            1 << 20,
                            new TextStream(EngineFixture.TOKENIZER, new BitSet(), ReasoningFormat.NONE, List.of()),
                            TokenRoles.of(EngineFixture.TOKENIZER, List.of()),
                            event -> {});
                    for (int token : response) {
                        sequence.append(token, null);
                    }
                    work.add(new Rows(sequence, i, 1));
                }
                for (int token : sampler.draw(Tensor.of(rows, batch, 30), work, workspace)
                        .tokens()) {
                    counts[token]++;
                }
            }
            double statistic = 0;
            int degrees = -1;
            double rareExpected = 0;
            double rareFound = 0;
            for (int i = 0; i < 30; i++) {
                double expected = probabilities[i] * draws;
                if (expected == 0) {
                    assertThat(counts[i])
                            .as("token %d is left out by %s", i, sampling)
                            .isZero();
                } else if (expected < 10) {
                    rareExpected += expected;
                    rareFound += counts[i];
                } else {
                    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
                    degrees++;
                }
            }
            if (rareExpected > 0) {
                statistic += (rareFound - rareExpected) * (rareFound - rareExpected) / rareExpected;
                degrees++;
            }
            // Mean and variance of the statistic are its degrees of freedom and twice as many.
            assertThat(statistic).as("%s", sampling).isLessThan(degrees + 4 * Math.sqrt(2 * degrees));
        }
    }

    /** What stays, for vocabularies of many sizes and shapes, flat ones with many ties among them: exactly what sorting says. */
    @Test
    void truncationAgreesWithSorting() {
        Truncation truncation = new Truncation();
        for (int run = 0; run < 400; run++) {
            int size = 1 + EngineFixture.pick(run, 0, run % 10 == 0 ? 5000 : 200);
            float[] logits = logits(run, size, 0.1 + 0.05 * EngineFixture.pick(run, 1, 100));
            if (run % 3 == 0) {
                for (int i = 0; i < size; i++) {
                    logits[i] = Math.round(logits[i] * 2) / 2f;
                }
            }
            Sampling sampling = Sampling.DEFAULT
                    .withTemperature(run % 2 == 0 ? 1 : 0.25 + EngineFixture.pick(run, 2, 8) / 4.0)
                    .withTopK(run % 4 < 2 ? EngineFixture.pick(run, 3, 2 * size + 1) : 0)
                    .withTopP(run % 5 < 3 ? (1 + EngineFixture.pick(run, 4, 1000)) / 1001.0 : 1)
                    .withMinP(run % 7 < 2 ? EngineFixture.pick(run, 5, 100) / 100.0 : 0);
            double[] expected = expected(logits, sampling, new int[0], new int[0]);
            Tensor row = Tensor.of(logits, 1, size);
            truncation.apply(
                    new LogitRow(row, 0, POOL, 0),
                    1 / (float) sampling.temperature(),
                    sampling.topK(),
                    sampling.topP(),
                    sampling.minP());
            for (int i = 0; i < size; i++) {
                assertThat(row.get(0, i))
                        .as("run %d, token %d of %s", run, i, sampling)
                        .isEqualTo(expected[i] > 0 ? logits[i] : Float.NEGATIVE_INFINITY);
            }
        }
    }

    /** By hand: logits 2, 1, -1, 0.5, 0; prompt {0}, response {1, 2, 2}. */
    @Test
    void penalties() {
        float[] logits = {2, 1, -1, 0.5f, 0};
        int[] prompt = {0};
        // 2/2, 1/2, -1*2, 0.5, 0
        assertThat(greedy(logits, Sampling.GREEDY.withRepetitionPenalty(2), prompt, 1, 2, 2))
                .isEqualTo(0);
        // 2/5, 1/5, -5, 0.5, 0
        assertThat(greedy(logits, Sampling.GREEDY.withRepetitionPenalty(5), prompt, 1, 2, 2))
                .isEqualTo(3);
        // The prompt does not count: 2, 1-3, ...
        assertThat(greedy(logits, Sampling.GREEDY.withPresencePenalty(3), prompt, 1, 2, 2))
                .isEqualTo(0);
        // 2-1, 1, -1, 0.5, 0 : a tie, which the lower id wins; a little more and it does not
        assertThat(greedy(logits, Sampling.GREEDY.withPresencePenalty(1), new int[] {3}, 0))
                .isEqualTo(0);
        assertThat(greedy(logits, Sampling.GREEDY.withPresencePenalty(1.01), new int[] {3}, 0))
                .isEqualTo(1);
        // Twice is twice: 2, 1, -1+2*1.6, 0.5, 0
        assertThat(greedy(logits, Sampling.GREEDY.withFrequencyPenalty(-1.6), prompt, 2, 2))
                .isEqualTo(2);
        assertThat(greedy(logits, Sampling.GREEDY.withFrequencyPenalty(-1.4), prompt, 2, 2))
                .isEqualTo(0);
    }

    private static int greedy(float[] logits, Sampling sampling, int[] prompt, int... response) {
        return draw(logits, sequence(sampling, prompt, response)).tokens()[0];
    }

    /** Neither penalties nor temperature nor top-k change the log-probabilities that are reported; padding of the vocabulary is never drawn. */
    @Test
    void logProbsAreTheModelsOwn() {
        float[] logits = logits(9, 300, 2);
        logits[299] = 50;
        Sampling sampling = Sampling.DEFAULT
                .withTemperature(1.3)
                .withTopK(4)
                .withRepetitionPenalty(1.5)
                .withLogProbs(5);
        Workspace workspace = new Workspace();
        Drawn drawn = new Sampler(new VectorKernels(POOL), POOL, 299)
                .draw(
                        Tensor.of(logits, 1, 300),
                        List.of(new Rows(sequence(sampling, new int[] {1, 2}), 0, 1)),
                        workspace);
        LogProbs found = drawn.logProbs()[0];
        double[] own = expected(Arrays.copyOf(logits, 299), Sampling.DEFAULT, new int[0], new int[0]);
        assertThat(drawn.tokens()[0]).isLessThan(299);
        assertThat(found.chosen()).isCloseTo((float) Math.log(own[drawn.tokens()[0]]), within(1e-5f));
        List<Integer> best = IntStream.range(0, 299)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -own[i]))
                .limit(5)
                .toList();
        assertThat(found.top()).extracting(Candidate::id).isEqualTo(best);
        assertThat(found.top().getFirst().logProb()).isCloseTo((float) Math.log(own[best.getFirst()]), within(1e-5f));
    }

    @Test
    void aBadSettingIsNamed() {
        assertThatThrownBy(() -> Sampling.DEFAULT.withTemperature(-1))
                .hasMessage("temperature: found -1.0, expected 0 or more");
        assertThatThrownBy(() -> Sampling.DEFAULT.withTemperature(Double.NaN))
                .hasMessageContaining("temperature: found NaN");
        assertThatThrownBy(() -> Sampling.DEFAULT.withTopK(-2)).hasMessageContaining("topK: found -2");
        assertThatThrownBy(() -> Sampling.DEFAULT.withTopP(0))
                .hasMessageContaining("topP: found 0.0, expected above 0");
        assertThatThrownBy(() -> Sampling.DEFAULT.withMinP(1.5)).hasMessageContaining("minP: found 1.5");
        assertThatThrownBy(() -> Sampling.DEFAULT.withRepetitionPenalty(0)).hasMessageContaining("repetitionPenalty");
        assertThatThrownBy(() -> Sampling.DEFAULT.withPresencePenalty(Double.NaN))
                .hasMessageContaining("presencePenalty");
        assertThatThrownBy(() -> Sampling.DEFAULT.withFrequencyPenalty(Double.POSITIVE_INFINITY))
                .hasMessageContaining("frequencyPenalty");
        assertThatThrownBy(() -> Sampling.DEFAULT.withMaxTokens(0)).hasMessageContaining("maxTokens: found 0");
        assertThatThrownBy(() -> Sampling.DEFAULT.withStop(List.of("a", "")))
                .hasMessageContaining("stop: found an empty");
        assertThatThrownBy(() -> Sampling.DEFAULT.withLogProbs(-2)).hasMessageContaining("logProbs: found -2");
        assertThatThrownBy(() -> Sampling.DEFAULT.withThinkingBudget(-1))
                .hasMessageContaining("thinkingBudget: found -1");
    }
}
