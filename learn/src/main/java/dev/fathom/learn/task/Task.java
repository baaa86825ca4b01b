package dev.fathom.learn.task;

import java.util.Optional;

/**
 * Something a model can learn because its answers can be checked: make a problem, grade an answer.
 *
 * <p>That is all reinforcement learning needs, and the whole of a task of your own:
 *
 * <pre>{@code
 * public final class Reversal implements Task {
 *     public String name() { return "reversal"; }
 *     public int levels() { return 3; }
 *     public String alphabet() { return "abcdefgh>"; }
 *
 *     public Problem make(RandomSource random, int level) {
 *         StringBuilder word = new StringBuilder();
 *         for (int i = 0; i < 2 + 2 * level; i++) {
 *             word.append((char) random.between('a', 'h'));
 *         }
 *         return new Problem(word + ">", word.toString(), level, word.toString());
 *     }
 *
 *     public boolean grade(Problem problem, String answer) {
 *         return new StringBuilder(problem.data(String.class)).reverse().toString().equals(answer);
 *     }
 * }
 * }</pre>
 *
 * <p>Put the class on the class path and name it: {@code --task my.package.Reversal}, or list it in {@code
 * META-INF/services/dev.fathom.learn.task.Task} and use its short name. A task that a model is pre-trained on from
 * random weights also implements {@link #solve}.
 *
 * <p>Implementations are immutable and safe to use from several threads; they need a public constructor without
 * parameters.
 */
public interface Task {
    /** Short name in lower case, for options, metrics and reports. */
    String name();

    /** Number of levels of difficulty; levels count from 1, the easiest. */
    int levels();

    /**
     * Every character that may occur in prompts, worked solutions and answers. The tokenizer is built from the union
     * over all tasks.
     */
    String alphabet();

    /** What a level is, in a few words for people: {@code "3x2 digits"}. */
    default String describe(int level) {
        return "level " + level;
    }

    /** A problem of this level; all its randomness comes from {@code random}. */
    Problem make(RandomSource random, int level);

    /**
     * Whether the answer is right.
     *
     * @param answer what the model wrote between {@code <answer>} and {@code </answer>}: any string at all, up to
     *     {@link dev.fathom.learn.reward.ResponseFormat#MAX_ANSWER_CHARACTERS}. Never evaluate it as code; whatever
     *     cannot be understood is wrong (return false, do not throw).
     */
    boolean grade(Problem problem, String answer);

    /**
     * A worked solution as it may occur in pre-training text, or empty if this task has none (it can then be used for
     * reinforcement learning and evaluation only).
     *
     * @param random for variation, such as a step that goes wrong and is corrected
     */
    default Optional<Solution> solve(Problem problem, RandomSource random) {
        return Optional.empty();
    }

    /**
     * The problem that someone typed, such as {@code 34*27} or {@code 34*27=}, so that a chat can put it as the model
     * knows it and grade the answer; empty for text that is no problem of this task, or if the task cannot tell.
     */
    default Optional<Problem> read(String text) {
        return Optional.empty();
    }
}
