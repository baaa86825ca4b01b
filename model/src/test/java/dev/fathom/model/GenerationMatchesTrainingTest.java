package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The promise of zero mismatch: for every token, decoding over kept keys and values gives the bits of the training
 * forward pass, in whatever pieces the sequence comes, in whatever slot it lies and whatever else is in the batch;
 * experts included.
 */
class GenerationMatchesTrainingTest {
    private static final long SEED = 7;
    private static final int CAPACITY = 64;
    private static final int SLOTS = 6;
    private static final float INVERSE_TEMPERATURE = 1 / 0.7f;

    /** Widths at which whole vectors, several of them, and remainders all occur. */
    private static final DeepseekConfig WIDE = TinyDeepseek.shape()
            .vocabSize(83)
            .hiddenSize(72)
            .intermediateSize(136)
            .moeIntermediateSize(40)
            .numHiddenLayers(3)
            .numAttentionHeads(4)
            .queryLoraRank(48)
            .keyValueLoraRank(33)
            .nopeHeadDim(16)
            .ropeHeadDim(8)
            .valueHeadDim(24)
            .numRoutedExperts(12)
            .numExpertsPerToken(3)
            .numGroups(3)
            .topGroups(2)
            .initializerRange(0.12)
            .build();

    static Stream<Arguments> models() {
        return Stream.of(
                Arguments.of("tiny", maker(TinyDeepseek.LATENT_QUERY), Precision.F32, "vector", 1),
                Arguments.of("tiny", maker(TinyDeepseek.LATENT_QUERY), Precision.BF16, "vector", 2),
                Arguments.of("tiny, YaRN", maker(TinyDeepseek.YARN), Precision.F32, "vector", 2),
                Arguments.of("tiny, YaRN", maker(TinyDeepseek.YARN), Precision.BF16, "vector", 1),
                Arguments.of("wide", maker(WIDE), Precision.F32, "vector", 1),
                Arguments.of("wide", maker(WIDE), Precision.F32, "vector", 2),
                Arguments.of("wide", maker(WIDE), Precision.BF16, "vector", 1),
                Arguments.of("wide", maker(WIDE), Precision.BF16, "vector", 2),
                Arguments.of("Llama", maker(TinyDense.LLAMA), Precision.F32, "vector", 2),
                Arguments.of("Qwen2", maker(TinyDense.QWEN2), Precision.BF16, "vector", 2),
                Arguments.of("Qwen3", maker(TinyDense.QWEN3), Precision.F32, "vector", 1),
                Arguments.of("Qwen3", maker(TinyDense.QWEN3), Precision.BF16, "vector", 2),
                Arguments.of("GPT-2", maker(TinyDense.GPT2), Precision.F32, "vector", 2),
                Arguments.of("GPT-2", maker(TinyDense.GPT2_WITHOUT_BIAS), Precision.BF16, "vector", 1),
                // As this machine prefers it: keys and values may be kept in bf16.
                Arguments.of("tiny", maker(TinyDeepseek.LATENT_QUERY), Precision.BF16, "auto", 1),
                Arguments.of("wide", maker(WIDE), Precision.BF16, "auto", 2),
                Arguments.of("Qwen3", maker(TinyDense.QWEN3), Precision.BF16, "auto", 2));
    }

    /** The same model for any engine. */
    private interface Maker {
        LanguageModel make(Engine engine);
    }

    private static Maker maker(DeepseekConfig config) {
        return engine -> TinyDeepseek.model(config, engine, SEED);
    }

    private static Maker maker(Gpt2Config config) {
        return engine -> TinyDense.model(config, engine, SEED);
    }

    private static Maker maker(LlamaConfig config) {
        return engine -> TinyDense.model(config, engine, SEED);
    }

