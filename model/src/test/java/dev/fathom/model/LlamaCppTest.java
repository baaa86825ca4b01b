package dev.fathom.model;

import static dev.fathom.model.TextLogits.best;
import static dev.fathom.model.TextLogits.farthestOfTop;
import static dev.fathom.model.TextLogits.logProbs;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.TextLogits.Agreement;
import dev.fathom.model.TextLogits.Distance;
import dev.fathom.model.convert.ModelConverter;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.safetensors.StoredTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The models that we write, in llama.cpp: the same greedy text and the same probabilities. llama.cpp comes as the npm package {@code node-llama-cpp},
 * installed in the folder that the environment variable {@code FATHOM_LLAMA_NODE} names.
 *
 * <p>Everything is compared along llama.cpp's own text, so that one token that differs does not hide what comes after it. Where products are exact the
 * text must be ours. Where llama.cpp rounds activations to eight bits, what that may do is derived from the oracle: rows rounded at random, as far as
 * eight bits round, move its logits so far and no further.
 */
@Tag("long")
class LlamaCppTest {
    private static final int PROMPTS = 100;
    private static final int NEW = 12;

    /** So many lengths prompts have. */
    private static final int VARIED = 40;

    private static final int SAMPLES = 4;
    private static final double EXACT_PROBABILITY = 1e-4;

