package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.LlamaConfig;
import org.jspecify.annotations.Nullable;

/**
 * Grouped-query attention (arXiv 2305.13245) as in Llama, Qwen2 and Qwen3.
 *
 * <pre>
 * [q ; k ; v] = W_QKV h (+ b)                    heads | key/value heads | key/value heads;  b in Qwen2
 * q, k        = RMSNorm(q), RMSNorm(k)           each head by itself;  in Qwen3
 * q, k rotated, in pairs of halves              or of neighbours, as the rows of W_QKV lie
 * o_i         = Σ_j softmax_j(q_i·k_g(i),j / sqrt(headDim)) v_g(i),j        g(i): the key/value head of query head i
 * u           = W_O [o_1 ; … ; o_H]
 * </pre>
 */
final class GroupedQueryAttention implements Attention {
    private final LlamaConfig config;
    private final RopeTable ropeTable;
    private final RotaryPairs pairs;
    private final Weight queryKeyValue;
    private final @Nullable Parameter bias;
    private final @Nullable Parameter queryNorm;
    private final @Nullable Parameter keyNorm;
    private final Weight output;

    GroupedQueryAttention(LlamaConfig config, RopeTable ropeTable, RotaryPairs pairs, Weights weights, String prefix) {
        this.pairs = pairs;
        this.config = config;
        this.ropeTable = ropeTable;
        boolean normed = config.architecture().hasQueryKeyNorm();
        queryKeyValue = weights.matrix(prefix + "qkv_proj.weight");
        bias = config.architecture().hasQueryKeyValueBias() ? weights.vector(prefix + "qkv_proj.bias") : null;
        queryNorm = normed ? weights.vector(prefix + "q_norm.weight") : null;
        keyNorm = normed ? weights.vector(prefix + "k_norm.weight") : null;
        output = weights.matrix(prefix + "o_proj.weight");
    }

    @Override
    public LanguageModel.KeyValueShape keyValueShape() {
        return new LanguageModel.KeyValueShape(config.numKeyValueHeads(), config.headDim(), config.headDim());
    }

    @Override
    public Variable forward(Ops ops, Variable h, Batch batch, KeyValueStore store) {
        int heads = config.numAttentionHeads();
        int groups = config.numKeyValueHeads();
        int width = config.headDim();
        int keyStart = heads * width;
        int valueStart = keyStart + groups * width;

        Variable projected = ops.linear(h, queryKeyValue, bias); // [N, (heads + 2 groups) * width]
        Variable queries = normed(ops, projected.columns(0, keyStart), heads, queryNorm);
        Variable keys = normed(ops, projected.columns(keyStart, valueStart), groups, keyNorm);
        pairs.rotate(ops, queries, heads, width, batch.positions(), ropeTable);
        pairs.rotate(ops, keys, groups, width, batch.positions(), ropeTable);

        Ops.KeyValues cache = ops.keyValues(store, batch.segments());
        cache.storeKeys(keys, 0, width, width, 0);
        cache.storeValues(projected, valueStart, width);
        return ops.linear(cache.attention(queries, heads, (float) config.attentionScale()), output);
    }

    private Variable normed(Ops ops, Variable x, int heads, @Nullable Parameter weight) {
        return weight == null ? x : ops.rmsNormHeads(x, heads, weight, (float) config.rmsNormEpsilon());
    }
}