    @ParameterizedTest(name = "{0}, {2} {3}, threads: {4}")
    @MethodSource("models")
    void tokenByTokenAlone(String name, Maker maker, Precision precision, String gemm, int threads) {
        try (Engine engine = Engine.open(PrecisionChoice.valueOf(precision.name()), gemm, threads)) {
            LanguageModel model = maker.make(engine);
            List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 1, 35, 3, 18);
            Decoding decoding = new Decoding(model, sequences);
            for (int t = 0; t < 35; t++) {
                decoding.step(new Piece(0, 0, 1));
            }
            for (int t = 0; t < 18; t++) { // over what the first sequence has left behind in the slot
                decoding.step(new Piece(2, 0, 1));
            }
            decoding.step(new Piece(1, 4, 3));
            assertThat(decoding.isComplete()).isTrue();
            assertThat(decoding.differences(trained(model, sequences))).isEmpty();
        }
    }

    @ParameterizedTest(name = "{0}, {2} {3}, threads: {4}")
    @MethodSource("models")
    void inPiecesOfAnySizeInAnySlotBesideOthers(
            String name, Maker maker, Precision precision, String gemm, int threads) {
        try (Engine engine = Engine.open(PrecisionChoice.valueOf(precision.name()), gemm, threads)) {
            LanguageModel model = maker.make(engine);
            List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 2, 33, 16, 1, 47, 22, 40);
            List<Row> trained = trained(model, sequences);
            for (long shuffle = 1; shuffle <= 2; shuffle++) {
                Decoding decoding = new Decoding(model, sequences);
                decodeAtRandom(decoding, sequences, new Random(shuffle));
                assertThat(decoding.differences(trained))
                        .as("shuffle %d", shuffle)
                        .isEmpty();
            }
        }
    }

    /** In every step some of the sequences, in any order, get a piece of one to nine tokens, mostly one. */
    private static void decodeAtRandom(Decoding decoding, List<int[]> sequences, Random random) {
        List<Integer> slots = new ArrayList<>(List.of(0, 1, 2, 3, 4, 5));
        Collections.shuffle(slots, random);
        List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3, 4, 5));
        while (!decoding.isComplete()) {
            Collections.shuffle(order, random);
            List<Piece> pieces = new ArrayList<>();
            for (int sequence : order) {
                int left = sequences.get(sequence).length - decoding.cached[sequence];
                if (left > 0 && random.nextInt(3) > 0) {
                    int count = random.nextInt(3) > 0 ? 1 : 1 + random.nextInt(9);
                    pieces.add(new Piece(sequence, slots.get(sequence), Math.min(count, left)));
                }
            }
            if (!pieces.isEmpty()) {
                decoding.step(pieces.toArray(Piece[]::new));
            }
        }
    }

    /** What is sampled, at the temperature it was sampled at, is scored by the training pass with the same bits. */
    @ParameterizedTest(name = "{0}, {2} {3}, threads: {4}")
    @MethodSource("models")
    void trainingScoresWhatWasSampledAsTheSamplerDid(
            String name, Maker maker, Precision precision, String gemm, int threads) {
        try (Engine engine = Engine.open(PrecisionChoice.valueOf(precision.name()), gemm, threads)) {
            LanguageModel model = maker.make(engine);
            List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 3, 30, 30, 30);
            int prompt = 5;
            Decoding decoding = new Decoding(model, sequences);
            decoding.sampleInto(sequences, prompt, 0.7f, new Random(5));
            assertThat(decoding.differences(trained(model, sequences))).isEmpty();

            Workspace workspace = new Workspace();
            Ops ops = Ops.recording(engine, workspace, new Tape());
            Batch batch = Batch.packed(sequences, workspace);
            Variable states = model.forward(ops, batch, model.newRoutingLog()).normed();
            float[] scored = ops.tokenLogProbs(
                            states, model.head(), Tensor.of(nextTokens(sequences)), INVERSE_TEMPERATURE)
                    .logProbs()
                    .value()
                    .toFloats();
            for (int s = 0; s < sequences.size(); s++) {
                for (int t = prompt; t < 30; t++) {
                    assertThat(Float.floatToRawIntBits(decoding.sampledLogProbs[s][t]))
                            .as("sequence %d, token %d", s, t)
                            .isEqualTo(Float.floatToRawIntBits(scored[s * 30 + t - 1]));
                }
            }
        }
    }

    /** The number of threads and the company in the batch do not show in the training pass either. */
    @ParameterizedTest(name = "{0}, {2} {3}, threads: {4}")
    @MethodSource("models")
    void theTrainingPassDoesNotDependOnTheBatch(
            String name, Maker maker, Precision precision, String gemm, int threads) {
        try (Engine engine = Engine.open(PrecisionChoice.valueOf(precision.name()), gemm, threads);
                Engine reference = Engine.open(PrecisionChoice.valueOf(precision.name()), gemm, 1)) {
            LanguageModel model = maker.make(engine);
            List<int[]> sequences = TinyDeepseek.sequences(model.vocabSize(), 4, 9, 26, 17);
            List<Row> together = trained(model, sequences);
            List<Row> alone = new ArrayList<>();
            for (int s = 0; s < sequences.size(); s++) {
                int sequence = s;
                trained(maker.make(reference), List.of(sequences.get(s))).forEach(row -> alone.add(row.of(sequence)));
            }
            assertThat(alone).hasSameSizeAs(together);
            assertThat(differences(alone, together)).isEmpty();
        }
    }

    /** The checks above can fail: products that add up few rows in another order than many make generation differ. */
    @Test
    void aReductionOrderThatDependsOnTheBatchIsSeen() {
        try (Engine good = Engine.vector(Precision.F32, 1)) {
            Gemm halved = new HalvedGemm(good.gemm());
            Engine broken = new Engine(good.kernels(), halved, halved, good.storedGemm(), good.pool(), "");
            LanguageModel model = maker(WIDE).make(broken);
            List<int[]> sequences = TinyDeepseek.sequences(WIDE, 1, 35, 12);
            Decoding decoding = new Decoding(model, sequences);
            for (int t = 0; t < 35; t++) {
                decoding.step(new Piece(0, 0, 1));
            }
            decoding.step(new Piece(1, 1, 12));
            List<String> differences = decoding.differences(trained(model, sequences));
            assertThat(differences)
                    .as("rows whose bits differ")
                    .isNotEmpty()
                    .allMatch(difference -> difference.startsWith("sequence 0"));
            assertThat(decoding.largestLogitDifference(trained(model, sequences)))
                    .isPositive()
                    .isLessThan(1e-3);
        }
    }

    // ---- the two ways to compute a row

    /**
     * All that is compared of one token, as bits.
     *
     * @param logits of the next token
     * @param logProb of some token after it, at a temperature
     * @param experts of every mixture
     */
    private record Row(
            int sequence, int position, int[] hidden, int[] normed, int[] logits, int logProb, int[] experts) {
        String differenceFrom(Row other) {
            List<String> parts = new ArrayList<>();
            if (!Arrays.equals(hidden, other.hidden)) {
                parts.add("hidden");
            }
            if (!Arrays.equals(normed, other.normed)) {
                parts.add("normed");
            }
            if (!Arrays.equals(logits, other.logits)) {
                parts.add("logits");
            }
            if (logProb != other.logProb) {
                parts.add("log-probability");
            }
            if (!Arrays.equals(experts, other.experts)) {
                parts.add("experts");
            }
            return parts.isEmpty() ? "" : "sequence " + sequence + ", position " + position + ": " + parts;
        }

        Row of(int otherSequence) {
            return new Row(otherSequence, position, hidden, normed, logits, logProb, experts);
        }
    }

    private static List<String> differences(List<Row> expected, List<Row> actual) {
        List<String> differences = new ArrayList<>();
        for (Row row : actual) {
            Row other = find(expected, row);
            String difference = row.differenceFrom(other);
            if (!difference.isEmpty()) {
                differences.add(difference);
            }
        }
        return differences;
    }

    private static Row find(List<Row> rows, Row place) {
        return rows.stream()
                .filter(row -> row.sequence == place.sequence && row.position == place.position)
                .findAny()
                .orElseThrow();
    }

    /** The training forward pass over the packed sequences, with a tape. */
    private static List<Row> trained(LanguageModel model, List<int[]> sequences) {
        Workspace workspace = new Workspace();
        Ops ops = Ops.recording(model.engine(), workspace, new Tape());
        Batch batch = Batch.packed(sequences, workspace);
        RoutingLog log = model.newRoutingLog();
        LanguageModel.States states = model.forward(ops, batch, log);
        List<Row> rows = new ArrayList<>();
        collect(rows, model, ops, batch, states, log, new int[] {0, 1, 2, 3, 4, 5});
        return rows;
    }

    private static void collect(
            List<Row> rows,
            LanguageModel model,
            Ops ops,
            Batch batch,
            LanguageModel.States states,
            RoutingLog log,
            int[] sequenceOfSegment) {
        int[] targets = new int[batch.rows()]; // any token will do, as long as both sides take the same
        for (int row = 0; row < targets.length; row++) {
            targets[row] = (7 * batch.ids().getInt(0, row) + 3) % model.vocabSize();
        }
        Tensor logits = ops.logits(states.normed(), model.head());
        Tensor logProbs = ops.tokenLogProbs(states.normed(), model.head(), Tensor.of(targets), INVERSE_TEMPERATURE)
                .logProbs()
                .value();
        Segments segments = batch.segments();
        for (int s = 0; s < segments.count(); s++) {
            for (int i = 0; i < segments.rowCount()[s]; i++) {
                int row = segments.rowStart()[s] + i;
                List<Integer> experts = new ArrayList<>();
                for (int mixture = 0; mixture < model.mixtures(); mixture++) {
                    for (int rank = 0; rank < model.numExpertsPerToken(); rank++) {
                        experts.add(log.chosen(mixture).getInt(row, rank));
                    }
                }
                rows.add(new Row(
                        sequenceOfSegment[s],
                        segments.position()[s] + i,
                        bits(states.hidden().value(), row),
                        bits(states.normed().value(), row),
                        bits(logits, row),
                        Float.floatToRawIntBits(logProbs.get(0, row)),
                        experts.stream().mapToInt(Integer::intValue).toArray()));
            }
        }
    }

    private static int[] bits(Tensor tensor, int row) {
        int[] bits = new int[(int) tensor.columns()];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(tensor.get(row, i));
        }
        return bits;
    }

    /** The token after every row, -1 after a sequence's last. */
    private static int[] nextTokens(List<int[]> sequences) {
        List<Integer> next = new ArrayList<>();
        for (int[] tokens : sequences) {
            for (int t = 0; t < tokens.length; t++) {
                next.add(t + 1 < tokens.length ? tokens[t + 1] : -1);
            }
        }
        return next.stream().mapToInt(Integer::intValue).toArray();
    }

    /** The next {@code count} tokens of a sequence whose keys and values lie in a slot. */
    private record Piece(int sequence, int slot, int count) {}

    /** Decodes given sequences piece by piece over key/value stores that are kept. */
    private static final class Decoding {
        private final LanguageModel model;
        private final List<int[]> sequences;
        private final List<KeyValueStore> stores = new ArrayList<>();
        private final Workspace workspace = new Workspace();
        private final List<Row> rows = new ArrayList<>();
        private final int[] cached;
        private final float[][] sampledLogProbs;

        Decoding(LanguageModel model, List<int[]> sequences) {
            this.model = model;
            this.sequences = sequences;
            this.cached = new int[sequences.size()];
            this.sampledLogProbs = new float[sequences.size()][CAPACITY];
            for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
                stores.add(model.allocateKeyValues(SLOTS * CAPACITY));
            }
        }

        boolean isComplete() {
            return rows.size()
                    == sequences.stream().mapToInt(tokens -> tokens.length).sum();
        }

        /** One forward pass; returns the normed states of the pieces' rows, valid until the next step. */
        Variable step(Piece... pieces) {
            workspace.reset();
            int n = pieces.length;
            int[] rowStart = new int[n];
            int[] rowCount = new int[n];
            int[] position = new int[n];
            long[] slot = new long[n];
            List<int[]> tokens = new ArrayList<>();
            int start = 0;
            for (int i = 0; i < n; i++) {
                Piece piece = pieces[i];
                int[] sequence = sequences.get(piece.sequence);
                int from = cached[piece.sequence];
                rowStart[i] = start;
                rowCount[i] = piece.count;
                position[i] = from;
                slot[i] = (long) piece.slot * CAPACITY;
                tokens.add(Arrays.copyOfRange(sequence, from, from + piece.count));
                start += piece.count;
                cached[piece.sequence] += piece.count;
            }
            Batch batch =
                    Batch.of(tokens, new Segments(n, rowStart, rowCount, position, slot), new boolean[n], workspace);
            Ops ops = Ops.inference(model.engine(), workspace);
            RoutingLog log = model.newRoutingLog();
            LanguageModel.States states = model.forward(ops, batch, log, stores::get);
            int[] sequenceOfSegment =
                    Arrays.stream(pieces).mapToInt(Piece::sequence).toArray();
            collect(rows, model, ops, batch, states, log, sequenceOfSegment);
            return states.normed();
        }

        /** Replaces everything after the prompts by tokens sampled from the model, all sequences side by side. */
        void sampleInto(List<int[]> sampled, int prompt, float temperature, Random random) {
            int n = sampled.size();
            int length = sampled.getFirst().length;
            for (int t = prompt; t < length; t++) {
                int count = t == prompt ? prompt : 1;
                Piece[] pieces = new Piece[n];
                int[] last = new int[n];
                float[] uniforms = new float[n];
                float[] temperatures = new float[n];
                for (int s = 0; s < n; s++) {
                    pieces[s] = new Piece(s, s + 1, count);
                    last[s] = (s + 1) * count - 1;
                    uniforms[s] = random.nextFloat();
                    temperatures[s] = temperature;
                }
                Variable normed = step(pieces);
                Ops ops = Ops.inference(model.engine(), workspace);
                Tensor logits = ops.logits(ops.selectRows(normed, Tensor.of(last)), model.head());
                Tensor tokens = Tensor.zeros(DType.I32, n);
                Tensor logProbs = Tensor.zeros(DType.F32, n);
                ops.kernels().sample(logits, Tensor.of(temperatures, n), Tensor.of(uniforms, n), tokens, logProbs);
                for (int s = 0; s < n; s++) {
                    sampled.get(s)[t] = tokens.getInt(0, s);
                    sampledLogProbs[s][t] = logProbs.get(0, s);
                }
            }
        }

        List<String> differences(List<Row> trained) {
            return GenerationMatchesTrainingTest.differences(trained, rows);
        }

        double largestLogitDifference(List<Row> trained) {
            double largest = 0;
            for (Row row : rows) {
                Row other = find(trained, row);
                for (int i = 0; i < row.logits.length; i++) {
                    float difference = Float.intBitsToFloat(row.logits[i]) - Float.intBitsToFloat(other.logits[i]);
                    largest = Math.max(largest, Math.abs(difference));
                }
            }
            return largest;
        }
    }

    /** What a library does that picks its kernel by the number of rows: below eight, the sum is made of two halves. */
    private record HalvedGemm(Gemm whole) implements Gemm {
        @Override
        public String name() {
            return "halved";
        }

        @Override
        public Precision precision() {
            return whole.precision();
        }

        @Override
        public Packed pack(Tensor weights) {
            return whole.pack(weights);
        }

        @Override
        public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
            if (x.rows() >= 8) {
                whole.forward(x, groups, weights, y);
                return;
            }
            Tensor left = Tensor.zeros(DType.F32, x.rows(), x.columns());
            Tensor right = Tensor.zeros(DType.F32, x.rows(), x.columns());
            for (long r = 0; r < x.rows(); r++) {
                for (long c = 0; c < x.columns(); c++) {
                    (c < x.columns() / 2 ? left : right).set(r, c, x.get(r, c));
                }
            }
            whole.forward(left, groups, weights, y);
            Tensor rest = Tensor.zeros(DType.F32, y.rows(), y.columns());
            whole.forward(right, groups, weights, rest);
            for (long r = 0; r < y.rows(); r++) {
                for (long c = 0; c < y.columns(); c++) {
                    y.set(r, c, y.get(r, c) + rest.get(r, c));
                }
            }
        }

        @Override
        public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
            whole.backwardInput(dy, groups, weights, dx, accumulate);
        }

        @Override
        public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
            whole.backwardWeight(dy, x, groups, dw, accumulate);
        }

        @Override
        public void close() {
            whole.close();
        }
    }
}
