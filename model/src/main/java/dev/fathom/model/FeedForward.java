package dev.fathom.model;

import dev.fathom.engine.Ops;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;

/** What follows attention in a layer: one wide SwiGLU, or a mixture of narrow ones. */
sealed interface FeedForward permits FeedForward.Dense, MixtureOfExperts {

    /** h {@code [N, hidden]} after the layer's norm. */
    Variable forward(Ops ops, Variable h, Batch batch, RoutingLog log);

    /** {@code W_down( silu(W_gate h) * (W_up h) )}; gate and up lie in one matrix, {@code [2f, hidden]}. */
    record Dense(Weight gateUp, Weight down) implements FeedForward {
        static Dense of(Weights weights, String prefix) {
            return new Dense(
                    weights.matrix(prefix + "gate_up_proj.weight"), weights.matrix(prefix + "down_proj.weight"));
        }

        Variable forward(Ops ops, Variable h) {
            return ops.linear(ops.swiGlu(h, gateUp), down);
        }

        @Override
        public Variable forward(Ops ops, Variable h, Batch batch, RoutingLog log) {
            return forward(ops, h);
        }
    }
}
