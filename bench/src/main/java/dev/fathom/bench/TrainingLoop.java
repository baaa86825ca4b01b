package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.LearningRateSchedule;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Optimizer;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.RoutingLog;
import dev.fathom.model.TrainableModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A model and one training step after another: zero gradients, forward, backward, clip, optimizer, routing biases, weights packed again.
 *
 * <p>Sequences have two tokens more than are predicted from, so that with multi-token prediction the loss of the next token and that of the one
 * after have the same number of positions: {@code loss = mean CE(next) + 0.3 mean CE(next but one)}.
 */
final class TrainingLoop {
    private static final float PREDICTION_WEIGHT = 0.3f;

    private final TrainableModel model;
    private final Optimizer optimizer;
    private final Settings settings;
    private final int sequencesPerPass;
    private final Workspace workspace = new Workspace();
    private long step;

    /** A loop of a workload that is compared with other engines. */
    static TrainingLoop of(Workload workload, Engine engine, int sequencesPerPass) {
        return new TrainingLoop(workload.model(), engine, 1, Settings.COMPARISON, sequencesPerPass);
    }

    /** What moves the weights; {@code beta2} is AdamW's. */
    record Settings(LearningRateSchedule learningRate, UpdateRule rule, float beta2, float routingBiasSpeed) {
        /** Of the workloads that are compared with other engines. */
        static final Settings COMPARISON =
                new Settings(new LearningRateSchedule.Constant(3e-4f), UpdateRule.ADAMW, 0.95f, 1e-3f);
    }

    /**
     * @param seed of the first weights
     * @param sequencesPerPass sequences that go through the model together; the gradients of all passes of a step add up
     */
    TrainingLoop(ModelShape shape, Engine engine, long seed, Settings settings, int sequencesPerPass) {
        this.model = shape.create(engine, seed);
        this.settings = settings;
        this.optimizer = settings.rule.optimizer(engine, settings.beta2);
        this.sequencesPerPass = sequencesPerPass;
    }

    TrainableModel model() {
        return model;
    }

    /** Most bytes of activations and their gradients at a time. */
    long peakActivationBytes() {
        return workspace.peakBytes();
    }

    /**
     * @param sequences {@code [sequences][tokens + 2]}
     * @return the loss before the step
     */
    double step(int[][] sequences) {
        model.parameters().zeroGradients();
        RoutingLog routing = model.newRoutingLog();
        double loss = 0;
        for (int from = 0; from < sequences.length; from += sequencesPerPass) {
            int to = Math.min(sequences.length, from + sequencesPerPass);
            workspace.reset();
            Tape tape = new Tape();
            Ops ops = Ops.recording(model.engine(), workspace, tape);
            loss += forward(ops, Arrays.copyOfRange(sequences, from, to), routing, 1f / sequences.length);
            tape.backward();
        }
        step++;
        optimizer.step(model.parameters(), settings.learningRate.at(step), step);
        if (model instanceof DeepseekModel mixtures) {
            mixtures.updateRoutingBiases(routing, settings.routingBiasSpeed);
        }
        model.refresh();
        return loss;
    }

    /** @param share of each sequence in the mean */
    private double forward(Ops ops, int[][] sequences, RoutingLog routing, float share) {
        int length = sequences[0].length - 2;
        List<int[]> inputs = new ArrayList<>();
        for (int[] sequence : sequences) {
            inputs.add(Arrays.copyOf(sequence, length));
        }
        Batch batch = Batch.packed(inputs, workspace);
        float each = share / length;
        LanguageModel.States states = model.forward(ops, batch, routing);
        Tensor next = shifted(sequences, length, 1);
        double loss = loss(ops, states.normed(), next, each);
        if (model instanceof DeepseekModel deepseek && deepseek.predictsMultipleTokens()) {
            Variable ahead = deepseek.predictAhead(ops, states.hidden(), next, batch, routing);
            loss += loss(ops, ahead, shifted(sequences, length, 2), PREDICTION_WEIGHT * each);
        }
        return loss;
    }

    /** Mean cross-entropy on these sequences without learning from them; of the next token only. */
    double evaluate(int[][] sequences) {
        double loss = 0;
        for (int from = 0; from < sequences.length; from += sequencesPerPass) {
            int[][] part = Arrays.copyOfRange(sequences, from, Math.min(sequences.length, from + sequencesPerPass));
            int length = part[0].length - 2;
            workspace.reset();
            Ops ops = model.inference(workspace);
            List<int[]> inputs = new ArrayList<>();
            for (int[] sequence : part) {
                inputs.add(Arrays.copyOf(sequence, length));
            }
            Batch batch = Batch.packed(inputs, workspace);
            Variable states = model.forward(ops, batch, model.newRoutingLog()).normed();
            Tensor logProbs = ops.tokenLogProbs(states, model.head(), shifted(part, length, 1), 1)
                    .logProbs()
                    .value();
            for (long row = 0; row < logProbs.size(); row++) {
                loss -= logProbs.get(0, row);
            }
        }
        return loss / ((double) sequences.length * (sequences[0].length - 2));
    }

    /** The tokens that stand {@code by} places after each row's. */
    private Tensor shifted(int[][] sequences, int length, int by) {
        Tensor ids = workspace.allocate(DType.I32, (long) sequences.length * length);
        int row = 0;
        for (int[] sequence : sequences) {
            for (int t = 0; t < length; t++) {
                ids.setInt(0, row++, sequence[t + by]);
            }
        }
        return ids;
    }

    /** Cross-entropy summed over the rows, each times {@code weight}, and its gradient. */
    private double loss(Ops ops, Variable states, Tensor targets, float weight) {
        Variable logProbs = ops.tokenLogProbs(states, model.head(), targets, 1).logProbs();
        double sum = 0;
        for (long row = 0; row < logProbs.value().size(); row++) {
            sum -= logProbs.value().get(0, row);
            logProbs.gradient().set(0, row, -weight);
        }
        return sum * weight;
    }
}
