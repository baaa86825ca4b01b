package dev.fathom.model;

import dev.fathom.engine.Ops;
import dev.fathom.engine.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which experts the tokens of one or more forward passes went to: the loads that move the routing bias, the figures users watch,
 * and the choices that rollout and training must agree on.
 */
public final class RoutingLog {
    private final long[][] load;
    private final Tensor[] chosen;
    private double balanceLoss;
    private float balanceAlpha;

    /** @param mixtures number of mixture-of-experts layers, the MTP module's last */
    RoutingLog(int mixtures, int experts) {
        load = new long[mixtures][experts];
        chosen = new Tensor[mixtures];
    }

    /** Weight of the sequence-wise balance loss in the next forward pass: α times that pass's share of the step's tokens. */
    public void setBalanceAlpha(float alpha) {
        balanceAlpha = alpha;
    }

    float balanceAlpha() {
        return balanceAlpha;
    }

    void record(int mixture, Ops.Routed routed) {
        for (int e = 0; e < load[mixture].length; e++) {
            load[mixture][e] += routed.groups().to(e) - routed.groups().from(e);
        }
        chosen[mixture] = routed.chosen();
        balanceLoss += routed.balanceLoss();
    }

    /** Number of mixture-of-experts layers. */
    public int mixtures() {
        return load.length;
    }

    /** (token, rank) pairs per expert of one mixture, summed over the forward passes. */
    public long[] load(int mixture) {
        return load[mixture].clone();
    }

    /** Experts chosen in the latest forward pass, I32 {@code [N, topK]}. */
    public Tensor chosen(int mixture) {
        return chosen[mixture];
    }

    /** Sum of the sequence-wise balance losses of all passes and layers. */
    public double balanceLoss() {
        return balanceLoss;
    }

    /** Maximal violation of balance, {@code max load / mean load - 1}, of the worst layer that saw tokens (arXiv 2408.15664). */
    public double maxViolation() {
        double worst = 0;
        for (long[] counts : load) {
            double mean = Arrays.stream(counts).average().orElse(0);
            if (mean > 0) {
                worst = Math.max(worst, Arrays.stream(counts).max().orElse(0) / mean - 1);
            }
        }
        return worst;
    }

    /** Per layer that saw tokens, each expert's load relative to the mean: 1 is fair. */
    public double[][] relativeLoads() {
        List<double[]> layers = new ArrayList<>();
        for (long[] counts : load) {
            double mean = Arrays.stream(counts).average().orElse(0);
            if (mean > 0) {
                layers.add(
                        Arrays.stream(counts).mapToDouble(count -> count / mean).toArray());
            }
        }
        return layers.toArray(double[][]::new);
    }
}
