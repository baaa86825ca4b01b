package dev.fathom.learn.stage;

/** A loss made of the log-probabilities of target tokens: cross-entropy in pre-training, the policy loss in RL. */
@FunctionalInterface
public interface Objective {
    /**
     * @param sequence index of the sequence in the optimizer step
     * @param logProbs log-probability of each of its targets, in order
     * @param gradient out: derivative of the step's loss with respect to each
     * @return what this sequence adds to the step's loss
     */
    double evaluate(int sequence, float[] logProbs, float[] gradient);

    /** Mean cross-entropy over this many targets. */
    static Objective crossEntropy(long targets) {
        float weight = 1f / targets;
        return (sequence, logProbs, gradient) -> {
            double loss = 0;
            for (int i = 0; i < logProbs.length; i++) {
                loss -= logProbs[i];
                gradient[i] = -weight;
            }
            return loss / targets;
        };
    }
}