    private static Engine floats;
    private static Engine fastest;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        String reason = LlamaCpp.unavailable();
        assumeTrue(reason.isEmpty(), reason);
        floats = Engine.vector(Precision.F32, 2);
        fastest = Engine.open(Engine.PrecisionChoice.AUTO, "auto", 2);
    }

    @AfterAll
    static void close() {
        if (floats != null) {
            floats.close();
            fastest.close();
        }
    }

    /** But for the one whose groups llama.cpp ranks otherwise. */
    static Stream<TinyRelease.Case> cases() {
        return TinyRelease.cases().filter(tiny -> !tiny.name().equals("v2"));
    }

    // ---- exact products

    @ParameterizedTest
    @MethodSource("cases")
    void theSameTextsInF32(TinyRelease.Case tiny) throws Exception {
        for (long seed = 21; seed < 24; seed++) {
            Path file = gguf(tiny, seed, QuantizedType.F32);
            for (Length length : Length.values()) {
                List<int[]> prompts = length.prompts(seed);
                assertSame(
                        tiny + " F32, " + length,
                        prompts,
                        LlamaCpp.write(file, prompts, NEW),
                        model(file, floats)::alongText);
            }
        }
    }

    /** The weights of a Q8_0 file, as floats in llama.cpp, which then rounds no activations; here from the blocks themselves. */
    @ParameterizedTest
    @MethodSource("cases")
    void theSameTextsWithQuantizedWeights(TinyRelease.Case tiny) throws Exception {
        Path blocks = gguf(tiny, 31, QuantizedType.Q8_0);
        Path expanded = folder.resolve("expanded.gguf");
        ModelConverter.convert(blocks, expanded, QuantizedType.F32, floats);
        for (Length length : Length.values()) {
            List<int[]> prompts = length.prompts(31);
            assertSame(
                    tiny + " Q8_0 weights as floats, " + length,
                    prompts,
                    LlamaCpp.write(expanded, prompts, NEW),
                    model(blocks, floats)::alongText);
        }
    }

    /**
     * llama.cpp ranks DeepSeek-V2's groups of experts by their two best, as V3 does; the released code and the report by the best alone. With llama.cpp's
     * rule the oracle says what llama.cpp says, with its own what we say.
     */
    @Test
    void groupsOfTheSecondGenerationAreRankedByTwoThere() throws Exception {
        TinyRelease.Case tiny = TinyRelease.named("v2");
        for (long seed = 21; seed < 24; seed++) {
            Path file = gguf(tiny, seed, QuantizedType.F32);
            List<int[]> prompts = Length.SHORT.prompts(seed);
            List<LlamaCpp.Text> theirs = LlamaCpp.write(file, prompts, NEW);
            Map<String, double[]> tensors = TinyRelease.doubles(TinyRelease.tensors(tiny, seed));
            ReferenceDeepseek two = new ReferenceDeepseek(
                    tiny.deepseek(),
                    tensors,
                    ReferenceDeepseek.Arithmetic.exact(tiny.deepseek()).rankingGroupsBy(2));
            assertSame("v2 by two experts", prompts, theirs, (prompt, text) -> alongText(two, prompt, text));
            Model ours = model(file, floats);
            ReferenceModel one = tiny.oracle(tensors);
            int otherwise = 0;
            for (int i = 0; i < PROMPTS; i++) {
                double[][] expected =
                        alongText(one, prompts.get(i), theirs.get(i).tokens());
                double[][] found = ours.alongText(prompts.get(i), theirs.get(i).tokens());
                for (int n = 0; n < NEW; n++) {
                    assertThat(best(found[n])).isEqualTo(best(expected[n]));
                    otherwise += best(found[n]) == theirs.get(i).tokens()[n] ? 0 : 1;
                }
            }
            assertThat(otherwise).as("tokens that the rule changes").isPositive();
        }
    }

    private void assertSame(String what, List<int[]> prompts, List<LlamaCpp.Text> theirs, AlongText ours) {
        double worst = 0;
        for (int i = 0; i < PROMPTS; i++) {
            LlamaCpp.Text text = theirs.get(i);
            double[][] logits = ours.logits(prompts.get(i), text.tokens());
            for (int n = 0; n < NEW; n++) {
                assertThat(best(logits[n]))
                        .as("%s, prompt %d, token %d", what, i, n)
                        .isEqualTo(text.tokens()[n]);
                worst = Math.max(worst, farthestOfTop(text.logits()[n], logits[n]));
            }
        }
        log("%s: %d texts the same, probabilities within %.1e", what, PROMPTS, worst);
        assertThat(worst).as(what).isLessThan(EXACT_PROBABILITY);
    }

    // ---- activations in eight bits

    /**
     * Both sides round activations alike, and hardly anything else differs; with experts a rounded state may choose another one. Of long prompts with
     * latents llama.cpp rounds other rows, for it multiplies by the two parts of the up-projection one after the other, where we expand: there both sides may
     * be as far from each other as from the unrounded model.
     */
    @ParameterizedTest
    @MethodSource("lengths")
    void roundedActivations(TinyRelease.Case tiny, Length length) throws Exception {
        assumeTrue(fastest.describe().contains("AVX-512"), "only there activations are rounded: " + fastest.describe());
        long seed = 31;
        Path file = gguf(tiny, seed, QuantizedType.Q8_0);
        List<int[]> prompts = length.prompts(seed);
        List<LlamaCpp.Text> theirs = LlamaCpp.write(file, prompts, NEW);
        Model ours = model(file, fastest);
        Model unrounded = model(file, floats);
        Map<String, double[]> tensors = TinyRelease.doubles(TinyRelease.tensors(tiny, seed));
        ReferenceModel oracle = tiny.oracle(tensors);
        ReferenceModel rounding = tiny.oracle(tensors, new RandomlyRoundedRows(LlamaCppTest::isRouter, seed));
        Distance derived = new Distance();
        Distance ofTheirs = new Distance();
        Distance ofOurs = new Distance();
        Distance between = new Distance();
        for (int i = 0; i < PROMPTS; i++) {
            LlamaCpp.Text text = theirs.get(i);
            double[][] there = text.logits();
            double[][] here = ours.alongText(prompts.get(i), text.tokens());
            double[][] exact = unrounded.alongText(prompts.get(i), text.tokens());
            double[][] expected = alongText(oracle, prompts.get(i), text.tokens());
            between.add(there, here);
            ofTheirs.add(exact, there);
            ofOurs.add(exact, here);
            for (int sample = 0; sample < SAMPLES; sample++) {
                derived.add(expected, alongText(rounding, prompts.get(i), text.tokens()));
            }
        }
        log(
                "%s Q8_0, %s: %d of %d texts the same; rounding should move logits by %s, moves them there by %s, here by %s; between there and here %s",
                tiny, length, between.same, PROMPTS, derived, ofTheirs, ofOurs, between);
        assertThat(ofTheirs.rootMeanSquare()).isLessThan(1.5 * derived.rootMeanSquare());
        assertThat(ofOurs.rootMeanSquare()).isLessThan(1.5 * derived.rootMeanSquare());
        // Two errors of this size, independent of each other at worst.
        assertThat(between.farthest).isLessThan(2 * derived.farthest);
        assertThat(between.farthestOfTop).isLessThan(2 * derived.farthestOfTop);
        assertThat(between.widestGap).isLessThan(2 * derived.widestGap);
        if (tiny.deepseek() == null) {
            assertThat(between.rootMeanSquare()).isLessThan(derived.rootMeanSquare() / 4);
            assertThat(between.same).isGreaterThanOrEqualTo(PROMPTS - 5);
        } else if (length == Length.SHORT) {
            assertThat(between.rootMeanSquare()).isLessThan(derived.rootMeanSquare());
            assertThat(between.same).isGreaterThanOrEqualTo(PROMPTS - 20);
        } else {
            assertThat(between.rootMeanSquare()).isLessThan(2 * derived.rootMeanSquare());
        }
    }

    /** Where latents are expanded in long prompts, those as well. */
    static Stream<Arguments> lengths() {
        return cases().flatMap(tiny -> Stream.of(Length.values())
                .filter(length -> length == Length.SHORT || tiny.deepseek() != null)
                .map(length -> Arguments.of(tiny, length)));
    }

    /**
     * What both sides round, and where: an oracle that rounds rows in the same places computes the same logits to 1e-6, a ten-thousandth of what rounding moves
     * them by, in most texts; the others bring an element so close to the border between two integers that binary32 decides, after which everything
     * differs by what eight bits round. The oracle parts from itself as often when its rows are off by as much as binary32 is.
     *
     * <p>llama.cpp takes latents in the absorbed form always and rounds queries before {@code W_UK} and sums of latents before {@code W_UV}; here rows of long prompts
     * are expanded, latents rounded before {@code W_UV} and not before the turned copy of {@code W_UK}. That is the whole difference: with those absorbed here as
     * well, both compute the same, and two oracles that differ in nothing else are as far from each other as the two sides are.
     */
    @ParameterizedTest
    @MethodSource("lengths")
    void roundedInTheSamePlaces(TinyRelease.Case tiny, Length length) throws Exception {
        assumeTrue(fastest.describe().contains("AVX-512"), "only there activations are rounded: " + fastest.describe());
        assumeTrue(
                !tiny.name().equals("llama-3.1"),
                "its divisors of RoPE have no place in a config.json to read weights back from");
        long seed = 31;
        Path file = gguf(tiny, seed, QuantizedType.Q8_0);
        Map<String, double[]> tensors = roundedWeights(file);
        List<int[]> prompts = length.prompts(seed);
        List<LlamaCpp.Text> theirs = LlamaCpp.write(file, prompts, NEW);
        Model ours = model(file, fastest);
        Agreement there = new Agreement();
        Agreement here = new Agreement();
        Agreement noisy = new Agreement();
        Agreement absorbed = new Agreement();
        Agreement asReleased = new Agreement();
        Agreement oracles = new Agreement();
        for (int i = 0; i < PROMPTS; i++) {
            int[] prompt = prompts.get(i);
            int[] text = theirs.get(i).tokens();
            IntPredicate always = position -> true;
            IntPredicate notInLongPrompts =
                    position -> position < LatentMemory.EXPANDED_FROM || position >= prompt.length;
            ReferenceModel likeThere = rounding(tiny, tensors, roundedThere(0), always);
            ReferenceModel offByBits = rounding(tiny, tensors, roundedThere(0x1p-23), always);
            ReferenceModel likeHere = rounding(tiny, tensors, roundedHere(), notInLongPrompts);
            double[][] found = logProbs(theirs.get(i).logits());
            double[][] foundHere = logProbs(ours.alongText(prompt, text));
            double[][] expected = alongText(likeThere, prompt, text);
            double[][] expectedHere = alongText(likeHere, prompt, text);
            there.add(expected, found);
            here.add(expectedHere, foundHere);
            noisy.add(expected, alongText(offByBits, prompt, text));
            absorbed.add(found, logProbs(ours.alongText(prompt, text, true)));
            asReleased.add(found, foundHere);
            oracles.add(expected, expectedHere);
        }
        log(
                "%s Q8_0, %s, the same texts (and all logits): oracle and llama.cpp %s, oracle and here %s, the oracle and itself with the errors of binary32 %s;"
                        + " llama.cpp and here, prompts absorbed %s, as they are %s; both oracles %s",
                tiny, length, there, here, noisy, absorbed, asReleased, oracles);
        // Such counts are off by four or five by chance, their differences by up to seven.
        for (Agreement agreement : List.of(there, here, absorbed)) {
            // Long prompts have some three times as many rows for the border to be met in: a half to the third power.
            assertThat(agreement.equal)
                    .as("texts with the same logits")
                    .isGreaterThan(length == Length.SHORT ? PROMPTS / 2 : PROMPTS / 8);
            assertThat(agreement.equal).as("texts with the same logits").isGreaterThan(noisy.equal - 20);
            assertThat(agreement.same).as("the same texts").isGreaterThan(noisy.same - 10);
        }
        if (length == Length.SHORT) {
            assertThat(asReleased).usingRecursiveComparison().isEqualTo(absorbed);
        } else {
            assertThat(oracles.equal).isLessThan(PROMPTS / 10);
            assertThat(asReleased.equal).isLessThan(PROMPTS / 10);
        }
    }

    /** Models that have learned something, as released ones have: what they write does not hang on roundings. */
    @ParameterizedTest
    @MethodSource("trainable")
    void theSameTextsOfModelsThatLearned(TinyRelease.Case tiny) throws Exception {
        assumeTrue(fastest.describe().contains("AVX-512"), "only there activations are rounded: " + fastest.describe());
        assumeTrue(Files.exists(LearnedText.FILE), LearnedText.FILE + " is not here");
        LearnedText text = LearnedText.read();
        Path directory = folder.resolve("learned");
        TinyRelease.write(directory, tiny, text.learn(tiny, floats, 31).checkpointTensors());
        Path file = folder.resolve("learned.gguf");
        ModelConverter.convert(directory, file, QuantizedType.Q8_0, floats);
        Model ours = model(file, fastest);
        for (Length length : Length.values()) {
            List<int[]> prompts = text.heldOut(PROMPTS, i -> length.more + 1 + i % VARIED, 32);
            List<LlamaCpp.Text> theirs = LlamaCpp.write(file, prompts, NEW);
            Distance between = new Distance();
            for (int i = 0; i < PROMPTS; i++) {
                between.add(
                        theirs.get(i).logits(),
                        ours.alongText(prompts.get(i), theirs.get(i).tokens()));
            }
            long different = theirs.stream()
                    .map(written -> Arrays.toString(written.tokens()))
                    .distinct()
                    .count();
            log(
                    "%s that learned, Q8_0, %s: %d of %d texts the same, %d of them different from each other; between there and here %s",
                    tiny, length, between.same, PROMPTS, different, between);
            assertThat(different).as("different texts").isGreaterThan(PROMPTS / 3);
            if (length == Length.SHORT) {
                assertThat(between.same).isEqualTo(PROMPTS);
            } else {
                assertThat(between.same).isGreaterThanOrEqualTo(PROMPTS - (tiny.deepseek() == null ? 5 : 20));
            }
        }
    }

    /** DeepSeek-V2's routing cannot be trained here. */
    static Stream<TinyRelease.Case> trainable() {
        return cases().filter(tiny -> !tiny.name().startsWith("v2"));
    }

    private static RoundedRows roundedThere(double noise) {
        return new RoundedRows(RoundedRows.Scale.BINARY16, LlamaCppTest::isRouter, noise);
    }

    private static RoundedRows roundedHere() {
        return new RoundedRows(
                RoundedRows.Scale.ELEVEN_BITS,
                matrix -> isRouter(matrix) || matrix.endsWith(ReferenceLatentAttention.KEY_UP),
                0);
    }

    /** Routers are F32, whatever the file's type. */
    private static boolean isRouter(String matrix) {
        return matrix.endsWith("mlp.gate.weight");
    }

    /** The weights that a file's blocks say, by their released names. */
    private Map<String, double[]> roundedWeights(Path file) throws IOException {
        Path back = folder.resolve("back");
        ModelConverter.convert(file, back, QuantizedType.F32, floats);
        return Safetensors.open(back, "model").tensors().stream()
                .collect(Collectors.toMap(StoredTensor::name, tensor -> TinyDeepseek.doubles(tensor.toFloats())));
    }

    private static ReferenceModel rounding(
            TinyRelease.Case tiny,
            Map<String, double[]> tensors,
            ReferenceParameters.Operand operand,
            IntPredicate absorbed) {
        if (tiny.deepseek() == null) {
            return tiny.oracle(tensors, operand);
        }
        return new ReferenceDeepseek(
                tiny.deepseek(),
                tensors,
                ReferenceDeepseek.Arithmetic.exact(tiny.deepseek())
                        .with(operand)
                        .absorbed(absorbed));
    }

    // ---- both sides

    /** How long prompts are. */
    private enum Length {
        /** 1 to 40 tokens: latents are absorbed. */
        SHORT(0),
        /** 40 tokens at most of which hear expanded latents. */
        LONG(LatentMemory.EXPANDED_FROM);

        private final int more;

        Length(int more) {
            this.more = more;
        }

        List<int[]> prompts(long seed) {
            Random random = new Random(seed);
            List<int[]> prompts = new ArrayList<>();
            for (int i = 0; i < PROMPTS; i++) {
                prompts.add(
                        random.ints(more + 1 + random.nextInt(VARIED), 0, 266).toArray());
            }
            return prompts;
        }
    }

    private Path gguf(TinyRelease.Case tiny, long seed, QuantizedType type) throws IOException {
        Path directory = TinyRelease.write(folder.resolve("hf" + seed), tiny, seed);
        Path file = folder.resolve(tiny.name() + "-" + type + seed + ".gguf");
        ModelConverter.convert(directory, file, type, floats);
        return file;
    }

    /** Logits after a prompt and after each token of a text but the last, {@code [NEW][V]}. */
    private interface AlongText {
        double[][] logits(int[] prompt, int[] text);
    }

    private static double[][] alongText(ReferenceModel oracle, int[] prompt, int[] text) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + NEW - 1);
        System.arraycopy(text, 0, tokens, prompt.length, NEW - 1);
        double[][] logits = oracle.logProbs(tokens);
        return Arrays.copyOfRange(logits, prompt.length - 1, logits.length);
    }

    private static Model model(Path file, Engine engine) {
        return new Model(ReleasedModel.open(file, engine, new ReleasedModel.Options(DType.F32))
                .model());
    }

    private record Model(LanguageModel model) {
        double[][] alongText(int[] prompt, int[] text) {
            return alongText(prompt, text, false);
        }

        /** @param absorbed whether the prompt, too, is computed as generated rows are */
        double[][] alongText(int[] prompt, int[] text, boolean absorbed) {
            Workspace workspace = new Workspace();
            List<KeyValueStore> stores = new ArrayList<>();
            for (int i = 0; i < model.numHiddenLayers(); i++) {
                stores.add(model.allocateKeyValues(128));
            }
            double[][] logits = new double[NEW][];
            int length = 0;
            for (int n = 0; n < NEW; n++) {
                int[] rows = n == 0 ? prompt : new int[] {text[n - 1]};
                workspace.reset();
                Ops ops = model.inference(workspace);
                Segments segments =
                        new Segments(1, new int[1], new int[] {rows.length}, new int[] {length}, new long[1]);
                Batch batch = Batch.of(List.of(rows), segments, new boolean[] {absorbed || n > 0}, workspace);
                var states = model.forward(ops, batch, model.newRoutingLog(), stores::get);
                float[] row = ops.logits(
                                ops.selectRows(states.normed(), Tensor.of(new int[] {rows.length - 1})), model.head())
                        .toFloats();
                logits[n] =
                        IntStream.range(0, row.length).mapToDouble(i -> row[i]).toArray();
                length += rows.length;
            }
            return logits;
        }
    }

    private static void log(String format, Object... values) {
        System.getLogger(LlamaCppTest.class.getName()).log(System.Logger.Level.INFO, String.format(format, values));
    }
}
