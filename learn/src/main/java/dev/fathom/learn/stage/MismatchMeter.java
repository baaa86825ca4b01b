package dev.fathom.learn.stage;

import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.infer.Completion;
import dev.fathom.model.RoutingLog;
import java.util.List;

/**
 * Compares what the sampler saw with what the training forward pass computes for the same tokens: log-probabilities and chosen
 * experts. Both figures must be zero; any other value means that the policy being trained is not the policy that sampled.
 */
final class MismatchMeter {
    private final List<Completion> completions;
    private final int mixtures;
    private double maxAbsDeltaLogProb;
    private long routingDisagreements;
    private long compared;

    /** @param completions in the order of the step's sequences */
    MismatchMeter(List<Completion> completions, int mixtures) {
        this.completions = completions;
        this.mixtures = mixtures;
    }

    /** Compares one micro-batch of the training forward pass. */
    void compare(MicroBatch micro, float[][] logProbs, RoutingLog routing) {
        for (int s = 0; s < logProbs.length; s++) {
            Completion completion = completions.get(micro.first() + s);
            float[] sampled = completion.logProbs();
            for (int i = 0; i < sampled.length; i++) {
                double delta = Math.abs((double) logProbs[s][i] - sampled[i]);
                // A NaN must not pass for agreement.
                maxAbsDeltaLogProb = delta <= maxAbsDeltaLogProb ? maxAbsDeltaLogProb : delta;
            }
            compared += sampled.length;
            compareExperts(micro.batch().segments(), s, completion.experts(), routing);
        }
    }

    private void compareExperts(Segments segments, int s, short[] sampled, RoutingLog routing) {
        int at = 0;
        for (int row = 0; row < segments.rowCount()[s]; row++) {
            for (int mixture = 0; mixture < mixtures; mixture++) {
                Tensor chosen = routing.chosen(mixture);
                boolean same = true;
                for (int rank = 0; rank < chosen.columns(); rank++) {
                    same &= sampled[at++] == chosen.getInt(segments.rowStart()[s] + row, rank);
                }
                routingDisagreements += same ? 0 : 1;
            }
        }
    }

    /** Largest difference of a log-probability, over {@link #compared()} tokens. */
    double maxAbsDeltaLogProb() {
        return maxAbsDeltaLogProb;
    }

    /** Rows and layers in which another set (or order) of experts was chosen. */
    long routingDisagreements() {
        return routingDisagreements;
    }

    long compared() {
        return compared;
    }
}
