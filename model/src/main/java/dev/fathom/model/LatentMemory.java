package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Variable;
import dev.fathom.model.config.DeepseekConfig;
import java.util.Arrays;

/**
 * Multi-head latent attention over a cache of latents, {@code latent + rope} numbers for a position instead of
 * {@code heads * (nope + rope + value)} (DeepSeek-V2, arXiv 2405.04434 section 2.1.3; both forms as in DeepSeek-V3's released code).
 *
 * <p>Rows of prompts are many and share what is before them: keys and values of all positions so far are computed from the latents, as in training.
 * Generated rows are few, and computing all keys again for each would cost more than all else: for them {@code W_UK} moves to the query and
 * {@code W_UV} behind the sum, and what is attended to are the latents themselves, by all heads:
 *
 * <pre>
 * q_i·k_i,j = (W_UK,iᵀ q_C,i)·c_j + q_R,i·k_R,j          Σ_j p_ij v_i,j = W_UV,i Σ_j p_ij c_j
 * </pre>
 *
 * The first {@value #EXPANDED_FROM} rows of a prompt hear so little that both forms cost nearly the same. They are absorbed, too: where activations are rounded to eight bits,
 * llama.cpp, which absorbs always, then rounds the same rows, and short prompts are answered with the same text.
 *
 * <p>Both forms read latents as they are kept, so what a row hears does not depend on how a prompt was cut into parts. Which form a row takes is said by
 * its position and {@link Batch#generated} and depends on nothing else in the batch.
 */
record LatentMemory(DeepseekConfig config, LatentProjection projection) implements MultiHeadLatentAttention.Memory {
    /** Rows of prompts from this position on hear keys and values that are computed from the latents. */
    static final int EXPANDED_FROM = 64;

    /** One head: {@code [latent ; rope]} as the key, the latent once more as the value. */
    static LanguageModel.KeyValueShape shape(DeepseekConfig config) {
        return new LanguageModel.KeyValueShape(
                1, config.keyValueLoraRank() + config.ropeHeadDim(), config.keyValueLoraRank());
    }

    @Override
    public LanguageModel.KeyValueShape shape() {
        return shape(config);
    }

    @Override
    public Variable attend(
            Ops ops, Variable queries, Variable latents, Variable ropeKeys, Batch batch, KeyValueStore store) {
        int latent = config.keyValueLoraRank();
        Segments segments = batch.segments();
        Ops.KeyValues cache = ops.keyValues(store, segments);
        cache.storeKeys(latents, 0, latent, latent, 0);
        cache.storeKeys(ropeKeys, 0, 0, config.ropeHeadDim(), latent);
        cache.storeValues(latents, 0, latent);
        Variable heard = ops.uninitialized(batch.rows(), (long) config.numAttentionHeads() * config.valueHeadDim());
        boolean[] absorbed = absorbedRows(batch);
        for (int from = 0; from < absorbed.length; ) {
            int to = from + 1;
            while (to < absorbed.length && absorbed[to] == absorbed[from]) {
                to++;
            }
            Segments part = segments.rows(from, to);
            if (absorbed[from]) {
                absorbed(ops, queries.rows(from, to), part, store, heard.rows(from, to));
            } else {
                expanded(ops, queries.rows(from, to), part, store, heard.rows(from, to));
            }
            from = to;
        }
        return heard;
    }

    private static boolean[] absorbedRows(Batch batch) {
        Segments segments = batch.segments();
        boolean[] absorbed = new boolean[batch.rows()];
        for (int s = 0; s < segments.count(); s++) {
            int row = segments.rowStart()[s];
            int rows = batch.generated()[s]
                    ? segments.rowCount()[s]
                    : Math.clamp(EXPANDED_FROM - segments.position()[s], 0, segments.rowCount()[s]);
            Arrays.fill(absorbed, row, row + rows, true);
        }
        return absorbed;
    }

    private void absorbed(Ops ops, Variable queries, Segments segments, KeyValueStore store, Variable heard) {
        int heads = config.numAttentionHeads();
        int latent = config.keyValueLoraRank();
        Variable absorbed = ops.uninitialized(queries.value().rows(), (long) heads * (latent + config.ropeHeadDim()));
        ops.linearPerHead(queries, heads, 0, projection.keyAbsorbed(), absorbed, 0);
        ops.copyPerHead(queries, heads, config.nopeHeadDim(), config.ropeHeadDim(), absorbed, latent);
        Variable sums = ops.keyValues(store, segments)
                .attention(absorbed, heads, (float) config.attentionScale()); // of latents
        ops.linearPerHead(sums, heads, 0, projection.valueUp(), heard, 0);
    }

    private void expanded(Ops ops, Variable queries, Segments segments, KeyValueStore store, Variable heard) {
        int latent = config.keyValueLoraRank();
        int[] lengths = new int[segments.count()];
        for (int s = 0; s < lengths.length; s++) {
            lengths[s] = segments.position()[s] + segments.rowCount()[s];
        }
        Segments whole = Segments.packed(lengths);
        var memory = new MultiHeadLatentAttention.ExpandedMemory(config, projection.keyValueUp());
        LanguageModel.KeyValueShape shape = memory.shape();
        KeyValueStore expanded = ops.temporaryKeyValues(whole, shape.heads(), shape.keyDim(), shape.valueDim());
        Variable kept = ops.keyValues(store, segments).readKeys(0); // [positions, latent + rope]
        memory.store(
                ops,
                ops.keyValues(expanded, whole),
                kept.columns(0, latent),
                kept.columns(latent, latent + config.ropeHeadDim()));
        Segments rows = new Segments(
                segments.count(), segments.rowStart(), segments.rowCount(), segments.position(), whole.slot());
        Variable result = ops.keyValues(expanded, rows)
                .attention(queries, config.numAttentionHeads(), (float) config.attentionScale());
        heard.value().copyFrom(result.value());
    }
}
