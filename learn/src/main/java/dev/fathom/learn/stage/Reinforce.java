package dev.fathom.learn.stage;

import dev.fathom.infer.Completion;
import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.rl.Advantages;
import dev.fathom.learn.rl.LevelCurriculum;
import dev.fathom.learn.rl.PolicyLoss;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.task.Task;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * R1-Zero (DeepSeek-R1, arXiv 2501.12948 section 2.2): GRPO with rewards by rule. The model is shown problems, never solutions.
 *
 * <p>A step samples groups of responses, grades them, and takes one optimizer step (or a few) on the advantages. The training forward pass
 * computes the log-probabilities of the sampled tokens again; they must equal the sampler's to the bit, and the experts too.
 */
final class Reinforce {
    private final Session session;
    private final RlOptions options;
    private final Rollouts rollouts;
    private final Trainer trainer;
    private final PolicyLoss policyLoss;

    /** @param stage number of the stage in the recipe */
    Reinforce(Session session, RlOptions options, int stage) {
        this.session = session;
        this.options = options;
        this.rollouts =
                new Rollouts(session.tasks(), options, session.codec(), session.generator(), session.seed(stage));
        this.policyLoss = options.policyLoss();
        this.trainer = new Trainer(
                session.model(),
                session.optimizer(options.optimizer()),
                new Trainer.TrainerOptions(
                        1f / (float) options.temperature(),
                        (float) options.router().balanceLossWeight(),
                        (float) options.router().biasUpdateSpeed(),
                        0)); // the policy gradient alone: the MTP module keeps what pre-training taught it
    }

    /** What is trained on: the response's tokens, its end token included, each with the response's advantage. */
    private record Sample(Completion completion, double advantage) {
        TrainingSequence sequence() {
            return new TrainingSequence(
                    completion.sequence(), completion.request().prompt().length);
        }
    }

    /** Trains from where the state stands to the end of the stage. */
    RunState run(RunState start) {
        RunState state = start.step() == 0 ? start.withLevels(startLevels()) : start;
        session.stageStarted(RlOptions.STAGE, state, options.steps());
        while (state.step() < options.steps()) {
            if (policyLoss.klCoefficient() > 0 && isReferenceDue(state.step())) {
                session.refreshReference();
            }
            long startNanos = System.nanoTime();
            Map<String, LevelCurriculum> levels = new TreeMap<>(state.levels());
            Rollouts.Experience experience = rollouts.sample(state.step(), levels);
            double rolloutSeconds = (System.nanoTime() - startNanos) * 1e-9;

            long trained = 0;
            int updates = 0;
            double rate = options.learningRate().at((state.step() + 1.0) / options.steps());
            @Nullable Measured measured = null;
            long[] clipped = {0};
            for (List<Sample> batch : batches(experience)) {
                Measured update = update(batch, rate, state.updates() + updates + 1, clipped);
                measured =
                        measured == null ? update : measured; // the first update after a rollout is the one on policy
                trained += update.step.tokens();
                updates++;
            }
            double learningSeconds = (System.nanoTime() - startNanos) * 1e-9;
            boolean probing =
                    options.evaluateEverySteps() > 0 && (state.step() + 1) % options.evaluateEverySteps() == 0;
            Evaluation.@Nullable Score heldOut = probing ? session.probe(options) : null;
            double seconds = (System.nanoTime() - startNanos) * 1e-9;
            state = state.withLevels(levels).advance(updates, experience.responseTokens(), seconds);

            Metrics metrics = state.metrics(RlOptions.STAGE);
            experience.describe(metrics, rolloutSeconds);
            metrics.set(Metrics.LEARNING_RATE, rate)
                    .set(Metrics.TOKENS_PER_SECOND, (experience.responseTokens() + trained) / learningSeconds);
            if (measured != null) {
                measured.describe(metrics);
                if (policyLoss.klCoefficient() > 0) {
                    metrics.set("kl", measured.kl);
                }
                if (policyLoss.clip() != null) {
                    metrics.set("clippedTokens", clipped[0]);
                }
            }
            if (heldOut != null) {
                metrics.set(Metrics.HELD_OUT_ACCURACY, heldOut.passAt1())
                        .set(Metrics.HELD_OUT_RESPONSE_LENGTH, heldOut.meanResponseTokens());
            }
            session.report(metrics);
            session.stepDone(state, options.steps(), options.checkpointEverySteps());
        }
        return state;
    }

