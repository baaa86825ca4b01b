package dev.fathom.plan.shape;

import org.jspecify.annotations.Nullable;

/**
 * The sizes of a decoder-only transformer that decide what it costs.
 *
 * @param name what to call it
 * @param vocabulary rows of the embedding table
 * @param hidden width of the hidden state
 * @param layers decoder layers, without multi-token prediction
 * @param denseLayers the first layers, whose feed-forward part has no experts; all of them in a dense model
 * @param inner inner width of a dense feed-forward part
 * @param gated whether a feed-forward part has three matrices (SwiGLU) or two
 * @param attention the attention of every layer
 * @param experts the experts of the layers after {@code denseLayers}; null in a dense model
 * @param predictionModules multi-token-prediction modules, each with one layer (with experts, if there are any)
 * @param tied whether the head is the embedding table
 * @param positions rows of a learned position table; 0 for rotary positions
 * @param biases whether linear layers and norms have biases (GPT-2)
 */
public record ModelShape(
        String name,
        int vocabulary,
        int hidden,
        int layers,
        int denseLayers,
        int inner,
        boolean gated,
        Attention attention,
        @Nullable Experts experts,
        int predictionModules,
        boolean tied,
        int positions,
        boolean biases) {

    /** The same under the name by which the user knows it. */
    public ModelShape named(String other) {
        return new ModelShape(
                other,
                vocabulary,
                hidden,
                layers,
                denseLayers,
                inner,
                gated,
                attention,
                experts,
                predictionModules,
                tied,
                positions,
                biases);
    }

    /** Layers with experts, without those of multi-token prediction. */
    public int mixtureLayers() {
        return layers - denseLayers;
    }

    /** Parameters of one expert. */
    public long expertParameters() {
        return experts == null ? 0 : (gated ? 3L : 2L) * hidden * experts.inner();
    }

    /** One table: the embedding, or the head. */
    public long tableParameters() {
        return (long) vocabulary * hidden;
    }

    /** Matrices a token meets in every layer of a kind, without routed experts. */
    public long commonMatrices(boolean mixture) {
        long attentionPart = attention.matrixParameters(hidden);
        Experts set = experts;
        if (mixture && set != null) {
            return attentionPart + set.shared() * expertParameters() + (long) hidden * set.routed();
        }
        return attentionPart + (gated ? 3L : 2L) * hidden * inner;
    }

    /** Matrices of the routed experts one token meets in a layer. */
    public long routedMatrices(boolean mixture) {
        return mixture && experts != null ? experts.perToken() * expertParameters() : 0;
    }

    /** Values per token that go into the linear layers of a layer, those of its experts included. */
    public long linearInputs(boolean mixture) {
        return attention.linearInputs(hidden) + parts(mixture) * hidden + innerValues(mixture);
    }

    /** Values per token that come out of them. */
    public long linearOutputs(boolean mixture) {
        return attention.linearOutputs(hidden) + parts(mixture) * hidden + (gated ? 2 : 1) * innerValues(mixture);
    }

    /** Feed-forward parts that a token passes: one, or each of its experts and all shared ones as one. */
    private long parts(boolean mixture) {
        return mixture && experts != null ? experts.perToken() + Math.min(1, experts.shared()) : 1;
    }

    private long innerValues(boolean mixture) {
        return mixture && experts != null ? (long) (experts.perToken() + experts.shared()) * experts.inner() : inner;
    }

    /** All parameters of a layer without its routed experts. */
    public long commonParameters(boolean mixture) {
        long norms = (biases ? 4L : 2L) * hidden;
        long innerBias = attention.parameters(hidden) - attention.matrixParameters(hidden);
        long feedForwardBias = biases ? (long) inner + hidden : 0;
        long routingBias = mixture && experts != null && experts.bias() ? experts.routed() : 0;
        return commonMatrices(mixture) + innerBias + norms + feedForwardBias + routingBias;
    }

    /** Parameters of the routed experts of one layer. */
    public long routedParameters(boolean mixture) {
        return mixture && experts != null ? experts.routed() * expertParameters() : 0;
    }

    /** All parameters of a layer. */
    public long layerParameters(boolean mixture) {
        return commonParameters(mixture) + routedParameters(mixture);
    }

    /** All parameters without multi-token prediction, 671,026,419,200 for DeepSeek-V3. */
    public long parameters() {
        return (tied ? 1 : 2) * tableParameters()
                + (long) positions * hidden
                + denseLayers * layerParameters(false)
                + mixtureLayers() * layerParameters(true)
                + (biases ? 2L : 1L) * hidden;
    }

    /** Parameters of the multi-token-prediction modules without the shared tables, 11,610,068,224 for DeepSeek-V3. */
    public long predictionParameters() {
        return predictionModules * predictionModuleParameters();
    }

    /** One module: a layer, the projection of state and embedding (2d x d), three norms. */
    public long predictionModuleParameters() {
        return layerParameters(experts != null) + projectionParameters() + 3L * hidden;
    }

    /** The projection of a multi-token-prediction module. */
    public long projectionParameters() {
        return 2L * hidden * hidden;
    }

    /** Parameters a token is multiplied with: neither unchosen experts nor the input table, 36.63 billion for DeepSeek-V3. */
    public long activeParameters() {
        long idle = experts == null
                ? 0
                : mixtureLayers() * (long) (experts.routed() - experts.perToken()) * expertParameters();
        return parameters() - idle - (tied ? 0 : tableParameters()) - (long) positions * hidden;
    }

    /** Keys and values (or latents) cached per token over all layers. */
    public long keyValueBytesPerToken(int bytesPerValue) {
        return (long) attention.cachedValues() * layers * bytesPerValue;
    }

    /**
     * Attention of one token in one layer's forward pass, in FLOPs: scores and weighted values.
     *
     * @param length of the sequence
     * @param causal whether keys behind the token are left out, on average half of them
     */
    public double attentionFlops(double length, boolean causal) {
        double full = 2.0 * length * attention.heads() * (attention.queryKeyWidth() + attention.valueWidth());
        return causal ? full / 2 : full;
    }

    /**
     * Training FLOPs per token, forward and backward, without recomputation and multi-token prediction: six per active parameter
     * and three times the attention (DeepSeek ISCA'25 paper, Table 2: 250 GFLOP for V3, causal).
     */
    public double trainingFlops(double length, boolean causal) {
        return 6.0 * activeParameters() + 3.0 * layers * attentionFlops(length, causal);
    }
}
