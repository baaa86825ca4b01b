package dev.fathom.learn.recipe;

import dev.fathom.learn.reward.Grader;
import dev.fathom.learn.rl.PolicyLoss;
import org.jspecify.annotations.Nullable;

/**
 * Options of reinforcement learning with rule-based rewards: GRPO and its published variants.
 *
 * <p>The defaults are what works for models of a few million parameters: advantage = reward - mean, every token weighs
 * the same, one update per rollout, nothing clipped, no reference model.
 *
 * @param steps rollout steps
 * @param groupsPerStep problems per step that are trained on
 * @param groupSize responses per problem
 * @param maxResponseTokens a longer response is cut off and counts as wrong
 * @param temperature of sampling, and of the log-probabilities that are trained
 * @param updatesPerStep optimizer steps per rollout; above 1 the later ones are off policy and want clipping
 * @param advantageStd divide advantages by the group's standard deviation (DeepSeekMath) or not (Dr. GRPO)
 * @param lossNormalization {@code token} (DAPO) or {@code sequence} (DeepSeek-R1)
 * @param clipLow ratios below 1-clipLow stop pushing; null for no clipping. Both or neither.
 * @param clipHigh ratios above 1+clipHigh stop pushing; null for no clipping
 * @param klCoefficient weight of the k3 penalty for moving away from the reference model; 0 for no reference model
 * @param referenceRefreshSteps the reference becomes the current policy every so many steps (R1-Zero: 400); 0 for never
 * @param dynamicSampling drop groups whose rewards are all equal and draw others in their place (DAPO)
 * @param maxResampleRounds how many times a step draws replacements before it trains on the groups it has
 * @param formatWeight reward of a well-formed response; a right answer is worth 1
 * @param curriculum when to change the level
 * @param learningRate the learning rate over the stage
 * @param optimizer the optimizer
 * @param router balancing of the experts' load
 * @param evaluateEverySteps steps between the held-out evaluations of the curve; 0 for none
 * @param evaluationProblems held-out problems in each of those
 * @param checkpointEverySteps steps between checkpoints
 */
public record RlOptions(
        int steps,
        int groupsPerStep,
        int groupSize,
        int maxResponseTokens,
        double temperature,
        int updatesPerStep,
        boolean advantageStd,
        PolicyLoss.Normalization lossNormalization,
        @Nullable Double clipLow,
        @Nullable Double clipHigh,
        double klCoefficient,
        int referenceRefreshSteps,
        boolean dynamicSampling,
        int maxResampleRounds,
        double formatWeight,
        CurriculumOptions curriculum,
        LearningRate learningRate,
        OptimizerOptions optimizer,
        RouterOptions router,
        int evaluateEverySteps,
        int evaluationProblems,
        int checkpointEverySteps)
        implements StageOptions {
    public static final String STAGE = "rl";

    public RlOptions {
        Check.atLeast("steps", steps, 1);
        Check.between("groupsPerStep", groupsPerStep, 1, 1 << 16);
        Check.between("groupSize", groupSize, 2, 1 << 12); // one response alone has no advantage
        Check.between("maxResponseTokens", maxResponseTokens, 8, 1 << 20);
        Check.between("temperature", temperature, 0.01, 10);
        Check.between("updatesPerStep", updatesPerStep, 1, groupsPerStep);
        Check.that(
                (clipLow == null) == (clipHigh == null), "clipLow and clipHigh must both be numbers or both be null");
        if (clipLow != null && clipHigh != null) {
            Check.between("clipLow", clipLow, 0, 1);
            Check.between("clipHigh", clipHigh, 0, 100);
        }
        Check.between("klCoefficient", klCoefficient, 0, 100);
        Check.atLeast("referenceRefreshSteps", referenceRefreshSteps, 0);
        Check.between("maxResampleRounds", maxResampleRounds, 0, 100);
        Check.between("formatWeight", formatWeight, 0, 1);
        Check.atLeast("evaluateEverySteps", evaluateEverySteps, 0);
        Check.atLeast("evaluationProblems", evaluationProblems, 1);
        Check.atLeast("checkpointEverySteps", checkpointEverySteps, 1);
    }

    public static RlOptions defaults() {
        return new RlOptions(
                150,
                32,
                16,
                256,
                1.0,
                1,
                false,
                PolicyLoss.Normalization.TOKEN,
                null,
                null,
                0,
                400,
                true,
                2,
                Grader.DEFAULT_FORMAT_WEIGHT,
                CurriculumOptions.defaults(),
                LearningRate.cosine(2e-4),
                new OptimizerOptions(OptimizerOptions.Kind.ADAMW, 0.9, 0.95, 0, 1.0),
                new RouterOptions(0, 1e-4),
                10,
                200,
                10);
    }

    @Override
    public String stage() {
        return STAGE;
    }

    /** The loss these options describe. */
    public PolicyLoss policyLoss() {
        PolicyLoss.Clip clip = clipLow == null || clipHigh == null ? null : new PolicyLoss.Clip(clipLow, clipHigh);
        return new PolicyLoss(clip, klCoefficient, lossNormalization);
    }
}
