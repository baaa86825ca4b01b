package dev.fathom.learn.recipe;

import dev.fathom.learn.task.RandomSource;
import java.util.List;

/**
 * Options of pre-training: from random weights to a model of the tasks' language.
 *
 * <p>Most documents are a problem and its bare answer, a minority is worked out. The base model then mostly guesses,
 * but is able to work a problem out, and reinforcement learning has something to select from.
 *
 * @param tokens tokens to train on
 * @param batchTokens tokens per optimizer step, in whole documents
 * @param workedShare share of documents with a worked solution; the others have empty thinking
 * @param levelWeights how often each level occurs, relative to the others: the first is level 1, further levels weigh
 *     as the last
 * @param trainOnPrompt also learn to write the problems; if not, the loss covers responses only
 * @param mtpLossWeight weight of the multi-token-prediction loss (DeepSeek-V3: 0.3, later 0.1)
 * @param learningRate the learning rate over the stage
 * @param optimizer the optimizer
 * @param router balancing of the experts' load
 * @param reportEverySteps optimizer steps per line of {@code metrics.jsonl}
 * @param checkpointEverySteps optimizer steps between checkpoints
 */
public record PretrainOptions(
        long tokens,
        int batchTokens,
        double workedShare,
        List<Double> levelWeights,
        boolean trainOnPrompt,
        double mtpLossWeight,
        LearningRate learningRate,
        OptimizerOptions optimizer,
        RouterOptions router,
        int reportEverySteps,
        int checkpointEverySteps)
        implements StageOptions {
    public static final String STAGE = "pretrain";

    public PretrainOptions {
        Check.atLeast("tokens", tokens, 1);
        Check.between("batchTokens", batchTokens, 64, 1 << 24);
        Check.between("workedShare", workedShare, 0, 1);
        levelWeights = List.copyOf(levelWeights);
        Check.that(!levelWeights.isEmpty(), "levelWeights must have at least one weight");
        for (double weight : levelWeights) {
            Check.between("levelWeights", weight, 0, 1e6);
        }
        Check.that(levelWeights.getLast() > 0, "the last of levelWeights must be greater than 0");
        Check.between("mtpLossWeight", mtpLossWeight, 0, 1);
        Check.atLeast("reportEverySteps", reportEverySteps, 1);
        Check.atLeast("checkpointEverySteps", checkpointEverySteps, 1);
    }

    public static PretrainOptions defaults() {
        return new PretrainOptions(
                3_000_000,
                2560,
                0.2,
                List.of(1.0, 1.0, 3.0),
                false,
                0.3,
                new LearningRate(LearningRate.Schedule.WSD, 3e-3, 0.04, 0.02, 0.35),
                OptimizerOptions.adamw(),
                new RouterOptions(1e-3, 1e-4),
                20,
                200);
    }

    /** Draws the level of a document. */
    public int drawLevel(RandomSource random, int levels) {
        double sum = 0;
        for (int level = 1; level <= levels; level++) {
            sum += weight(level);
        }
        double left = random.uniform() * sum;
        for (int level = 1; level < levels; level++) {
            left -= weight(level);
            if (left < 0) {
                return level;
            }
        }
        return levels;
    }

    private double weight(int level) {
        return levelWeights.get(Math.min(level, levelWeights.size()) - 1);
    }

    @Override
    public String stage() {
        return STAGE;
    }
}
