package dev.fathom.plan.shape;

/** How a layer attends; sizes only. */
public sealed interface Attention {
    int heads();

    /** Width of one head's query and key. */
    int queryKeyWidth();

    /** Width of one head's value. */
    int valueWidth();

    /** Matrices a token is multiplied with, as a number of parameters. */
    long matrixParameters(long hidden);

    /** All parameters, biases and inner norms included. */
    long parameters(long hidden);

    /** Of {@link #matrixParameters}, those that turn what is cached into keys and values; 0 where keys and values are cached. */
    long expandingParameters();

    /** Values cached per token and layer. */
    int cachedValues();

    /** Parameters of those matrices that are applied again in the backward pass when selective recomputation drops their outputs. */
    long recomputedParameters();

    /** Values per token that go into linear layers. */
    long linearInputs(long hidden);

    /** Values per token that come out of them. */
    long linearOutputs(long hidden);

    /** Values per token that the backward pass needs, without the layer's input and the heads' output. */
    long savedValues();

    /**
     * Multi-head latent attention (DeepSeek-V2 section 2.1).
     *
     * @param queryRank width of the query latent; 0 for a direct projection
     */
    record Latent(int heads, int queryRank, int keyValueRank, int nope, int rope, int valueWidth) implements Attention {
        @Override
        public int queryKeyWidth() {
            return nope + rope;
        }

        @Override
        public long matrixParameters(long hidden) {
            long queries = (long) heads * queryKeyWidth();
            long query = queryRank == 0 ? hidden * queries : hidden * queryRank + queryRank * queries;
            return query + hidden * (keyValueRank + rope) + expandingParameters() + (long) heads * valueWidth * hidden;
        }

        @Override
        public long expandingParameters() {
            return (long) keyValueRank * heads * (nope + valueWidth);
        }

        @Override
        public long parameters(long hidden) {
            return matrixParameters(hidden) + queryRank + keyValueRank;
        }

        @Override
        public int cachedValues() {
            return keyValueRank + rope;
        }

        /** The up-projections (DeepSeek-V3 section 3.2.3). */
        @Override
        public long recomputedParameters() {
            return (long) queryRank * heads * queryKeyWidth() + (long) keyValueRank * heads * (nope + valueWidth);
        }

        @Override
        public long linearInputs(long hidden) {
            return hidden + queryRank + keyValueRank + (long) heads * valueWidth;
        }

        @Override
        public long linearOutputs(long hidden) {
            long queries = (long) heads * queryKeyWidth();
            return queryRank + queries + keyValueRank + rope + (long) heads * (nope + valueWidth) + hidden;
        }

        @Override
        public long savedValues() {
            return (queryRank == 0 ? (long) heads * queryKeyWidth() : queryRank) + keyValueRank + rope;
        }
    }

    /**
     * Multi-head, grouped-query or multi-query attention.
     *
     * @param queryKeyBias whether query, key and value have biases (Qwen2, GPT-2)
     * @param outputBias whether the output has one (GPT-2)
     */
    record Grouped(int heads, int keyValueHeads, int headWidth, boolean queryKeyBias, boolean outputBias)
            implements Attention {
        @Override
        public int queryKeyWidth() {
            return headWidth;
        }

        @Override
        public int valueWidth() {
            return headWidth;
        }

        @Override
        public long matrixParameters(long hidden) {
            return hidden * headWidth * (2L * heads + 2L * keyValueHeads);
        }

        @Override
        public long expandingParameters() {
            return 0;
        }

        @Override
        public long parameters(long hidden) {
            return matrixParameters(hidden)
                    + (queryKeyBias ? (long) headWidth * (heads + 2 * keyValueHeads) : 0)
                    + (outputBias ? hidden : 0);
        }

        @Override
        public int cachedValues() {
            return 2 * keyValueHeads * headWidth;
        }

        @Override
        public long recomputedParameters() {
            return 0;
        }

        @Override
        public long linearInputs(long hidden) {
            return hidden + (long) heads * headWidth;
        }

        @Override
        public long linearOutputs(long hidden) {
            return (long) headWidth * (heads + 2 * keyValueHeads) + hidden;
        }

        @Override
        public long savedValues() {
            return (long) headWidth * (heads + 2 * keyValueHeads);
        }
    }
}
