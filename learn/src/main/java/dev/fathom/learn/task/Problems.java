package dev.fathom.learn.task;

import dev.fathom.learn.LearnException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Draws problems of one task from one side of the {@link Split}.
 *
 * <p>Drawing is by rejection: make a problem, keep it if it is on the wanted side. Nine in ten problems are for
 * training, so a training problem takes 1.1 tries and a held-out one ten.
 */
public record Problems(Task task) {
    // One in ten is held out, so a level with any variety gives one within a few dozen tries.
    private static final int MAX_TRIES = 10_000;

    /** A problem that may be trained on. */
    public Problem train(RandomSource random, int level) {
        return draw(random, level, false);
    }

    /** A problem that is never trained on. (An easier one may occur as a step of a worked solution of a harder one.) */
    public Problem heldOut(RandomSource random, int level) {
        return draw(random, level, true);
    }

    /**
     * Different held-out problems of one level, for an evaluation. Fewer than asked for if the level does not have as
     * many.
     */
    public List<Problem> distinctHeldOut(RandomSource random, int level, int count) {
        List<Problem> problems = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        int repeats = 0;
        while (problems.size() < count && repeats < 200) {
            Problem problem = heldOut(random, level);
            if (seen.add(problem.canonical())) {
                problems.add(problem);
                repeats = 0;
            } else {
                repeats++;
            }
        }
        return problems;
    }

    private Problem draw(RandomSource random, int level, boolean heldOut) {
        if (level < 1 || level > task.levels()) {
            throw new LearnException(
                    "Task " + task.name() + " has levels 1 to " + task.levels() + ", there is no level " + level + ".");
        }
        for (int i = 0; i < MAX_TRIES; i++) {
            Problem problem = task.make(random, level);
            if (Split.isHeldOut(problem) == heldOut) {
                return problem;
            }
        }
        throw new LearnException("Task " + task.name() + ", level " + level + ": none of " + MAX_TRIES
                + " problems is " + (heldOut ? "held out" : "for training")
                + ". The level has too few different problems to be split; make it larger.");
    }
}
