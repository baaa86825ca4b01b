package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434 section 2.1; DeepSeek-V3, arXiv 2412.19437 section 2.1.1).
 *
 * <pre>
 * c_q          = RMSNorm(W_DQ h)                 only with q_lora_rank; otherwise q comes from h directly
 * [q_C ; q_R]  = W_UQ c_q                        per head: nope | rope;  q_R rotated
 * [c ; k_R]    = W_DKV h                         one matrix; k_R rotated, one for all heads, not normed
 * [k_C ; v]    = W_UKV RMSNorm(c)                per head: nope | value
 * o_i          = Σ_j softmax_j((q_C·k_C,j + q_R·k_R,j) · scale) v_j
 * u            = W_O [o_1 ; … ; o_H]
 * </pre>
 *
 * Where the model is trained, keys and values are kept expanded, in training and in generation alike: then both walk the same numbers in the same
 * order. Of a released model only {@code [RMSNorm(c) ; k_R]} is kept: see {@link LatentMemory}.
 */
final class MultiHeadLatentAttention implements Attention {
    private final DeepseekConfig config;
    private final RopeTable ropeTable;
    private final float eps;
    private final @Nullable Weight queryDown;
    private final @Nullable Parameter queryNorm;
    private final Weight queryUp;
    private final Weight keyValueDown;
    private final Parameter keyValueNorm;
    private final Memory memory;
    private final Weight output;

    MultiHeadLatentAttention(DeepseekConfig config, RopeTable ropeTable, Weights weights, String prefix) {
        this.config = config;
        this.ropeTable = ropeTable;
        this.eps = (float) config.rmsNormEpsilon();
        boolean compressed = config.queryLoraRank() != null;
        queryDown = compressed ? weights.matrix(prefix + "q_a_proj.weight") : null;
        queryNorm = compressed ? weights.vector(prefix + "q_a_layernorm.weight") : null;
        queryUp = weights.matrix(prefix + (compressed ? "q_b_proj.weight" : "q_proj.weight"));
        keyValueDown = weights.matrix(prefix + "kv_a_proj_with_mqa.weight");
        keyValueNorm = weights.vector(prefix + "kv_a_layernorm.weight");
        LatentProjection latents = weights.latentProjection(config, prefix);
        memory = latents == null
                ? new ExpandedMemory(config, weights.matrix(prefix + "kv_b_proj.weight"))
                : new LatentMemory(config, latents);
        output = weights.matrix(prefix + "o_proj.weight");
    }

    /** What is kept of a position, and how queries meet it. */
    sealed interface Memory permits ExpandedMemory, LatentMemory {
        /** Heads and widths of what is kept. */
        LanguageModel.KeyValueShape shape();

        /**
         * Keeps these rows and lets their queries hear all rows up to their own.
         *
         * @param queries {@code [N, heads * (nope + rope)]}, rotated
         * @param latents {@code [N, latent]}, normed
         * @param ropeKeys {@code [N, rope]}, rotated
         * @return {@code [N, heads * value]}
         */
        Variable attend(
                Ops ops, Variable queries, Variable latents, Variable ropeKeys, Batch batch, KeyValueStore store);
    }

    /** Keys and values of every head. */
    record ExpandedMemory(DeepseekConfig config, Weight keyValueUp) implements Memory {
        @Override
        public LanguageModel.KeyValueShape shape() {
            return new LanguageModel.KeyValueShape(
                    config.numAttentionHeads(), config.queryKeyHeadDim(), config.valueHeadDim());
        }

        @Override
        public Variable attend(
                Ops ops, Variable queries, Variable latents, Variable ropeKeys, Batch batch, KeyValueStore store) {
            Ops.KeyValues cache = ops.keyValues(store, batch.segments());
            store(ops, cache, latents, ropeKeys);
            return cache.attention(queries, config.numAttentionHeads(), (float) config.attentionScale());
        }

        /** Expands latents into keys and values. */
        void store(Ops ops, Ops.KeyValues cache, Variable latents, Variable ropeKeys) {
            int nope = config.nopeHeadDim();
            int value = config.valueHeadDim();
            Variable keyValue = ops.linear(latents, keyValueUp); // [N, heads * (nope + value)]
            cache.storeKeys(keyValue, 0, nope + value, nope, 0);
            cache.storeKeys(ropeKeys, 0, 0, config.ropeHeadDim(), nope); // head stride 0: shared by all heads
            cache.storeValues(keyValue, nope, nope + value);
            ops.forget(keyValue); // what is stored is all that attention reads
        }
    }

    @Override
    public LanguageModel.KeyValueShape keyValueShape() {
        return memory.shape();
    }

    @Override
    public Variable forward(Ops ops, Variable h, Batch batch, KeyValueStore store) {
        int heads = config.numAttentionHeads();
        int nope = config.nopeHeadDim();
        int rope = config.ropeHeadDim();
        int latent = config.keyValueLoraRank();

        Variable queries = ops.linear(queryInput(ops, h), queryUp); // [N, heads * (nope + rope)]
        ops.rope(queries, heads, nope + rope, nope, batch.positions(), ropeTable);

        Variable compressed = ops.linear(h, keyValueDown); // [N, latent + rope]
        Variable ropeKeys = compressed.columns(latent, latent + rope);
        ops.rope(ropeKeys, 1, rope, 0, batch.positions(), ropeTable);
        Variable latents = ops.rmsNorm(compressed.columns(0, latent), keyValueNorm, eps);
        return ops.linear(memory.attend(ops, queries, latents, ropeKeys, batch, store), output);
    }

    private Variable queryInput(Ops ops, Variable h) {
        if (queryDown == null || queryNorm == null) {
            return h;
        }
        return ops.rmsNorm(ops.linear(h, queryDown), queryNorm, eps);
    }
}
