package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.LearningRateSchedule;
import dev.fathom.engine.Philox;
import dev.fathom.model.config.DeepseekConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Learning a text character by character, in the setting that nanoGPT gives for CPUs: 4 layers of width 128 with 4 heads, context 64, 12 sequences a
 * step, AdamW (or Muon in its place) with betas 0.9 and 0.99, learning rate up to 1e-3 over 100 steps and down to 1e-4 by a cosine, no dropout. The first nine
 * tenths of the text are trained on, the rest is validated on: all of it, in windows that do not overlap.
 */
public final class TextBenchmark {
    private static final int SEQUENCES = 12;
    private static final int CONTEXT = Workload.NANOGPT_CONTEXT;
    private static final double TRAINING_PART = 0.9;

    /** Steps between two points of the curve. */
    private static final int EVERY = 250;

    /** Philox stream of the windows trained on ("wind"). */
    private static final int WINDOWS = 0x77696e64;

    private TextBenchmark() {}

    /** Which model. */
    public enum Model {
        /** GPT-2's architecture: nanoGPT's own setting. */
        GPT2 {
            @Override
            ModelShape shape(int vocabulary) {
                return Workload.nanoGpt(vocabulary);
            }
        },
        /**
         * DeepSeek-V3's architecture at the same cost per step: latent attention, a dense layer, then 16 experts of which two and a
         * shared one compute. Multi-token prediction is left out: its cost would have to come from the model's own.
         */
        V3 {
            @Override
            ModelShape shape(int vocabulary) {
                return new ModelShape.Deepseek(DeepseekConfig.builder()
                        .vocabSize(vocabulary)
                        .hiddenSize(128)
                        .intermediateSize(304)
                        .moeIntermediateSize(112)
                        .numHiddenLayers(4)
                        .firstKDenseReplace(1)
                        .numAttentionHeads(4)
                        .queryLoraRank(null)
                        .keyValueLoraRank(64)
                        .nopeHeadDim(32)
                        .ropeHeadDim(16)
                        .valueHeadDim(32)
                        .numRoutedExperts(16)
                        .numExpertsPerToken(2)
                        .routedScalingFactor(1)
                        .maxPositionEmbeddings(CONTEXT)
                        .tieWordEmbeddings(true)
                        .initializerRange(0.02)
                        .build());
            }
        };

        abstract ModelShape shape(int vocabulary);

        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Mean cross-entropy on the validation text after so many steps, in nats per character. */
    public record Point(int step, double validationLoss) {}

    /**
     * What came out. Names are those of the JSON.
     *
     * @param optimizer adamw or muon
     * @param validationLoss after the last step, in nats per character
     * @param trainingSeconds wall time of the steps
     * @param totalSeconds the same with the validation every {@value #EVERY} steps
     */
    public record Result(
            String model,
            String optimizer,
            String text,
            int steps,
            long seed,
            double validationLoss,
            double trainingSeconds,
            double totalSeconds,
            double tokensPerSecond,
            double gflops,
            double flopPerToken,
            long parameters,
            int vocabulary,
            String kernels,
            int threads,
            long peakMemoryBytes,
            List<Point> curve) {}

    /**
     * Trains and validates.
     *
     * @param seed of the first weights and of the windows trained on
     * @param progress hears a line at every point of the curve
     * @throws BenchException if the text cannot be read
     * @throws IllegalArgumentException if it is too short
     */
    public static Result run(
            Model model, UpdateRule rule, Path file, int steps, long seed, Engine engine, Consumer<String> progress) {
        if (steps < 1) {
            throw new IllegalArgumentException("steps must be at least 1, are " + steps);
        }
        Characters text = Characters.read(file);
        int split = (int) (text.ids.length * TRAINING_PART);
        if (text.ids.length - split < CONTEXT + 2) {
            throw new IllegalArgumentException(file + " has " + text.ids.length
                    + " characters; a tenth of it must be longer than the context of " + CONTEXT);
        }
        int[][] validation = windows(text.ids, split);
        ModelShape shape = model.shape(text.vocabulary);
        // The rate reaches its floor with the last step; a short run has a short warm-up.
        LearningRateSchedule rate = new LearningRateSchedule.Cosine(1e-3f, 1e-4f, Math.min(100, steps / 2), steps);
        TrainingLoop loop =
                new TrainingLoop(shape, engine, seed, new TrainingLoop.Settings(rate, rule, 0.99f, 1e-3f), SEQUENCES);
        List<Point> curve = new ArrayList<>();
        double trainingSeconds = 0;
        long begin = System.nanoTime();
        for (int step = 1; step <= steps; step++) {
            long start = System.nanoTime();
            loop.step(draw(text.ids, split, seed, step));
            trainingSeconds += (System.nanoTime() - start) * 1e-9;
            if (step % EVERY == 0 || step == steps) {
                curve.add(new Point(step, loop.evaluate(validation)));
                progress.accept(
                        ReportText.format("step %d: validation loss %.4f", step, curve.getLast().validationLoss));
            }
        }
        double totalSeconds = (System.nanoTime() - begin) * 1e-9;
        double tokensPerSecond = (double) steps * SEQUENCES * CONTEXT / trainingSeconds;
        double flopPerToken = shape.trainingFlopPerToken(CONTEXT);
        return new Result(
                model.key(),
                rule.key(),
                file.toString(),
                steps,
                seed,
                curve.getLast().validationLoss,
                trainingSeconds,
                totalSeconds,
                tokensPerSecond,
                tokensPerSecond * flopPerToken * 1e-9,
                flopPerToken,
                loop.model().parameters().count(),
                text.vocabulary,
                engine.describe(),
                engine.pool().threads(),
                ProcessMemory.peakResidentBytes().orElse(0),
                curve);
    }

    /** Windows at random places of the first {@code limit} characters. */
    private static int[][] draw(int[] ids, int limit, long seed, int step) {
        int[][] sequences = new int[SEQUENCES][];
        for (int s = 0; s < SEQUENCES; s++) {
            int from = (int) (Philox.uniform(seed, WINDOWS, step, s) * (limit - CONTEXT - 2));
            sequences[s] = Arrays.copyOfRange(ids, from, from + CONTEXT + 2);
        }
        return sequences;
    }

    /** All whole windows from {@code from} on, one after another. */
    private static int[][] windows(int[] ids, int from) {
        int count = (ids.length - from - 2) / CONTEXT;
        int[][] windows = new int[count][];
        for (int w = 0; w < count; w++) {
            int start = from + w * CONTEXT;
            windows[w] = Arrays.copyOfRange(ids, start, start + CONTEXT + 2);
        }
        return windows;
    }

    /** A text as numbers: each different character is a token, in the order of their code points. */
    private record Characters(int[] ids, int vocabulary) {
        static Characters read(Path file) {
            String text;
            try {
                text = Files.readString(file);
            } catch (IOException e) {
                throw new BenchException(file + " cannot be read as UTF-8 text (" + e + "). Name a text with --text.");
            }
            int[] characters = text.codePoints().toArray();
            int[] alphabet = Arrays.stream(characters).sorted().distinct().toArray();
            int[] ids = Arrays.stream(characters)
                    .map(character -> Arrays.binarySearch(alphabet, character))
                    .toArray();
            return new Characters(ids, alphabet.length);
        }
    }
}
