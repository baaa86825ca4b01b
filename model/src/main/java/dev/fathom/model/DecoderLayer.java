package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Variable;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.LlamaConfig;

/** One transformer layer: {@code x + Attention(norm(x))}, then {@code x + FeedForward(norm(x))}. */
record DecoderLayer(
        Parameter inputNorm, Attention attention, Parameter attentionNorm, FeedForward feedForward, float eps) {

    /** @param mixture index of this layer's mixture of experts, or -1 for a dense layer */
    static DecoderLayer of(DeepseekConfig config, RopeTable rope, Weights weights, String prefix, int mixture) {
        return new DecoderLayer(
                weights.vector(prefix + "input_layernorm.weight"),
                new MultiHeadLatentAttention(config, rope, weights, prefix + "self_attn."),
                weights.vector(prefix + "post_attention_layernorm.weight"),
                mixture < 0
                        ? FeedForward.Dense.of(weights, prefix + "mlp.")
                        : new MixtureOfExperts(config, weights, prefix + "mlp.", mixture),
                (float) config.rmsNormEpsilon());
    }

    static DecoderLayer of(LlamaConfig config, RopeTable rope, RotaryPairs pairs, Weights weights, String prefix) {
        return new DecoderLayer(
                weights.vector(prefix + "input_layernorm.weight"),
                new GroupedQueryAttention(config, rope, pairs, weights, prefix + "self_attn."),
                weights.vector(prefix + "post_attention_layernorm.weight"),
                FeedForward.Dense.of(weights, prefix + "mlp."),
                (float) config.rmsNormEpsilon());
    }

    /**
     * Both branches, with each addition fused into the norm that follows it: the next layer's, or the final one.
     *
     * @param in the residual stream and its norm by this layer's {@link #inputNorm}
     * @param nextNorm the norm that follows this layer
     */
    Ops.Residual forward(
            Ops ops, Ops.Residual in, Parameter nextNorm, Batch batch, KeyValueStore store, RoutingLog log) {
        Variable attended = attention.forward(ops, in.normed(), batch, store);
        Ops.Residual middle = ops.addNorm(in.sum(), attended, attentionNorm, eps);
        Variable fed = feedForward.forward(ops, middle.normed(), batch, log);
        return ops.addNorm(middle.sum(), fed, nextNorm, eps);
    }
}
