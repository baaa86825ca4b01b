package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.dot;
import static dev.fathom.model.ReferenceParameters.softmax;

import java.util.Arrays;

/** Causal softmax attention over given queries, keys and values: what the dense oracles share. */
final class ReferenceGroupedAttention {
    private ReferenceGroupedAttention() {}

    /**
     * Query head h hears key and value head {@code h / (heads / groups)}.
     *
     * @param queries {@code [T][heads * width]}; keys and values are {@code [T][groups * width]}
     * @return {@code [T][heads * width]}
     */
    static double[][] attend(double[][] queries, double[][] keys, double[][] values, int heads, int groups) {
        int width = queries[0].length / heads;
        double[][] out = new double[queries.length][heads * width];
        for (int h = 0; h < heads; h++) {
            double[][] ownQueries = head(queries, h, width);
            double[][] heardKeys = head(keys, h / (heads / groups), width);
            double[][] heardValues = head(values, h / (heads / groups), width);
            for (int t = 0; t < queries.length; t++) {
                double[] scores = new double[t + 1];
                for (int j = 0; j <= t; j++) {
                    scores[j] = dot(ownQueries[t], heardKeys[j]) / Math.sqrt(width);
                }
                double[] heard = ReferenceParameters.weightedSum(softmax(scores), heardValues);
                System.arraycopy(heard, 0, out[t], h * width, width);
            }
        }
        return out;
    }

    private static double[][] head(double[][] rows, int head, int width) {
        return Arrays.stream(rows)
                .map(row -> Arrays.copyOfRange(row, head * width, (head + 1) * width))
                .toArray(double[][]::new);
    }
}
