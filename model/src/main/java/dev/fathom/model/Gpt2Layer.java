package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.Gpt2Config;
import org.jspecify.annotations.Nullable;

/**
 * One layer of GPT-2, norms before each branch.
 *
 * <pre>
 * [q ; k ; v] = W_attn LayerNorm_1(x) + b;    x += W_proj Attention(q, k, v) + b
 * x += W_proj gelu(W_fc LayerNorm_2(x) + b) + b
 * </pre>
 */
final class Gpt2Layer {
    /** A LayerNorm's parameters. */
    record Norm(Parameter weight, @Nullable Parameter bias, float eps) {
        static Norm of(Gpt2Config config, Weights weights, String name) {
            return new Norm(
                    weights.vector(name + ".weight"), biasOf(config, weights, name), (float) config.layerNormEpsilon());
        }

        /** {@code x + delta} and its norm. */
        Ops.Residual add(Ops ops, Variable x, Variable delta) {
            return ops.addLayerNorm(x, delta, weight, bias, eps);
        }
    }

    private final int heads;
    private final int width;
    private final Norm inputNorm;
    private final Weight queryKeyValue;
    private final @Nullable Parameter queryKeyValueBias;
    private final Weight output;
    private final @Nullable Parameter outputBias;
    private final Norm attentionNorm;
    private final Weight up;
    private final @Nullable Parameter upBias;
    private final Weight down;
    private final @Nullable Parameter downBias;

    Gpt2Layer(Gpt2Config config, Weights weights, String prefix) {
        heads = config.numAttentionHeads();
        width = config.headDim();
        inputNorm = Norm.of(config, weights, prefix + "ln_1");
        queryKeyValue = weights.matrix(prefix + "attn.c_attn.weight");
        queryKeyValueBias = biasOf(config, weights, prefix + "attn.c_attn");
        output = weights.matrix(prefix + "attn.c_proj.weight");
        outputBias = biasOf(config, weights, prefix + "attn.c_proj");
        attentionNorm = Norm.of(config, weights, prefix + "ln_2");
        up = weights.matrix(prefix + "mlp.c_fc.weight");
        upBias = biasOf(config, weights, prefix + "mlp.c_fc");
        down = weights.matrix(prefix + "mlp.c_proj.weight");
        downBias = biasOf(config, weights, prefix + "mlp.c_proj");
    }

    private static @Nullable Parameter biasOf(Gpt2Config config, Weights weights, String name) {
        return config.bias() ? weights.vector(name + ".bias") : null;
    }

    Norm inputNorm() {
        return inputNorm;
    }

    /**
     * Both branches, with each addition fused into the norm that follows it: the next layer's, or the final one.
     *
     * @param in the residual stream and its norm by this layer's {@link #inputNorm}
     * @param nextNorm the norm that follows this layer
     */
    Ops.Residual forward(Ops ops, Ops.Residual in, Norm nextNorm, Batch batch, KeyValueStore store) {
        Ops.Residual middle = attentionNorm.add(ops, in.sum(), attention(ops, in.normed(), batch, store));
        Variable inner = ops.gelu(ops.linear(middle.normed(), up), upBias);
        return nextNorm.add(ops, middle.sum(), ops.linear(inner, down, downBias));
    }

    private Variable attention(Ops ops, Variable h, Batch batch, KeyValueStore store) {
        int hidden = heads * width;
        Variable projected = ops.linear(h, queryKeyValue, queryKeyValueBias); // [N, 3 * hidden]
        Ops.KeyValues cache = ops.keyValues(store, batch.segments());
        cache.storeKeys(projected, hidden, width, width, 0);
        cache.storeValues(projected, 2 * hidden, width);
        Variable heard = cache.attention(projected.columns(0, hidden), heads, (float) (1 / Math.sqrt(width)));
        return ops.linear(heard, output, outputBias);
    }
}
