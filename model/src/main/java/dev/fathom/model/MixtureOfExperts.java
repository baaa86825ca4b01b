package dev.fathom.model;

import dev.fathom.engine.DType;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Routing;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;

/**
 * DeepSeekMoE with auxiliary-loss-free balancing (DeepSeek-V3, arXiv 2412.19437 section 2.1.2), or as in DeepSeek-V2 (arXiv 2405.04434 section 2.2):
 * softmax for sigmoid, no bias, groups by their best expert.
 *
 * <pre>
 * s_i    = sigmoid(w_i · h)                      f32, whatever the precision of the experts
 * chosen = top-k of s_i + b_i                    b steers the choice only; groups as Routing says
 * g_i    = scale · s_i / Σ_chosen s_j
 * out    = Shared(h) + Σ_chosen g_i Expert_i(h)  no token is dropped
 * b_i   += γ · sign(mean load − load_i)          once per optimizer step, on the load of the whole batch
 * </pre>
 */
final class MixtureOfExperts implements FeedForward {
    private final Routing routing;
    private final Weight router;
    private final Tensor bias;
    private final Weight gateUp;
    private final Weight down;
    private final Dense shared;
    private final int index;

    /** @param index number of this mixture among the model's, for the {@link RoutingLog} */
    MixtureOfExperts(DeepseekConfig config, Weights weights, String prefix, int index) {
        this.routing = config.routing();
        this.router = weights.exactMatrix(prefix + "gate.weight");
        this.bias = config.hasRoutingBias()
                ? weights.vector(prefix + "gate.e_score_correction_bias").value()
                : Tensor.zeros(DType.F32, config.numRoutedExperts());
        this.gateUp = weights.matrix(prefix + "experts.gate_up_proj.weight"); // [experts, 2f, hidden]
        this.down = weights.matrix(prefix + "experts.down_proj.weight"); // [experts, hidden, f]
        this.shared = Dense.of(weights, prefix + "shared_experts.");
        this.index = index;
    }

    @Override
    public Variable forward(Ops ops, Variable h, Batch batch, RoutingLog log) {
        Variable logits = ops.linear(h, router);
        Ops.Routed routed = ops.route(logits, bias, routing, log.balanceAlpha(), batch.segments());
        log.record(index, routed);
        Variable rows = ops.dispatch(h, routed); // [N * topK, hidden], sorted by expert
        Variable expertOut = ops.linear(ops.swiGlu(rows, gateUp, routed.groups()), down, routed.groups());
        return ops.combine(shared.forward(ops, h), expertOut, routed);
    }

    /** The bias update; load is the number of (token, rank) pairs of each expert over the whole optimizer step. */
    void updateBias(long[] load, float gamma) {
        double mean = 0;
        for (long count : load) {
            mean += count;
        }
        mean /= load.length;
        for (int i = 0; i < load.length; i++) {
            float b = bias.get(0, i);
            bias.set(0, i, b + gamma * (float) Math.signum(mean - load[i]));
        }
    }
}
