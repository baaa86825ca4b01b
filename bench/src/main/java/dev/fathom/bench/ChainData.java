package dev.fathom.bench;

import dev.fathom.engine.Philox;

/**
 * Sequences a model can learn a little of: {@code x[t+1] = (5 x[t] + 17 + r) mod vocabulary} with r uniform in 0..3, the first token at random.
 * The best possible loss is ln 4.
 */
final class ChainData {
    /** Batches that are trained on in turn. */
    static final int BATCHES = 8;

    private static final long SEED = 7;

    /** Philox stream of the tokens ("data"). */
    private static final int TOKENS = 0x64617461;

    private ChainData() {}

    /** One batch, {@code [sequences][tokens]}. */
    static int[][] batch(int batch, int vocabulary, int sequences, int tokens) {
        int[][] all = new int[sequences][tokens];
        for (int s = 0; s < sequences; s++) {
            int[] x = all[s];
            long place = (long) batch * sequences + s;
            x[0] = (int) (Philox.uniform(SEED, TOKENS, place, 0) * vocabulary);
            for (int t = 1; t < tokens; t++) {
                int r = (int) (Philox.uniform(SEED, TOKENS, place, t) * 4);
                x[t] = (5 * x[t - 1] + 17 + r) % vocabulary;
            }
        }
        return all;
    }
}
