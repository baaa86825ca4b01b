package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/**
 * The fused operations of a transformer, forward and backward side by side. Tensors are F32 unless said otherwise; a result that only matrix
 * products read may be BF16, too (the y of a norm, the out of an activation, the gradient of its argument, the rows of experts, and gradients of
 * theirs). {@code N} is the number of token rows of the packed batch, {@code d} a width. Arguments named {@code d…} are gradients; backward methods
 * <em>add</em> to the gradients they produce, except that one followed by {@code accumulate} is written whole where that is false, and that attention writes.
 *
 * <p><b>Batch invariance.</b> What a forward method writes for a row depends on that row (and, in attention, on the sequence up
 * to it) alone, to the bit: not on the batch, the row's place, chunking or threads. Reductions over a row of width d add element
 * {@code i} to lane {@code i mod 16} in order, then the sixteen lanes pairwise (8+8, 4+4, 2+2, 1+1); attention walks the keys in order
 * from position 0. Gradients of weights reduce over the rows of blocks of fixed size in order, then over the blocks in
 * order, so that they do not depend on threads either. No method allocates.
 */
public interface Kernels {
    /** Short name for the kernels line, such as {@code "vector 512-bit"}. */
    String name();

    // ---- embedding

    /** {@code out[n] = table[ids[n]]}; ids I32 {@code [N]}, table {@code [vocabulary, d]}. */
    void embedding(Tensor table, Tensor ids, Tensor out);

    /** {@code dTable[ids[n]] += dOut[n]}, rows in order. */
    void embeddingBackward(Tensor dOut, Tensor ids, Tensor dTable);

    // ---- elementwise

    /** {@code out = a + b}; any of them may be the same tensor. */
    void add(Tensor a, Tensor b, Tensor out);

    /** {@code y += factor * x}. */
    void addScaled(Tensor x, float factor, Tensor y);

    /** {@code out[n] = factors[n] * x[n]} for every row; factors {@code [N]}, x and out F32 or BF16, maybe the same tensor. */
    void scaleRows(Tensor x, Tensor factors, Tensor out);

    /** {@code y[n] += bias} for every row; bias {@code [d]}. */
    void addBias(Tensor y, Tensor bias);

    /** {@code dBias += Σ_n dy[n]}, rows in order. */
    void addBiasBackward(Tensor dy, Tensor dBias);

    // ---- RMSNorm (arXiv 1910.07467): y = w * x / sqrt(mean(x²) + eps)

