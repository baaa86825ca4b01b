package dev.fathom.model;

import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What the oracles of dense transformers share: arithmetic in scalar double over parameters by their released names, attention over
 * given queries, keys and values, and the loss. Nothing of it is shared with the models under test.
 */
abstract sealed class ReferenceDense permits ReferenceLlama, ReferenceGpt2 {
    /** What a row becomes before a matrix multiplies it: nothing else, unless a test wants to know what rounding rows does. */
    interface Operand {
        Operand EXACT = (matrix, row) -> row;

        double[] of(String matrix, double[] row);
    }

    private final Map<String, double[]> parameters;
    private final Operand operand;

    /** @param parameters every tensor of the checkpoint under its name, row-major */
    ReferenceDense(Map<String, double[]> parameters, Operand operand) {
        this.parameters = parameters;
        this.operand = operand;
    }

    /** Residual stream after the last layer, {@code [T][d]}. */
    abstract double[][] hidden(int[] tokens);

    /** What the head reads. */
    abstract double[] finalNorm(double[] x);

    abstract String headName();

    /** Log-probabilities of every token of the vocabulary after each of these. */
    final double[][] logProbs(int[] tokens) {
        double[][] hidden = hidden(tokens);
        double[][] logProbs = new double[tokens.length][];
        for (int t = 0; t < tokens.length; t++) {
            double[] logits = linear(headName(), finalNorm(hidden[t]));
            double max = Arrays.stream(logits).max().orElseThrow();
            double sum =
                    Arrays.stream(logits).map(logit -> Math.exp(logit - max)).sum();
            logProbs[t] = Arrays.stream(logits)
                    .map(logit -> logit - max - Math.log(sum))
                    .toArray();
        }
        return logProbs;
    }

    /** Mean cross-entropy of every token but a sequence's first. */
    final double loss(List<int[]> sequences) {
        double loss = 0;
        int targets = 0;
        for (int[] tokens : sequences) {
            double[][] logProbs = logProbs(Arrays.copyOf(tokens, tokens.length - 1));
            for (int t = 0; t + 1 < tokens.length; t++) {
                loss -= logProbs[t][tokens[t + 1]];
                targets++;
            }
        }
        return loss / targets;
    }

    /** Causal softmax attention; query head h hears key/value head {@code h / (heads / groups)}. */
    static double[][] attend(double[][] queries, double[][] keys, double[][] values, int heads, int groups) {
        int width = queries[0].length / heads;
        double[][] out = new double[queries.length][heads * width];
        for (int t = 0; t < queries.length; t++) {
            for (int h = 0; h < heads; h++) {
                int group = h / (heads / groups);
                double[] weights = new double[t + 1];
                double total = 0;
                for (int j = 0; j <= t; j++) {
                    double score = 0;
                    for (int i = 0; i < width; i++) {
                        score += queries[t][h * width + i] * keys[j][group * width + i];
                    }
                    weights[j] = Math.exp(score / Math.sqrt(width));
                    total += weights[j];
                }
                for (int j = 0; j <= t; j++) {
                    for (int i = 0; i < width; i++) {
                        out[t][h * width + i] += weights[j] / total * values[j][group * width + i];
                    }
                }
            }
        }
        return out;
    }

    final double[] parameter(String name) {
        double[] values = parameters.get(name);
        if (values == null) {
            throw new IllegalArgumentException("the oracle needs a parameter called " + name);
        }
        return values;
    }

    /** Row of a table. */
    final double[] row(String name, int index, int width) {
        return Arrays.copyOfRange(parameter(name), index * width, (index + 1) * width);
    }

    /** {@code W x} for W {@code [outputs, inputs]}. */
    final double[] linear(String name, double[] row) {
        double[] matrix = parameter(name);
        double[] x = operand.of(name, row);
        if (matrix.length % x.length != 0) {
            throw new IllegalArgumentException(name + " of " + matrix.length + " elements times " + x.length);
        }
        double[] y = new double[matrix.length / x.length];
        for (int o = 0; o < y.length; o++) {
            for (int i = 0; i < x.length; i++) {
                y[o] += matrix[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    static double[] sum(double[] a, double[] b) {
        double[] sum = new double[a.length];
        for (int i = 0; i < sum.length; i++) {
            sum[i] = a[i] + b[i];
        }
        return sum;
    }
}
