package dev.fathom.model;

import java.util.Arrays;
import java.util.Map;

/** The parameters of a checkpoint by their names, and what oracles do with them and with rows: the equations, in scalar double. */
final class ReferenceParameters {
    /** What a row becomes before a matrix multiplies it: nothing else, unless a test wants to know what rounding rows does. */
    interface Operand {
        Operand EXACT = (matrix, row) -> row;

        /** @param matrix name of the matrix that will multiply the row */
        double[] of(String matrix, double[] row);
    }

    private final Map<String, double[]> parameters;
    private final Operand operand;

    /** @param parameters every tensor of the checkpoint under its name, row-major */
    ReferenceParameters(Map<String, double[]> parameters, Operand operand) {
        this.parameters = parameters;
        this.operand = operand;
    }

    double[] parameter(String name) {
        double[] values = parameters.get(name);
        if (values == null) {
            throw new IllegalArgumentException("the oracle needs a parameter called " + name);
        }
        return values;
    }

    /** Rows {@code from} (inclusive) to {@code to} (exclusive) of a matrix {@code [rows, width]}. */
    double[][] rows(String name, int from, int to, int width) {
        double[] matrix = parameter(name);
        double[][] rows = new double[to - from][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(matrix, (from + i) * width, (from + i + 1) * width);
        }
        return rows;
    }

    /** The rows of a table {@code [V, width]} that the tokens name. */
    double[][] embed(String table, int[] tokens, int width) {
        return Arrays.stream(tokens)
                .mapToObj(token -> rows(table, token, token + 1, width)[0])
                .toArray(double[][]::new);
    }

    double[] operand(String matrix, double[] row) {
        return operand.of(matrix, row);
    }

    /** {@code W x} for W {@code [outputs, inputs]}. */
    double[] linear(String name, double[] row) {
        double[] matrix = parameter(name);
        double[] x = operand(name, row);
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

    /** {@code w * x / sqrt(mean(x²) + eps)}. */
    double[] rmsNorm(String name, double[] x, double epsilon) {
        double[] weight = parameter(name);
        if (weight.length != x.length) {
            throw new IllegalArgumentException(name + " of " + weight.length + " elements for a row of " + x.length);
        }
        double root = Math.sqrt(dot(x, x) / x.length + epsilon);
        double[] y = new double[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = weight[i] * x[i] / root;
        }
        return y;
    }

    /** {@code W_down( silu(W_gate x) * (W_up x) )}. */
    double[] swiGlu(String prefix, double[] x) {
        double[] gate = linear(prefix + "gate_proj.weight", x);
        double[] up = linear(prefix + "up_proj.weight", x);
        double[] inner = new double[gate.length];
        for (int i = 0; i < inner.length; i++) {
            inner[i] = gate[i] * sigmoid(gate[i]) * up[i];
        }
        return linear(prefix + "down_proj.weight", inner);
    }

    /** Log-probabilities of every token of the vocabulary after each of these states, which are normed. */
    double[][] logProbs(String head, double[][] normed) {
        return Arrays.stream(normed).map(row -> logSoftmax(linear(head, row))).toArray(double[][]::new);
    }

    // ---- rows

    static double[] logSoftmax(double[] logits) {
        double max = Arrays.stream(logits).max().orElseThrow();
        double logSum = Math.log(
                Arrays.stream(logits).map(logit -> Math.exp(logit - max)).sum());
        return Arrays.stream(logits).map(logit -> logit - max - logSum).toArray();
    }

    static double[] softmax(double[] logits) {
        return Arrays.stream(logSoftmax(logits)).map(Math::exp).toArray();
    }

    static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    static double[] sum(double[] a, double[] b) {
        double[] sum = new double[a.length];
        for (int i = 0; i < sum.length; i++) {
            sum[i] = a[i] + b[i];
        }
        return sum;
    }

    /** {@code Σ weights[j] rows[j]}: of the first rows, one for each weight. */
    static double[] weightedSum(double[] weights, double[][] rows) {
        double[] sum = new double[rows[0].length];
        for (int j = 0; j < weights.length; j++) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += weights[j] * rows[j][i];
            }
        }
        return sum;
    }
}
