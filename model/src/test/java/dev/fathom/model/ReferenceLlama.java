package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.sum;

import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.YarnScaling;
import java.util.Arrays;
import java.util.Map;

/**
 * Llama, Qwen2 and Qwen3 in scalar double arithmetic, after transformers' {@code modeling_llama.py}, {@code modeling_qwen2.py} and
 * {@code modeling_qwen3.py}.
 */
final class ReferenceLlama implements ReferenceModel {
    private final LlamaConfig config;
    private final ReferenceParameters parameters;
    private final double[] frequencies;

    ReferenceLlama(LlamaConfig config, Map<String, double[]> parameters) {
        this(config, parameters, ReferenceParameters.Operand.EXACT);
    }

    ReferenceLlama(LlamaConfig config, Map<String, double[]> parameters, ReferenceParameters.Operand operand) {
        this.config = config;
        this.parameters = new ReferenceParameters(parameters, operand);
        this.frequencies = ReferenceRope.frequencies(config.headDim(), config.ropeTheta(), config.ropeScaling());
    }

    @Override
    public double[][] logProbs(int[] tokens) {
        double[][] x = parameters.embed("model.embed_tokens.weight", tokens, config.hiddenSize());
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = "model.layers." + i + ".";
            double[][] attended = attention(layer, x);
            for (int t = 0; t < x.length; t++) {
                double[] middle = sum(x[t], attended[t]);
                double[] h = norm(layer + "post_attention_layernorm.weight", middle);
                x[t] = sum(middle, parameters.swiGlu(layer + "mlp.", h));
            }
        }
        double[][] normed =
                Arrays.stream(x).map(row -> norm("model.norm.weight", row)).toArray(double[][]::new);
        return parameters.logProbs(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight", normed);
    }

    private double[][] attention(String layer, double[][] x) {
        String prefix = layer + "self_attn.";
        int length = x.length;
        double[][] queries = new double[length][];
        double[][] keys = new double[length][];
        double[][] values = new double[length][];
        for (int t = 0; t < length; t++) {
            double[] h = norm(layer + "input_layernorm.weight", x[t]);
            queries[t] = project(prefix + "q_proj", h);
            keys[t] = project(prefix + "k_proj", h);
            values[t] = project(prefix + "v_proj", h);
            turn(prefix + "q_norm.weight", queries[t], t);
            turn(prefix + "k_norm.weight", keys[t], t);
        }
        double[][] out = ReferenceGroupedAttention.attend(
                queries, keys, values, config.numAttentionHeads(), config.numKeyValueHeads());
        for (int t = 0; t < length; t++) {
            out[t] = parameters.linear(prefix + "o_proj.weight", out[t]);
        }
        return out;
    }

    private double[] project(String name, double[] h) {
        double[] y = parameters.linear(name + ".weight", h);
        return config.architecture() == LlamaConfig.Architecture.QWEN2
                ? sum(y, parameters.parameter(name + ".bias"))
                : y;
    }

    /** Norms every head in Qwen3, then rotates {@code (x[i], x[i + n/2])} by the angle of the position. */
    private void turn(String normName, double[] heads, int position) {
        int n = config.headDim();
        for (int start = 0; start < heads.length; start += n) {
            double[] head = Arrays.copyOfRange(heads, start, start + n);
            if (config.architecture() == LlamaConfig.Architecture.QWEN3) {
                head = norm(normName, head);
            }
            for (int i = 0; i < n / 2; i++) {
                double angle = position * frequencies[i];
                double cos = Math.cos(angle) * temperature();
                double sin = Math.sin(angle) * temperature();
                heads[start + i] = head[i] * cos - head[i + n / 2] * sin;
                heads[start + i + n / 2] = head[i + n / 2] * cos + head[i] * sin;
            }
        }
    }

    /** transformers multiplies cosines and sines by it. */
    private double temperature() {
        return config.ropeScaling() instanceof YarnScaling yarn
                ? (0.1 * Math.log(yarn.factor()) + 1) * yarn.temperatureFactor()
                : 1;
    }

    private double[] norm(String name, double[] x) {
        return parameters.rmsNorm(name, x, config.rmsNormEpsilon());
    }
}
