package dev.fathom.bench;

import dev.fathom.engine.AdamW;
import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Philox;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.RoutingLog;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One training step after another. */
public final class TrainingWorkload {
    private static final int BATCHES = 8;
    private final Shape shape;
    private final DeepseekModel model;
    private final AdamW optimizer;
    private final int microBatch;
    private final Workspace workspace = new Workspace();
    private final int[][][] batches;
    private long step;

    public record Shape(
            String name, dev.fathom.model.config.DeepseekConfig config, int sequences, int length, boolean mtp) {}

    public TrainingWorkload(Shape shape, Engine engine, int microBatch) {
        this.shape = shape;
        this.model = DeepseekModel.random(shape.config(), engine, 1);
        this.optimizer = new AdamW(engine.kernels(), 0.9f, 0.95f, 1e-8f, 0.1f, 1);
        this.microBatch = microBatch;
        this.batches = new int[BATCHES][][];
        for (int b = 0; b < BATCHES; b++) {
            batches[b] = batch(b);
        }
    }

    private int[][] batch(int b) {
        int vocabulary = shape.config().vocabSize();
        int[][] sequences = new int[shape.sequences()][shape.length() + 2];
        for (int s = 0; s < sequences.length; s++) {
            int[] x = sequences[s];
            long id = (long) b * sequences.length + s;
            x[0] = (int) (Philox.uniform(7, 0x64617461, id, 0) * vocabulary);
            for (int t = 1; t < x.length; t++) {
                x[t] = (5 * x[t - 1] + 17 + (int) (Philox.uniform(7, 0x64617461, id, t) * 4)) % vocabulary;
            }
        }
        return sequences;
    }

    public DeepseekModel model() {
        return model;
    }

    public long tokens() {
        return (long) shape.sequences() * shape.length();
    }

    public long peakBytes() {
        return workspace.peakBytes();
    }

    /** @return the loss */
    public double step() {
        int[][] sequences = batches[(int) (step % BATCHES)];
        model.parameters().zeroGradients();
        RoutingLog routing = model.newRoutingLog();
        double loss = 0;
        for (int from = 0; from < sequences.length; from += microBatch) {
            int to = Math.min(sequences.length, from + microBatch);
            workspace.reset();
            List<int[]> inputs = new ArrayList<>();
            for (int s = from; s < to; s++) {
                inputs.add(Arrays.copyOf(sequences[s], shape.length()));
            }
            Batch batch = Batch.packed(inputs, workspace);
            Tape tape = new Tape();
            Ops ops = Ops.recording(model.engine(), workspace, tape);
            DeepseekModel.States states = model.forward(ops, batch, routing);
            Tensor next = shifted(sequences, from, to, 1);
            loss += seed(
                    ops.tokenLogProbs(states.normed(), model.head(), next, 1).logProbs(), 1);
            if (shape.mtp()) {
                Variable ahead = model.predictAhead(ops, states.hidden(), next, batch, routing);
                Tensor afterNext = shifted(sequences, from, to, 2);
                loss += seed(
                        ops.tokenLogProbs(ahead, model.head(), afterNext, 1).logProbs(), 0.3f);
            }
            tape.backward();
        }
        step++;
        optimizer.step(model.parameters(), 3e-4f, step);
        model.updateRoutingBiases(routing, 1e-3f);
        model.refresh();
        return loss;
    }

    private Tensor shifted(int[][] sequences, int from, int to, int by) {
        Tensor ids = workspace.allocate(DType.I32, (long) (to - from) * shape.length());
        int row = 0;
        for (int s = from; s < to; s++) {
            for (int t = 0; t < shape.length(); t++) {
                ids.setInt(0, row++, sequences[s][t + by]);
            }
        }
        return ids;
    }

    private double seed(Variable logProbs, float weight) {
        float each = weight / tokens();
        double loss = 0;
        for (long row = 0; row < logProbs.value().size(); row++) {
            loss -= logProbs.value().get(0, row) * each;
            logProbs.gradient().set(0, row, -each);
        }
        return loss;
    }
}
