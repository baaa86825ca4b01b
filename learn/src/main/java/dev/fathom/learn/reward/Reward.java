package dev.fathom.learn.reward;

/**
 * The rule-based reward of one response: accuracy plus a small format term.
 *
 * @param total what reinforcement learning maximises
 * @param correct well formed, and the answer is right
 * @param wellFormed exactly one thinking block and one answer
 */
public record Reward(double total, boolean correct, boolean wellFormed) {
    /** Of a response that was cut off before its end token, whatever it says until there. */
    public static final Reward CUT_OFF = new Reward(0, false, false);
}
