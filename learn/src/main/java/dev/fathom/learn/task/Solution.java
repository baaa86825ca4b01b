package dev.fathom.learn.task;

/**
 * A worked solution, for pre-training text only (reinforcement learning never sees one).
 *
 * @param thinking the text between {@code <think>} and {@code </think>}
 * @param answer the text between {@code <answer>} and {@code </answer>}; {@link Task#grade} accepts it
 */
public record Solution(String thinking, String answer) {
    /** The same answer without a word of explanation: how most of the pre-training text looks. */
    public Solution guess() {
        return new Solution("", answer);
    }
}
