package dev.fathom.engine;

/**
 * How a router picks experts (DeepSeek-V3, arXiv 2412.19437 section 2.1.2, equations 12-16; DeepSeek-V2, arXiv 2405.04434 section 2.2).
 *
 * @param experts number of routed experts
 * @param topK experts per token
 * @param groups expert groups; 1 for no group limit
 * @param topGroups groups kept per token
 * @param normalize divide the chosen scores by their sum ({@code norm_topk_prob})
 * @param scale {@code routed_scaling_factor}
 * @param scoring how logits become scores, and groups are ranked
 */
public record Routing(
        int experts, int topK, int groups, int topGroups, boolean normalize, float scale, Scoring scoring) {
    /** How logits become scores, and groups are ranked. */
    public enum Scoring {
        /** DeepSeek-V3: the sigmoid of each logit; a group ranks by the sum of its two best. */
        SIGMOID,
        /** DeepSeek-V2: softmax over all experts; a group ranks by its best. Not differentiable here. */
        SOFTMAX
    }

    /** DeepSeek-V3's routing. */
    public Routing(int experts, int topK, int groups, int topGroups, boolean normalize, float scale) {
        this(experts, topK, groups, topGroups, normalize, scale, Scoring.SIGMOID);
    }

    public Routing {
        if (experts < 1
                || topK < 1
                || topK > experts
                || groups < 1
                || experts % groups != 0
                || topGroups < 1
                || topGroups > groups
                || topK > experts / groups * topGroups) {
            throw new IllegalArgumentException("impossible routing: n_routed_experts=" + experts
                    + ", num_experts_per_tok=" + topK + ", n_group=" + groups + ", topk_group=" + topGroups);
        }
        if (scoring == Scoring.SIGMOID && groups > 1 && experts / groups < 2) {
            throw new IllegalArgumentException("groups are ranked by their two best experts; n_group=" + groups
                    + " leaves " + experts / groups + " per group");
        }
    }
}
