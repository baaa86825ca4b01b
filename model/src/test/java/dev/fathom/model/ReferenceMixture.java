package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.softmax;
import static dev.fathom.model.ReferenceParameters.sum;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import java.util.Arrays;

/**
 * The mixture of experts for one token at a time, in scalar double: DeepSeek-V3 (arXiv 2412.19437) equations 12-20; with softmax scores, no biases and no sum
 * over a group's best, DeepSeek-V2's (arXiv 2405.04434).
 */
final class ReferenceMixture {
    private final DeepseekConfig config;
    private final ReferenceParameters parameters;
    private final int groupRank;

    /** @param groupRank as {@link ReferenceDeepseek.Arithmetic#groupRank()} */
    ReferenceMixture(DeepseekConfig config, ReferenceParameters parameters, int groupRank) {
        this.config = config;
        this.parameters = parameters;
        this.groupRank = groupRank;
    }

    /**
     * Where one token went in one mixture of experts.
     *
     * @param scores sigmoid score of every expert; in DeepSeek-V2 the softmax of all
     * @param experts the chosen ones, best biased score first
     * @param gates their weights in the sum
     */
    record Choice(double[] scores, int[] experts, double[] gates) {}

    /** The shared experts, ungated, are one SwiGLU; the chosen experts are added with their gates. */
    double[] mix(String prefix, double[] h, Choice choice) {
        double[] out = parameters.swiGlu(prefix + "shared_experts.", h);
        for (int rank = 0; rank < choice.experts.length; rank++) {
            double[] expert = parameters.swiGlu(prefix + "experts." + choice.experts[rank] + ".", h);
            for (int i = 0; i < out.length; i++) {
                out[i] += choice.gates[rank] * expert[i];
            }
        }
        return out;
    }

    Choice choose(String prefix, double[] h) {
        double[] scores = parameters.linear(prefix + "gate.weight", h);
        double[] biased;
        if (config.scoringFunction() == ScoringFunction.SOFTMAX) {
            scores = softmax(scores);
            biased = scores.clone();
        } else {
            scores = Arrays.stream(scores).map(ReferenceParameters::sigmoid).toArray();
            biased = sum(scores, parameters.parameter(prefix + "gate.e_score_correction_bias"));
        }
        if (config.numGroups() > 1) {
            keepBestGroups(biased);
        }
        int[] chosen = largest(biased, config.numExpertsPerToken());
        double total = 0;
        for (int e : chosen) {
            total += scores[e];
        }
        double[] gates = new double[chosen.length];
        for (int rank = 0; rank < gates.length; rank++) {
            double score = scores[chosen[rank]];
            gates[rank] = config.routedScalingFactor() * (config.normalizeTopK() ? score / (total + 1e-20) : score);
        }
        return new Choice(scores, chosen, gates);
    }

    /** A group is ranked by the sum of its best; the experts of the others are out of the question. */
    private void keepBestGroups(double[] biased) {
        int perGroup = biased.length / config.numGroups();
        double[] groupScores = new double[config.numGroups()];
        for (int g = 0; g < groupScores.length; g++) {
            double[] sorted = Arrays.copyOfRange(biased, g * perGroup, (g + 1) * perGroup);
            Arrays.sort(sorted);
            for (int rank = 1; rank <= groupRank; rank++) {
                groupScores[g] += sorted[perGroup - rank];
            }
        }
        int[] kept = largest(groupScores, config.topGroups());
        for (int e = 0; e < biased.length; e++) {
            int group = e / perGroup;
            if (Arrays.stream(kept).noneMatch(g -> g == group)) {
                biased[e] = Double.NEGATIVE_INFINITY;
            }
        }
    }

    /** Indices of the count largest values, largest first; the lower index on ties. */
    private static int[] largest(double[] values, int count) {
        double[] left = values.clone();
        int[] indices = new int[count];
        for (int n = 0; n < count; n++) {
            int best = 0;
            for (int i = 1; i < left.length; i++) {
                if (left[i] > left[best]) {
                    best = i;
                }
            }
            indices[n] = best;
            left[best] = Double.NEGATIVE_INFINITY;
        }
        return indices;
    }

    /** {@code Σ_i f_i P_i} of one sequence in one mixture (V3 equations 17-20 without alpha). */
    double balanceLoss(Choice[] tokens) {
        int experts = config.numRoutedExperts();
        double[] f = new double[experts];
        double[] p = new double[experts];
        for (Choice token : tokens) {
            for (int e : token.experts) {
                f[e] += (double) experts / (config.numExpertsPerToken() * tokens.length);
            }
            double total = Arrays.stream(token.scores).sum();
            for (int e = 0; e < experts; e++) {
                p[e] += token.scores[e] / total / tokens.length;
            }
        }
        return ReferenceParameters.dot(f, p);
    }
}
