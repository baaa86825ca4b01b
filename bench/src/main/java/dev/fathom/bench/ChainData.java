package dev.fathom.bench;

import dev.fathom.engine.Philox;
import java.util.stream.IntStream;

/**
 * Sequences a model can learn a little of: {@code x[t+1] = (5 x[t] + 17 + r) mod vocabulary} with r uniform in 0..3, the first token at random.
 * The best possible loss is ln 4.
 */
final class ChainData {
    private static final int BATCHES = 8;

    private static final long SEED = 7;

    /** Philox stream of the tokens ("data"). */
    private static final int TOKENS = 0x64617461;

    private ChainData() {}

    /** The batches that a workload trains on in turn. */
    static int[][][] batches(Workload workload) {
        return IntStream.range(0, BATCHES)
                .mapToObj(number -> batch(workload, number))
                .toArray(int[][][]::new);
    }

    /** One batch, {@code [sequences][tokens + 2]}: a {@link TrainingLoop} predicts up to two tokens ahead. */
    static int[][] batch(Workload workload, int number) {
        int vocabulary = workload.model().vocabSize();
        int[][] all = new int[workload.sequences()][workload.length() + 2];
        for (int s = 0; s < all.length; s++) {
            int[] x = all[s];
            long place = (long) number * all.length + s;
            x[0] = (int) (Philox.uniform(SEED, TOKENS, place, 0) * vocabulary);
            for (int t = 1; t < x.length; t++) {
                int r = (int) (Philox.uniform(SEED, TOKENS, place, t) * 4);
                x[t] = (5 * x[t - 1] + 17 + r) % vocabulary;
            }
        }
        return all;
    }
}
