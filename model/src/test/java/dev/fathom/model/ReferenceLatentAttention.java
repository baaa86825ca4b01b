package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.dot;
import static dev.fathom.model.ReferenceParameters.softmax;
import static dev.fathom.model.ReferenceParameters.weightedSum;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.YarnScaling;
import java.util.Arrays;
import java.util.function.IntPredicate;

/** Multi-head latent attention (DeepSeek-V3, arXiv 2412.19437, equations 1-11) over one sequence, in scalar double. */
final class ReferenceLatentAttention {
    /** What {@link ReferenceParameters.Operand} is told of the parts of {@code kv_b_proj}. */
    static final String KEY_UP = "k_b_proj.weight";

    static final String KEY_ABSORBED = "k_b_proj.transposed";
    static final String VALUE_UP = "v_b_proj.weight";

    private final DeepseekConfig config;
    private final ReferenceParameters parameters;
    private final IntPredicate absorbed;
    private final double[] frequencies;
    private final double scale;

    /** @param absorbed as {@link ReferenceDeepseek.Arithmetic#absorbed()} */
    ReferenceLatentAttention(DeepseekConfig config, ReferenceParameters parameters, IntPredicate absorbed) {
        this.config = config;
        this.parameters = parameters;
        this.absorbed = absorbed;
        this.frequencies = ReferenceRope.frequencies(config.ropeHeadDim(), config.ropeTheta(), config.ropeScaling());
        this.scale = scale(config);
    }

    /** {@code (nope + rope)^-0.5}, times m² under YaRN with {@code m = 0.1 mscale ln(factor) + 1}. */
    private static double scale(DeepseekConfig config) {
        double scale = 1 / Math.sqrt(config.nopeHeadDim() + config.ropeHeadDim());
        YarnScaling yarn = config.ropeScaling();
        if (yarn == null) {
            return scale;
        }
        double m = 0.1 * yarn.mscale() * Math.log(yarn.factor()) + 1;
        return scale * m * m;
    }

    /**
     * What every position makes of those up to it.
     *
     * @param prefix of the names of the layer's parameters
     * @param h normed residual stream {@code [T][d]}
     * @return {@code [T][d]}
     */
    double[][] attend(String prefix, double[][] h) {
        int latent = config.keyValueLoraRank();
        double[][] queries = new double[h.length][]; // per head: nope | rope
        double[][] latents = new double[h.length][];
        double[][] ropeKeys = new double[h.length][]; // one for all heads
        for (int t = 0; t < h.length; t++) {
            queries[t] = query(prefix, h[t], t);
            double[] compressed = parameters.linear(prefix + "kv_a_proj_with_mqa.weight", h[t]);
            latents[t] = norm(prefix + "kv_a_layernorm.weight", Arrays.copyOfRange(compressed, 0, latent));
            ropeKeys[t] = Arrays.copyOfRange(compressed, latent, latent + config.ropeHeadDim());
            rotate(ropeKeys[t], 0, t);
        }
        int width = config.valueHeadDim();
        double[][] heard = new double[h.length][config.numAttentionHeads() * width];
        for (int head = 0; head < config.numAttentionHeads(); head++) {
            double[][] values = hear(prefix, head, queries, latents, ropeKeys);
            for (int t = 0; t < h.length; t++) {
                System.arraycopy(values[t], 0, heard[t], head * width, width);
            }
        }
        return Arrays.stream(heard)
                .map(row -> parameters.linear(prefix + "o_proj.weight", row))
                .toArray(double[][]::new);
    }

    private double[] query(String prefix, double[] h, int position) {
        double[] query;
        if (config.queryLoraRank() == null) {
            query = parameters.linear(prefix + "q_proj.weight", h);
        } else {
            double[] compressed = parameters.linear(prefix + "q_a_proj.weight", h);
            query = parameters.linear(prefix + "q_b_proj.weight", norm(prefix + "q_a_layernorm.weight", compressed));
        }
        for (int head = 0; head < config.numAttentionHeads(); head++) {
            rotate(query, head * queryWidth() + config.nopeHeadDim(), position);
        }
        return query;
    }

    /** What one head hears at every position, {@code [T][valueHeadDim]}. */
    private double[][] hear(String prefix, int head, double[][] queries, double[][] latents, double[][] ropeKeys) {
        int nope = config.nopeHeadDim();
        double[][] keyUp = upProjection(prefix, head, 0, nope);
        double[][] valueUp = upProjection(prefix, head, nope, nope + config.valueHeadDim());
        double[][] keys = new double[latents.length][];
        double[][] values = new double[latents.length][];
        for (int t = 0; t < latents.length; t++) {
            keys[t] = multiply(prefix + KEY_UP, keyUp, latents[t]);
            values[t] = multiply(prefix + VALUE_UP, valueUp, latents[t]);
        }
        double[][] heard = new double[latents.length][];
        for (int t = 0; t < heard.length; t++) {
            int from = head * queryWidth();
            double[] content = Arrays.copyOfRange(queries[t], from, from + nope);
            double[] turned = Arrays.copyOfRange(queries[t], from + nope, from + queryWidth());
            if (absorbed.test(t)) {
                double[] asLatent = multiply(prefix + KEY_ABSORBED, transposed(keyUp), content);
                double[] sum = weightedSum(weights(t, asLatent, latents, turned, ropeKeys), latents);
                heard[t] = multiply(prefix + VALUE_UP, valueUp, sum);
            } else {
                heard[t] = weightedSum(weights(t, content, keys, turned, ropeKeys), values);
            }
        }
        return heard;
    }

    /** Of the positions up to t. */
    private double[] weights(int t, double[] content, double[][] keys, double[] turned, double[][] ropeKeys) {
        double[] scores = new double[t + 1];
        for (int j = 0; j <= t; j++) {
            scores[j] = (dot(content, keys[j]) + dot(turned, ropeKeys[j])) * scale;
        }
        return softmax(scores);
    }

    private int queryWidth() {
        return config.nopeHeadDim() + config.ropeHeadDim();
    }

    /** Rows of one head's part of {@code kv_b_proj [heads * (nope + value), latent]}. */
    private double[][] upProjection(String prefix, int head, int from, int to) {
        int first = head * (config.nopeHeadDim() + config.valueHeadDim());
        return parameters.rows(prefix + "kv_b_proj.weight", first + from, first + to, config.keyValueLoraRank());
    }

    /** Turns the pairs (x0, x1), (x2, x3), … from an offset on by the angles of a position: complex multiplication. */
    private void rotate(double[] x, int offset, int position) {
        for (int p = 0; p < frequencies.length; p++) {
            double cos = Math.cos(position * frequencies[p]);
            double sin = Math.sin(position * frequencies[p]);
            double real = x[offset + 2 * p];
            double imaginary = x[offset + 2 * p + 1];
            x[offset + 2 * p] = real * cos - imaginary * sin;
            x[offset + 2 * p + 1] = real * sin + imaginary * cos;
        }
    }

    private double[] norm(String name, double[] x) {
        return parameters.rmsNorm(name, x, config.rmsNormEpsilon());
    }

    /** @param name what {@link ReferenceParameters.Operand} is told */
    private double[] multiply(String name, double[][] rows, double[] x) {
        double[] operand = parameters.operand(name, x);
        return Arrays.stream(rows).mapToDouble(row -> dot(row, operand)).toArray();
    }

    private static double[][] transposed(double[][] rows) {
        double[][] columns = new double[rows[0].length][rows.length];
        for (int r = 0; r < rows.length; r++) {
            for (int c = 0; c < columns.length; c++) {
                columns[c][r] = rows[r][c];
            }
        }
        return columns;
    }
}