    private boolean isReferenceDue(long step) {
        return step == 0 || (options.referenceRefreshSteps() > 0 && step % options.referenceRefreshSteps() == 0);
    }

    private Map<String, LevelCurriculum> startLevels() {
        Map<String, LevelCurriculum> levels = new TreeMap<>();
        for (Task task : session.tasks()) {
            levels.put(task.name(), LevelCurriculum.start(options.curriculum(), task.levels()));
        }
        return levels;
    }

    /** The live groups' samples, cut into as many batches as there are updates per step. */
    private List<List<Sample>> batches(Rollouts.Experience experience) {
        List<Rollouts.Group> live = experience.live();
        int count = Math.min(options.updatesPerStep(), live.size());
        List<List<Sample>> batches = new ArrayList<>();
        for (int b = 0; b < count; b++) {
            List<Sample> batch = new ArrayList<>();
            for (Rollouts.Group group : live.subList(b * live.size() / count, (b + 1) * live.size() / count)) {
                double[] advantages = Advantages.of(group.totals(), options.advantageStd());
                for (int i = 0; i < advantages.length; i++) {
                    batch.add(new Sample(group.completions().get(i), advantages[i]));
                }
            }
            batches.add(batch);
        }
        return batches;
    }

    /** An optimizer step, how far its forward pass was from the sampler's, and the mean k3 divergence from the reference model. */
    private record Measured(Trainer.Step step, MismatchMeter mismatch, double kl) {
        void describe(Metrics metrics) {
            metrics.set(Metrics.LOSS, step.loss())
                    .set(Metrics.ENTROPY, step.entropy())
                    .set(Metrics.GRADIENT_NORM, step.gradientNorm())
                    .set(Metrics.MAX_ABS_DELTA_LOG_PROB, mismatch.maxAbsDeltaLogProb())
                    .set(Metrics.ROUTING_DISAGREEMENTS, mismatch.routingDisagreements())
                    .set("comparedTokens", mismatch.compared())
                    .set("balanceLoss", step.routing().balanceLoss())
                    .set(Metrics.MAX_VIO, step.routing().maxViolation())
                    .set(Metrics.EXPERT_LOAD, step.routing().relativeLoads());
        }
    }

    /** @param clipped counts the tokens whose ratio was clipped */
    private Measured update(List<Sample> batch, double rate, long update, long[] clipped) {
        List<TrainingSequence> sequences = batch.stream().map(Sample::sequence).toList();
        long tokens = sequences.stream().mapToLong(TrainingSequence::targets).sum();
        float[][] reference = policyLoss.klCoefficient() > 0 ? session.referenceLogProbs(sequences, options) : null;
        double[] kl = {0};
        Objective objective = (s, logProbs, gradient) -> {
            Sample sample = batch.get(s);
            double weight = policyLoss.weight(logProbs.length, tokens, batch.size());
            double loss = 0;
            for (int i = 0; i < logProbs.length; i++) {
                double old = sample.completion.logProbs()[i];
                PolicyLoss.Token token = reference == null
                        ? policyLoss.token(logProbs[i], old, sample.advantage)
                        : policyLoss.token(logProbs[i], old, reference[s][i], sample.advantage);
                loss += weight * token.loss();
                kl[0] += weight * token.kl();
                clipped[0] += token.clipped() ? 1 : 0;
                gradient[i] = (float) (weight * token.gradient());
            }
            return loss;
        };
        MismatchMeter mismatch = new MismatchMeter(
                batch.stream().map(Sample::completion).toList(), session.model().mixtures());
        return new Measured(
                trainer.step(sequences, objective, mismatch::compare, (float) rate, update), mismatch, kl[0]);
    }
}
