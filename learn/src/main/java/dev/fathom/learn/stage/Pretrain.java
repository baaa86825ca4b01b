package dev.fathom.learn.stage;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.run.Metrics;
import dev.fathom.model.DeepseekModel;
import java.util.List;

/**
 * Pre-training (DeepSeek-V3, arXiv 2412.19437 sections 2.2 and 4.2, in miniature): next-token and multi-token prediction on problem text
 * in which most solutions are bare answers and a minority is worked out.
 */
final class Pretrain {
    private final Session session;
    private final PretrainOptions options;
    private final ProblemText text;
    private final Trainer trainer;

    /** @param stage number of the stage in the recipe */
    Pretrain(Session session, PretrainOptions options, int stage) {
        if (options.mtpLossWeight() > 0 && !session.model().predictsMultipleTokens()) {
            throw new LearnException(
                    "mtpLossWeight is " + options.mtpLossWeight()
                            + ", but the model has no multi-token prediction: num_nextn_predict_layers is 0. Set one or the other.");
        }
        this.session = session;
        this.options = options;
        this.text = new ProblemText(session.tasks(), options, session.codec(), session.seed(stage));
        this.trainer = trainer(session.model(), options);
    }

    static Trainer trainer(DeepseekModel model, PretrainOptions options) {
        return new Trainer(
                model,
                Session.optimizer(model.engine(), options.optimizer()),
                new Trainer.TrainerOptions(
                        1,
                        (float) options.router().balanceLossWeight(),
                        (float) options.router().biasUpdateSpeed(),
                        (float) options.mtpLossWeight()));
    }

    /** Trains from where the state stands to the end of the stage. */
    RunState run(RunState start) {
        long steps = Math.ceilDiv(options.tokens(), options.batchTokens());
        RunState state = start;
        Interval interval = new Interval();
        session.stageStarted(PretrainOptions.STAGE, state, steps);
        while (state.step() < steps) {
            long startNanos = System.nanoTime();
            List<TrainingSequence> documents = text.step(state.step());
            long targets =
                    documents.stream().mapToLong(TrainingSequence::targets).sum();
            double rate = options.learningRate().at((state.step() + 1.0) / steps);
            Trainer.Step step = trainer.step(
                    documents,
                    Objective.crossEntropy(targets),
                    Trainer.Observer.NONE,
                    (float) rate,
                    state.updates() + 1);
            double seconds = (System.nanoTime() - startNanos) * 1e-9;
            state = state.advance(1, step.tokens(), seconds);
            interval.add(step, targets, seconds);
            if (state.step() % options.reportEverySteps() == 0 || state.step() == steps) {
                session.report(interval.describe(state.metrics(PretrainOptions.STAGE))
                        .set(Metrics.LEARNING_RATE, rate)
                        .set(Metrics.GRADIENT_NORM, step.gradientNorm())
                        .set("balanceLoss", step.routing().balanceLoss())
                        .set(Metrics.MAX_VIO, step.routing().maxViolation())
                        .set(Metrics.EXPERT_LOAD, step.routing().relativeLoads()));
                interval = new Interval();
            }
            session.stepDone(state, steps, options.checkpointEverySteps());
        }
        return state;
    }

    /** Sums between two lines of metrics, so that a line speaks for all steps since the last one. */
    private static final class Interval {
        private double loss;
        private double predictionLoss;
        private double entropy;
        private double targets;
        private double tokens;
        private double seconds;

        void add(Trainer.Step step, long stepTargets, double stepSeconds) {
            loss += step.loss() * stepTargets;
            predictionLoss += step.predictionLoss() * stepTargets;
            entropy += step.entropy() * stepTargets;
            targets += stepTargets;
            tokens += step.tokens();
            seconds += stepSeconds;
        }

        Metrics describe(Metrics metrics) {
            return metrics.set(Metrics.LOSS, loss / targets)
                    .set("mtpLoss", predictionLoss / targets)
                    .set(Metrics.ENTROPY, entropy / targets)
                    .set(Metrics.TOKENS_PER_SECOND, tokens / seconds);
        }
    }
}