    /**
     * @param residual if present, {@code sum = x + residual} is formed first, written, and normed instead of x
     * @param sum where to write {@code x + residual}; present exactly if residual is
     * @param inverseRms {@code [N]}, kept for the backward pass
     */
    void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms);

    /** {@code x} is the normed input (the sum, where there was a residual). dWeight {@code [d]}. */
    void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor dx, boolean accumulate, Tensor dWeight);

    /**
     * RMSNorm of each head by itself, all with the same weight: {@code y[n,h] = w * x[n,h] / sqrt(mean(x[n,h]²) + eps)}.
     *
     * @param x {@code [N, heads * headDim]}
     * @param weight {@code [headDim]}
     * @param inverseRms {@code [N, heads]}, kept for the backward pass
     */
    void rmsNormHeads(Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms);

    /** Backward of {@link #rmsNormHeads}. dWeight {@code [headDim]}: over rows in order, and over the heads of a row in order. */
    void rmsNormHeadsBackward(
            Tensor dy, Tensor x, int heads, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight);

    // ---- LayerNorm (arXiv 1607.06450): y = w * (x - mean(x)) / sqrt(var(x) + eps) + b

    /**
     * The variance is the mean squared deviation, taken in a second pass over the row.
     *
     * @param residual if present, {@code sum = x + residual} is formed first, written, and normed instead of x
     * @param bias {@code [d]}, or null for none
     * @param sum where to write {@code x + residual}; present exactly if residual is
     * @param mean {@code [N]}, kept for the backward pass
     * @param inverseDeviation {@code [N]}, {@code 1 / sqrt(var + eps)}, kept for the backward pass
     */
    void layerNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            @Nullable Tensor bias,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor mean,
            Tensor inverseDeviation);

    /** {@code x} is the normed input (the sum, where there was a residual). dWeight and dBias {@code [d]}; dBias null for none. */
    void layerNormBackward(
            Tensor dy,
            Tensor x,
            Tensor weight,
            Tensor mean,
            Tensor inverseDeviation,
            Tensor dx,
            Tensor dWeight,
            @Nullable Tensor dBias);

    // ---- RoPE, interleaved pairs (x0,x1),(x2,x3)… or halves

    /**
     * Rotates {@code 2 * table.cos().columns()} elements of each head in place: those from {@code head * headDim + offset} on, by the
     * angle of the row's position.
     *
     * @param x {@code [N, heads * headDim]}
     * @param positions I32 {@code [N]}
     * @param inverse rotate back: the backward pass, applied to the gradient
     */
    void rope(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse);

    /** {@link #rope} on pairs of halves: element i of the rotated part and element {@code i + table.cos().columns()}. */
    void ropeHalves(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse);

    // ---- attention over packed sequences

    /** The type of the {@link KeyValueStore} that {@link #attention} walks. Gradients of keys and values are F32. */
    DType keyValueType();

    /** The type that {@link #attention} walks as well, for keys and values that are used once and not kept. */
    default DType temporaryKeyValueType() {
        return keyValueType();
    }

    /**
     * Copies part of each head's key into the store: for row n of segment s at position p and head h, key dimensions
     * {@code dim .. dim + width} become {@code source[n, offset + h * headStride ..]}. {@code headStride} 0 shares one vector among the heads.
     */
    void storeKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store);

    /** Backward of {@link #storeKeys}: writes the store's key gradients to their columns of dSource; their sum over the heads in order where they share. */
    void storeKeysBackward(
            KeyValueStore dStore, int dim, Segments segments, Tensor dSource, int offset, int headStride, int width);

    /** Copies each head's value, {@code source[n, offset + h * headStride .. + valueDim]}, into the store. */
    void storeValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store);

    /** Backward of {@link #storeValues}: writes the store's value gradients to their columns of dSource. */
    void storeValuesBackward(KeyValueStore dStore, Segments segments, Tensor dSource, int offset, int headStride);

    /**
     * Causal softmax attention: {@code out[n,h] = Σ_j softmax_j(scale q[n,h]·k[j,h']) v[j,h']} over positions j up to the row's own,
     * {@code h' = h / (heads / store.heads())}.
     *
     * @param q {@code [N, heads * keyDim]}
     * @param out {@code [N, heads * valueDim]}
     * @param logSumExp {@code [N, heads]}, log of the softmax denominator including the maximum, kept for the backward pass
     */
    void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp);

    /**
     * All segments start at position 0. Writes dq whole, and dStore (same layout and segments as store) at the positions of the segments; the unused ones of their
     * last tiles it writes or leaves as they are.
     */
    void attentionBackward(
            Tensor dOut,
            Tensor q,
            Tensor out,
            Tensor logSumExp,
            int heads,
            float scale,
            Segments segments,
            KeyValueStore store,
            Tensor dq,
            KeyValueStore dStore);

    // ---- SwiGLU (arXiv 2002.05202): out = silu(gate) * up

    /** gateUp {@code [N, 2f]}: the gate's columns, then the up projection's. out {@code [N, f]}. */
    void swiGlu(Tensor gateUp, Tensor out);

    /** Backward of {@link #swiGlu}; overwrites dGateUp. */
    void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp);

    // ---- GELU (arXiv 1606.08415), tanh approximation: gelu(u) = u/2 (1 + tanh(√(2/π) (u + 0.044715 u³)))

    /** {@code out = gelu(x + bias)}; bias {@code [d]}, or null for none. */
    void gelu(Tensor x, @Nullable Tensor bias, Tensor out);

    /** Adds to dx the gradient with respect to x; that of the bias is its {@link #addBiasBackward}. */
    void geluBackward(Tensor dOut, Tensor x, @Nullable Tensor bias, Tensor dx);

    // ---- routing and experts

    /**
     * Scores are {@code sigmoid(logits)} or their softmax; experts are chosen by score + bias (groups as {@link Routing.Scoring} says, the rest at minus
     * infinity; ties go to the lower index); gates are the unbiased scores, normalised and scaled as {@link Routing} says.
     *
     * @param logits {@code [N, experts]}
     * @param bias {@code [experts]}, used for the choice only
     * @param scores out {@code [N, experts]}
     * @param chosen out I32 {@code [N, topK]}, best first
     * @param gates out {@code [N, topK]}
     */
    void route(Tensor logits, Tensor bias, Routing routing, Tensor scores, Tensor chosen, Tensor gates);

    /** Adds to dLogits: through the gates of the chosen experts, and dScores (may be null) directly. */
    void routeBackward(
            Tensor dGates,
            @Nullable Tensor dScores,
            Tensor scores,
            Tensor chosen,
            Tensor gates,
            Routing routing,
            Tensor dLogits);

    /**
     * Sequence-wise balance loss (V3 equations 17-20) {@code alpha Σ_i f_i P_i}, averaged over the sequences with weights rows/N,
     * so that it is a mean over tokens like the main loss. Writes its gradient with respect to the scores.
     *
     * @param dScores out {@code [N, experts]}
     * @return the loss (summed in double)
     */
    double balanceLoss(Tensor scores, Tensor chosen, Routing routing, Segments segments, float alpha, Tensor dScores);

    /**
     * Sorts (token, rank) pairs by expert, stable in token order.
     *
     * @param chosen I32 {@code [N, topK]}
     * @param rowOf out I32 {@code [N, topK]}: the row of the sorted order that holds this pair
     * @param tokenOf out I32 {@code [N * topK]}: the token of each sorted row
     * @return the rows of each expert
     */
    RowGroups sortByExpert(Tensor chosen, int experts, Tensor rowOf, Tensor tokenOf);

    /** {@code out[i] = x[tokenOf[i]]}, of one type. */
    void gather(Tensor x, Tensor tokenOf, Tensor out);

    /** Backward of {@link #gather}: {@code dx[t] = Σ_rank dOut[rowOf[t, rank]]}, in rank order, or {@code +=}. */
    void gatherBackward(Tensor dOut, Tensor rowOf, Tensor dx, boolean accumulate);

    /** {@code y[t] = shared[t] + Σ_rank gates[t, rank] * expertOut[rowOf[t, rank]]}, in rank order; shared may be null. */
    void combine(@Nullable Tensor shared, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor y);

    /** {@code dExpertOut = gates * dy}; adds {@code dy · expertOut} to dGates. (dShared is dy itself.) */
    void combineBackward(Tensor dy, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor dExpertOut, Tensor dGates);

    // ---- token log-probabilities, the one place where logits become probabilities

    /**
     * {@code logProb[n] = logits[n, target[n]] / T - logSumExp_n(logits / T)} and the entropy of the row in nats.
     *
     * <p>The gradient comes along, up to a factor of the row, while the exponentials are at hand: {@code dLogProb[n] / dLogits[n] = slopeScale[n] *
     * slope[n]} with {@code slope = exp(z) - Z onehot(target)} and {@code slopeScale = -1 / (T Z)}, where {@code z = (logits - max) / T} and
     * {@code Z = Σ exp(z)}.
     *
     * @param logits {@code [N, vocabulary]}; overwritten if slopes are asked for
     * @param targets I32 {@code [N]}; a negative target gives 0 and a slopeScale of 0
     * @param inverseTemperature 1 / T
     * @param logProbs out {@code [N]}
     * @param entropy out {@code [N]} or null
     * @param slopes out {@code [N, vocabulary]}, F32 (the logits themselves, if wanted) or BF16, or null
     * @param slopeScales out {@code [N]}; present exactly if slopes are
     */
    void logProbs(
            Tensor logits,
            Tensor targets,
            float inverseTemperature,
            Tensor logProbs,
            @Nullable Tensor entropy,
            @Nullable Tensor slopes,
            @Nullable Tensor slopeScales);

    /**
     * Samples {@code softmax(logits / T)} by inverting the cumulative distribution at {@code uniforms[n]}, in index order; T = 0 takes the
     * largest logit (lowest index on ties). The log-probability is that of {@link #logProbs} at the same T, to the bit (at T = 0: of T = 1).
     *
     * @param temperatures {@code [N]}
     * @param uniforms {@code [N]} in [0, 1)
     * @param tokens out I32 {@code [N]}
     * @param logProbs out {@code [N]}
     */
    void sample(Tensor logits, Tensor temperatures, Tensor uniforms, Tensor tokens, Tensor logProbs);

    // ---- optimizer, one pass over flat buffers

    /** Sum of squares of a dense tensor in double: blocks of 4096 in order, lanes inside a block; the same for any thread count. */
    double sumOfSquares(Tensor x);

    /**
     * AdamW (arXiv 1711.05101) on dense tensors of equal size: gradient times gradScale, moments, bias correction for {@code step} (from 1),
     * decoupled decay {@code p -= lr * decay * p}.
     */
    void adamW(
            Tensor parameters,
            Tensor gradients,
            Tensor firstMoments,
            Tensor secondMoments,
            float learningRate,
            float beta1,
            float beta2,
            float eps,
            float decay,
            float gradScale,
            long step);
}
