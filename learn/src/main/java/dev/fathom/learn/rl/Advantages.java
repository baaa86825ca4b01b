package dev.fathom.learn.rl;

/**
 * GRPO advantages: how much better each response of a group was than the group's mean.
 *
 * <pre>{@code
 * A_i = r_i - mean(r)                     (Dr. GRPO, the default here)
 * A_i = (r_i - mean(r)) / std(r)          (DeepSeekMath; std over the group, divided by N)
 * }</pre>
 *
 * <p>A group in which all rewards are equal is <em>dead</em>: nothing was better than anything else, the advantages are
 * zero (with the division: 0/0) and the group teaches nothing. The share of dead groups is the first thing to look at
 * when a policy does not learn.
 */
public final class Advantages {
    private Advantages() {}

    /** True if all rewards are equal, so that the group carries no signal. */
    public static boolean isDead(double[] rewards) {
        for (double reward : rewards) {
            if (reward != rewards[0]) {
                return false;
            }
        }
        return true;
    }

    /**
     * The advantages of one group, in the order of the rewards; all zero for a dead group.
     *
     * @param divideByStd divide by the group's standard deviation. It weighs groups with rare successes (or rare
     *     failures) up.
     */
    public static double[] of(double[] rewards, boolean divideByStd) {
        double[] advantages = new double[rewards.length];
        if (isDead(rewards)) {
            return advantages; // exactly zero, whatever the mean rounds to
        }
        double sum = 0;
        for (double reward : rewards) {
            sum += reward;
        }
        double mean = sum / rewards.length;
        double squares = 0;
        for (int i = 0; i < rewards.length; i++) {
            advantages[i] = rewards[i] - mean;
            squares += advantages[i] * advantages[i];
        }
        if (divideByStd) {
            double std = Math.sqrt(squares / rewards.length);
            for (int i = 0; i < advantages.length; i++) {
                advantages[i] /= std;
            }
        }
        return advantages;
    }
}
