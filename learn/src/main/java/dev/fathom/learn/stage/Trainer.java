package dev.fathom.learn.stage;

import dev.fathom.engine.Ops;
import dev.fathom.engine.Optimizer;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.learn.LearnException;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.RoutingLog;
import java.util.List;

/**
 * One optimizer step of any stage: forward and backward over the step's sequences in micro-batches, then clipping, the optimizer, and
 * the routing bias.
 */
final class Trainer {
    /** Rows computed together: enough to keep the matrix products busy, few enough for the caches. The results do not depend on it, up to rounding. */
    static final int MICRO_BATCH_ROWS = 2048;

    private final DeepseekModel model;
    private final Optimizer optimizer;
    private final TrainerOptions options;
    private final Workspace workspace = new Workspace();

    Trainer(DeepseekModel model, Optimizer optimizer, TrainerOptions options) {
        this.model = model;
        this.optimizer = optimizer;
        this.options = options;
    }

    /**
     * What stays the same from step to step.
     *
     * @param inverseTemperature 1 / T of the softmax; that of the sampler, in RL
     * @param balanceAlpha weight of the sequence-wise balance loss (V3: 1e-4)
     * @param biasUpdateSpeed γ of the routing bias (V3: 1e-3)
     * @param predictionWeight λ of multi-token prediction; 0 leaves its module alone
     */
    record TrainerOptions(
            float inverseTemperature, float balanceAlpha, float biasUpdateSpeed, float predictionWeight) {}

    /** Sees the forward pass of each micro-batch before its backward pass. */
    @FunctionalInterface
    interface Observer {
        /** Sees nothing. */
        Observer NONE = (micro, logProbs, routing) -> {};

        void onForward(MicroBatch micro, float[][] logProbs, RoutingLog routing);
    }

    /**
     * What a step reports.
     *
     * @param loss the objective
     * @param predictionLoss mean cross-entropy of multi-token prediction, 0 without it
     * @param entropy mean entropy of the targets' distributions in nats
     * @param gradientNorm global norm before clipping
     * @param tokens rows computed
     * @param routing where the tokens went
     */
    record Step(
            double loss, double predictionLoss, double entropy, double gradientNorm, long tokens, RoutingLog routing) {}

    /** @param step counts from 1, for the optimizer's bias correction */
    Step step(List<TrainingSequence> sequences, Objective objective, Observer observer, float learningRate, long step) {
        long targets = sequences.stream().mapToLong(TrainingSequence::targets).sum();
        long rows = sequences.stream().mapToLong(TrainingSequence::rows).sum();
        model.parameters().zeroGradients();
        RoutingLog routing = model.newRoutingLog();
        double loss = 0;
        double predictionLoss = 0;
        double entropy = 0;
        for (int[] range : MicroBatch.split(sequences, MICRO_BATCH_ROWS)) {
            workspace.reset();
            MicroBatch micro = MicroBatch.of(sequences, range[0], range[1], workspace);
            routing.setBalanceAlpha(options.balanceAlpha * micro.batch().rows() / rows);
            Tape tape = new Tape();
            Ops ops = Ops.recording(model.engine(), workspace, tape);

            LanguageModel.States states = model.forward(ops, micro.batch(), routing);
            Ops.TokenLogProbs main =
                    ops.tokenLogProbs(states.normed(), model.head(), micro.targets(), options.inverseTemperature);
            float[][] logProbs = targetValues(micro, main.logProbs().value());
            observer.onForward(micro, logProbs, routing);
            loss += seedGradients(micro, objective, logProbs, main.logProbs().gradient());
            entropy += sum(targetValues(micro, main.entropy()));

            if (options.predictionWeight > 0) {
                Variable ahead = model.predictAhead(ops, states.hidden(), micro.next(), micro.batch(), routing);
                Variable aheadLogProbs = ops.tokenLogProbs(ahead, model.head(), micro.targetsAhead(), 1)
                        .logProbs();
                predictionLoss += seedPrediction(micro, aheadLogProbs, targets);
            }
            tape.backward();
        }
        double norm;
        try {
            norm = optimizer.step(model.parameters(), learningRate, step);
        } catch (ArithmeticException e) {
            throw new LearnException(
                    "The run has diverged: " + e.getMessage() + ". Begin again with a lower learningRate.peak.", e);
        }
        model.updateRoutingBiases(routing, options.biasUpdateSpeed);
        model.refresh();
        return new Step(loss, predictionLoss, entropy / targets, norm, rows, routing);
    }

    /** Log-probabilities of every sequence's targets under a model, without a backward pass. */
    static float[][] score(LanguageModel model, List<TrainingSequence> sequences, float inverseTemperature) {
        Workspace workspace = new Workspace();
        float[][] scores = new float[sequences.size()][];
        for (int[] range : MicroBatch.split(sequences, MICRO_BATCH_ROWS)) {
            workspace.reset();
            MicroBatch micro = MicroBatch.of(sequences, range[0], range[1], workspace);
            Ops ops = model.inference(workspace);
            Variable normed =
                    model.forward(ops, micro.batch(), model.newRoutingLog()).normed();
            Tensor logProbs = ops.tokenLogProbs(normed, model.head(), micro.targets(), inverseTemperature)
                    .logProbs()
                    .value();
            float[][] values = targetValues(micro, logProbs);
            System.arraycopy(values, 0, scores, range[0], values.length);
        }
        return scores;
    }

    private static float[][] targetValues(MicroBatch micro, Tensor perRow) {
        float[][] values = new float[micro.sequences().size()][];
        for (int s = 0; s < values.length; s++) {
            int row = micro.firstTargetRow(s);
            values[s] = new float[micro.sequences().get(s).targets()];
            for (int i = 0; i < values[s].length; i++) {
                values[s][i] = perRow.get(0, row + i);
            }
        }
        return values;
    }

    private static double sum(float[][] values) {
        double sum = 0;
        for (float[] row : values) {
            for (float value : row) {
                sum += value;
            }
        }
        return sum;
    }

    private static double seedGradients(MicroBatch micro, Objective objective, float[][] logProbs, Tensor gradient) {
        double loss = 0;
        for (int s = 0; s < logProbs.length; s++) {
            float[] derivative = new float[logProbs[s].length];
            loss += objective.evaluate(micro.first() + s, logProbs[s], derivative);
            int row = micro.firstTargetRow(s);
            for (int i = 0; i < derivative.length; i++) {
                gradient.set(0, row + i, derivative[i]);
            }
        }
        return loss;
    }

    /** Cross-entropy of the token after next, divided by the same number of targets as the main loss (V3 equation 24). */
    private double seedPrediction(MicroBatch micro, Variable logProbs, long targets) {
        float weight = options.predictionWeight / targets;
        double loss = 0;
        for (int row = 0; row < micro.batch().rows(); row++) {
            if (micro.targetsAhead().getInt(0, row) >= 0) {
                loss -= logProbs.value().get(0, row);
                logProbs.gradient().set(0, row, -weight);
            }
        }
        return loss / targets;
    }
}
