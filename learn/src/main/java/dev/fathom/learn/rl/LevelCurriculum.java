package dev.fathom.learn.rl;

import dev.fathom.learn.recipe.CurriculumOptions;
import dev.fathom.learn.task.RandomSource;

/**
 * Which level of a task to train on: harder when the policy mostly succeeds, easier when it hardly ever does.
 *
 * <p>Groups in which every response is right or every one is wrong teach nothing; a level of medium difficulty keeps
 * them few. The curriculum counts responses at its level, and once it has seen a window full of them, it moves or stays
 * and counts again. It is a value: each observation gives the next state, and a checkpoint stores it as it is.
 *
 * @param level the current level, from 1
 * @param levels the number of levels of the task
 * @param correct right responses of the current level since the last decision
 * @param responses all responses of the current level since the last decision
 */
public record LevelCurriculum(int level, int levels, int correct, int responses) {
    public LevelCurriculum {
        if (level < 1 || level > levels || correct < 0 || correct > responses) {
            throw new IllegalArgumentException(
                    "level " + level + " of " + levels + ", " + correct + " of " + responses + " right");
        }
    }

    /** The start of a run, on the first level of the options (or the last level the task has). */
    public static LevelCurriculum start(CurriculumOptions options, int levels) {
        return new LevelCurriculum(Math.min(options.startLevel(), levels), levels, 0, 0);
    }

    /**
     * The level of the next group: usually the current one, now and then an easier one, so that it is not forgotten.
     */
    public int draw(CurriculumOptions options, RandomSource random) {
        if (level > 1 && random.chance(options.reviewShare())) {
            return random.between(1, level - 1);
        }
        return level;
    }

    /** The state after a group of responses. Groups of other levels (reviews) change nothing. */
    public LevelCurriculum observe(CurriculumOptions options, int groupLevel, int groupCorrect, int groupResponses) {
        if (groupLevel != level) {
            return this;
        }
        int newCorrect = correct + groupCorrect;
        int newResponses = responses + groupResponses;
        if (newResponses < options.window()) {
            return new LevelCurriculum(level, levels, newCorrect, newResponses);
        }
        double success = (double) newCorrect / newResponses;
        int next = success >= options.raiseAt() ? level + 1 : success <= options.lowerAt() ? level - 1 : level;
        return new LevelCurriculum(Math.clamp(next, 1, levels), levels, 0, 0);
    }
}
