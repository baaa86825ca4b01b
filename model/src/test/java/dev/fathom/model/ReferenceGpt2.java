package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.sum;

import dev.fathom.model.config.Gpt2Config;
import java.util.Arrays;
import java.util.Map;

/** GPT-2 in scalar double arithmetic, after nanoGPT's {@code model.py} with the GELU of GPT-2's own {@code model.py}. */
final class ReferenceGpt2 implements ReferenceModel {
    private final Gpt2Config config;
    private final ReferenceParameters parameters;

    ReferenceGpt2(Gpt2Config config, Map<String, double[]> parameters) {
        this.config = config;
        this.parameters = new ReferenceParameters(parameters, ReferenceParameters.Operand.EXACT);
    }

    @Override
    public double[][] logProbs(int[] tokens) {
        int d = config.hiddenSize();
        int length = tokens.length;
        double[][] x = parameters.embed("transformer.wte.weight", tokens, d);
        double[][] places = parameters.rows("transformer.wpe.weight", 0, length, d);
        for (int t = 0; t < length; t++) {
            x[t] = sum(x[t], places[t]);
        }
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = "transformer.h." + i + ".";
            double[][] queries = new double[length][];
            double[][] keys = new double[length][];
            double[][] values = new double[length][];
            for (int t = 0; t < length; t++) {
                double[] projected = affine(layer + "attn.c_attn", norm(layer + "ln_1", x[t]));
                queries[t] = Arrays.copyOfRange(projected, 0, d);
                keys[t] = Arrays.copyOfRange(projected, d, 2 * d);
                values[t] = Arrays.copyOfRange(projected, 2 * d, 3 * d);
            }
            int heads = config.numAttentionHeads();
            double[][] heard = ReferenceGroupedAttention.attend(queries, keys, values, heads, heads);
            for (int t = 0; t < length; t++) {
                x[t] = sum(x[t], affine(layer + "attn.c_proj", heard[t]));
                double[] inner = affine(layer + "mlp.c_fc", norm(layer + "ln_2", x[t]));
                inner = Arrays.stream(inner).map(ReferenceGpt2::gelu).toArray();
                x[t] = sum(x[t], affine(layer + "mlp.c_proj", inner));
            }
        }
        double[][] normed =
                Arrays.stream(x).map(row -> norm("transformer.ln_f", row)).toArray(double[][]::new);
        return parameters.logProbs("transformer.wte.weight", normed);
    }

    private static double gelu(double x) {
        return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3))));
    }

    private double[] affine(String name, double[] x) {
        double[] y = parameters.linear(name + ".weight", x);
        return config.bias() ? sum(y, parameters.parameter(name + ".bias")) : y;
    }

    private double[] norm(String name, double[] x) {
        double mean = Arrays.stream(x).average().orElseThrow();
        double variance =
                Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
        double[] weight = parameters.parameter(name + ".weight");
        double[] y = new double[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = weight[i] * (x[i] - mean) / Math.sqrt(variance + config.layerNormEpsilon());
        }
        return config.bias() ? sum(y, parameters.parameter(name + ".bias")) : y;
    }
}
