package dev.fathom.model;

import dev.fathom.engine.AdamW;
import dev.fathom.engine.Engine;
import dev.fathom.engine.LearningRateSchedule;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntUnaryOperator;

/**
 * A text for models of {@link TinyRelease} to learn byte by byte: the first nine tenths are trained on. A random model is nearly indifferent between its
 * two best tokens again and again; one that has learned seldom is, as those that are released.
 */
record LearnedText(byte[] text) {
    static final Path FILE = Path.of("../../shared/data/text/tinyshakespeare.txt");

    private static final int STEPS = 1500;
    private static final int SEQUENCES = 16;
    private static final int CONTEXT = 64;

    static LearnedText read() throws IOException {
        return new LearnedText(Files.readAllBytes(FILE));
    }

    private int trainedOn() {
        return text.length / 10 * 9;
    }

    /** Passages that no model was trained on. @param length of each, given its number */
    List<int[]> heldOut(int count, IntUnaryOperator length, long seed) {
        Random random = new Random(seed);
        List<int[]> passages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int bytes = length.applyAsInt(i);
            passages.add(passage(random.nextInt(trainedOn(), text.length - bytes), bytes));
        }
        return passages;
    }

    private int[] passage(int from, int bytes) {
        int[] passage = new int[bytes];
        Arrays.setAll(passage, i -> Byte.toUnsignedInt(text[from + i]));
        return passage;
    }

    /** A model from random weights to some 1.6 nats a byte; not the module that predicts two tokens ahead. */
    TrainableModel learn(TinyRelease.Case tiny, Engine engine, long seed) {
        TrainableModel model = tiny.llama() != null
                ? LlamaModel.random(tiny.llama(), engine, seed)
                : DeepseekModel.random(tiny.deepseek(), engine, seed);
        AdamW optimizer = new AdamW(engine.kernels(), 0.9f, 0.95f, 1e-8f, 0.1f, 1);
        LearningRateSchedule rate = new LearningRateSchedule.Cosine(1e-2f, 1e-3f, 20, STEPS);
        Random random = new Random(seed);
        Workspace workspace = new Workspace();
        for (int step = 1; step <= STEPS; step++) {
            List<int[]> passages = new ArrayList<>();
            for (int s = 0; s < SEQUENCES; s++) {
                passages.add(passage(random.nextInt(trainedOn() - CONTEXT), CONTEXT + 1));
            }
            workspace.reset();
            model.parameters().zeroGradients();
            Tape tape = new Tape();
            RoutingLog routing = model.newRoutingLog();
            predict(Ops.recording(engine, workspace, tape), model, passages, routing, workspace);
            tape.backward();
            optimizer.step(model.parameters(), rate.at(step), step);
            if (model instanceof DeepseekModel mixtures) {
                mixtures.updateRoutingBiases(routing, 1e-3f);
            }
            model.refresh();
        }
        return model;
    }

    /** The backward pass starts from the mean cross-entropy of every next byte. */
    private static void predict(
            Ops ops, TrainableModel model, List<int[]> passages, RoutingLog routing, Workspace workspace) {
        List<int[]> read = new ArrayList<>();
        List<Integer> next = new ArrayList<>();
        for (int[] passage : passages) {
            read.add(Arrays.copyOf(passage, CONTEXT));
            Arrays.stream(passage, 1, CONTEXT + 1).forEach(next::add);
        }
        Variable states =
                model.forward(ops, Batch.packed(read, workspace), routing).normed();
        TinyDeepseek.crossEntropy(ops, model, states, next, 1.0 / next.size());
    }
}
