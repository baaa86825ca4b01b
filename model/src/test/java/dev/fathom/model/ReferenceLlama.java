package dev.fathom.model;

import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.RopeScaling;
import dev.fathom.model.config.YarnScaling;
import java.util.Arrays;
import java.util.Map;

/**
 * Llama, Qwen2 and Qwen3 in scalar double arithmetic, after transformers' {@code modeling_llama.py}, {@code modeling_qwen2.py} and
 * {@code modeling_qwen3.py}.
 */
final class ReferenceLlama extends ReferenceDense {
    private final LlamaConfig config;

    ReferenceLlama(LlamaConfig config, Map<String, double[]> parameters) {
        this(config, parameters, Operand.EXACT);
    }

    ReferenceLlama(LlamaConfig config, Map<String, double[]> parameters, Operand operand) {
        super(parameters, operand);
        this.config = config;
    }

    @Override
    String headName() {
        return config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight";
    }

    @Override
    double[] finalNorm(double[] x) {
        return norm("model.norm.weight", x);
    }

    @Override
    double[][] hidden(int[] tokens) {
        double[][] x = new double[tokens.length][];
        for (int t = 0; t < x.length; t++) {
            x[t] = row("model.embed_tokens.weight", tokens[t], config.hiddenSize());
        }
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = "model.layers." + i + ".";
            double[][] attended = attention(layer, x);
            for (int t = 0; t < x.length; t++) {
                x[t] = sum(x[t], attended[t]);
                x[t] = sum(x[t], swiGlu(layer + "mlp.", norm(layer + "post_attention_layernorm.weight", x[t])));
            }
        }
        return x;
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
        double[][] out = attend(queries, keys, values, config.numAttentionHeads(), config.numKeyValueHeads());
        for (int t = 0; t < length; t++) {
            out[t] = linear(prefix + "o_proj.weight", out[t]);
        }
        return out;
    }

    private double[] project(String name, double[] h) {
        double[] y = linear(name + ".weight", h);
        return config.architecture() == LlamaConfig.Architecture.QWEN2 ? sum(y, parameter(name + ".bias")) : y;
    }

    /** Norms every head in Qwen3, then rotates {@code (x[i], x[i + n/2])} by {@code position * theta^(-2i/n)}. */
    private void turn(String normName, double[] heads, int position) {
        int n = config.headDim();
        for (int start = 0; start < heads.length; start += n) {
            double[] head = Arrays.copyOfRange(heads, start, start + n);
            if (config.architecture() == LlamaConfig.Architecture.QWEN3) {
                head = norm(normName, head);
            }
            for (int i = 0; i < n / 2; i++) {
                double angle = position * frequency(i, n);
                double cos = Math.cos(angle) * temperature();
                double sin = Math.sin(angle) * temperature();
                heads[start + i] = head[i] * cos - head[i + n / 2] * sin;
                heads[start + i + n / 2] = head[i + n / 2] * cos + head[i] * sin;
            }
        }
    }

    /** After transformers' {@code modeling_rope_utils.py}. */
    private double frequency(int i, int n) {
        double plain = Math.pow(config.ropeTheta(), -2.0 * i / n);
        return switch (config.ropeScaling()) {
            case null -> plain;
            case RopeScaling.Linear linear -> plain / linear.factor();
            case RopeScaling.Llama3 llama -> {
                double wavelength = 2 * Math.PI / plain;
                double low = llama.originalMaxPositionEmbeddings() / llama.lowFrequencyFactor();
                double high = llama.originalMaxPositionEmbeddings() / llama.highFrequencyFactor();
                if (wavelength > low) {
                    yield plain / llama.factor();
                }
                if (wavelength < high) {
                    yield plain;
                }
                double smooth = (llama.originalMaxPositionEmbeddings() / wavelength - llama.lowFrequencyFactor())
                        / (llama.highFrequencyFactor() - llama.lowFrequencyFactor());
                yield (1 - smooth) * plain / llama.factor() + smooth * plain;
            }
            case YarnScaling yarn -> {
                double low = Math.max(Math.floor(pairTurning(yarn.betaFast(), yarn, n)), 0);
                double high = Math.min(Math.ceil(pairTurning(yarn.betaSlow(), yarn, n)), n - 1);
                double kept = 1 - Math.min(Math.max((i - low) / (high - low), 0), 1);
                yield plain / yarn.factor() * (1 - kept) + plain * kept;
            }
            case RopeScaling.Divisors divisors -> plain / divisors.factors().get(i);
        };
    }

    private double pairTurning(double turns, YarnScaling yarn, int n) {
        return n
                * Math.log(yarn.originalMaxPositionEmbeddings() / (turns * 2 * Math.PI))
                / (2 * Math.log(config.ropeTheta()));
    }

    /** transformers multiplies cosines and sines by it. */
    private double temperature() {
        return config.ropeScaling() instanceof YarnScaling yarn
                ? (0.1 * Math.log(yarn.factor()) + 1) * yarn.temperatureFactor()
                : 1;
    }

    private double[] swiGlu(String prefix, double[] h) {
        double[] gate = linear(prefix + "gate_proj.weight", h);
        double[] up = linear(prefix + "up_proj.weight", h);
        double[] inner = new double[gate.length];
        for (int i = 0; i < inner.length; i++) {
            inner[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        return linear(prefix + "down_proj.weight", inner);
    }

    private double[] norm(String name, double[] x) {
        double[] weight = parameter(name);
        double squares = 0;
        for (double value : x) {
            squares += value * value;
        }
        double[] y = new double[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = weight[i] * x[i] / Math.sqrt(squares / x.length + config.rmsNormEpsilon());
        }
        return y;
    }
}
