package dev.fathom.learn.reward;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;

/**
 * Grades responses by rule: 1 for a right answer, plus {@code formatWeight} for a well-formed response, right or wrong.
 *
 * <p>R1-Zero weighs both equally; small models do better with a format term that can never beat accuracy.
 *
 * @param formatWeight 0 to 1, usually {@value #DEFAULT_FORMAT_WEIGHT}
 */
public record Grader(double formatWeight) {
    public static final double DEFAULT_FORMAT_WEIGHT = 0.1;

    public Grader {
        if (!(formatWeight >= 0 && formatWeight <= 1)) {
            throw new LearnException("The format weight must be between 0 and 1, was " + formatWeight + ".");
        }
    }

    public Grader() {
        this(DEFAULT_FORMAT_WEIGHT);
    }

    /** The reward of a response (decoded, without prompt and end-of-sequence token) to this problem. */
    public Reward grade(Task task, Problem problem, String response) {
        return switch (ResponseFormat.parse(response)) {
            case ResponseFormat.Parsed.Malformed malformed -> new Reward(0, false, false);
            case ResponseFormat.Parsed.WellFormed(String thinking, String answer) -> {
                boolean correct = Tasks.grade(task, problem, answer);
                yield new Reward((correct ? 1 : 0) + formatWeight, correct, true);
            }
        };
    }
}
