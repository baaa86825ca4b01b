package dev.fathom.learn.recipe;

import java.util.List;

/**
 * Options of an evaluation on held-out problems.
 *
 * @param problemsPerLevel different held-out problems of each level of each task; fewer if a level has fewer
 * @param levels which levels; empty for all
 * @param samplesPerProblem responses per problem; pass@1 is their mean
 * @param k of pass@k, at most {@code samplesPerProblem}
 * @param temperature of sampling
 * @param maxResponseTokens a longer response is cut off and counts as wrong
 * @param greedy also answer every problem once with the most probable tokens
 */
public record EvalOptions(
        int problemsPerLevel,
        List<Integer> levels,
        int samplesPerProblem,
        int k,
        double temperature,
        int maxResponseTokens,
        boolean greedy)
        implements StageOptions {
    public static final String STAGE = "eval";

    public EvalOptions {
        levels = List.copyOf(levels);
        Check.between("problemsPerLevel", problemsPerLevel, 1, 1 << 20);
        for (int level : levels) {
            Check.atLeast("levels", level, 1);
        }
        Check.between("samplesPerProblem", samplesPerProblem, 1, 1 << 16);
        Check.between("k", k, 1, samplesPerProblem);
        Check.between("temperature", temperature, 0.01, 10);
        Check.between("maxResponseTokens", maxResponseTokens, 8, 1 << 20);
    }

    public static EvalOptions defaults() {
        return new EvalOptions(500, List.of(), 8, 8, 1.0, 256, true);
    }

    @Override
    public String stage() {
        return STAGE;
    }
}
