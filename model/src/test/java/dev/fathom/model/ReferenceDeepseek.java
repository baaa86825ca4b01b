package dev.fathom.model;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.YarnScaling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * DeepSeek-V3 in scalar double arithmetic, one sequence and one token at a time: the equations of the reports written
 * out, with nothing shared with the model under test but the config and the released names of the parameters.
 *
 * <p>Sources: DeepSeek-V3 (arXiv 2412.19437) sections 2.1 and 2.2, DeepSeek-V2 (arXiv 2405.04434) section 2.1, and
 * DeepSeek's own {@code inference/model.py} where the reports are silent (order of parts, YaRN).
 */
final class ReferenceDeepseek {
    /** What {@link ReferenceDense.Operand} is told of the parts of {@code kv_b_proj}. */
    static final String KEY_UP = "k_b_proj.weight";

    static final String KEY_ABSORBED = "k_b_proj.transposed";
    static final String VALUE_UP = "v_b_proj.weight";

    private final DeepseekConfig config;
    private final Map<String, double[]> parameters;
    private final double[] frequencies;
    private final double attentionScale;
    private final Arithmetic arithmetic;

    /** @param parameters every tensor of the checkpoint under its Hugging Face name, row-major */
    ReferenceDeepseek(DeepseekConfig config, Map<String, double[]> parameters) {
        this(config, parameters, Arithmetic.exact(config));
    }

    ReferenceDeepseek(DeepseekConfig config, Map<String, double[]> parameters, Arithmetic arithmetic) {
        this.config = config;
        this.parameters = parameters;
        this.arithmetic = arithmetic;
        this.frequencies = rotaryFrequencies();
        this.attentionScale = attentionScale();
    }

    /**
     * What implementations do differently.
     *
     * @param operand what rows become before they are multiplied
     * @param groupRank how many of its best experts a group is ranked by: one in DeepSeek-V2, two in V3
     * @param absorbedFrom queries from this position on take {@code W_UK} to themselves and hear latents, whose sum {@code W_UV} multiplies; earlier ones hear
     *     keys and values computed from latents. Without rounding both are the same
     */
    record Arithmetic(ReferenceDense.Operand operand, int groupRank, int absorbedFrom) {
        /** DeepSeek's own code for this generation of models, without rounding. */
        static Arithmetic exact(DeepseekConfig config) {
            return new Arithmetic(
                    ReferenceDense.Operand.EXACT,
                    config.scoringFunction() == ScoringFunction.SOFTMAX ? 1 : 2,
                    Integer.MAX_VALUE);
        }

        Arithmetic with(ReferenceDense.Operand operand) {
            return new Arithmetic(operand, groupRank, absorbedFrom);
        }

        Arithmetic rankingGroupsBy(int best) {
            return new Arithmetic(operand, best, absorbedFrom);
        }

        Arithmetic absorbedFrom(int position) {
            return new Arithmetic(operand, groupRank, position);
        }
    }

    /**
     * Where one token went in one mixture of experts.
     *
     * @param scores sigmoid score of every expert
     * @param experts the chosen ones, best biased score first
     * @param gates their weights in the sum
     */
    record Choice(double[] scores, int[] experts, double[] gates) {}

    /**
     * What the layers make of one sequence.
     *
     * @param hidden residual stream after the last layer {@code [T][d]}
     * @param normed after the norm the head reads {@code [T][d]}
     * @param choices routing of every token, per mixture of experts
     */
    record States(double[][] hidden, double[][] normed, List<Choice[]> choices) {}

    // ---- the model

    /** The main model over the tokens at positions 0, 1, … */
    States forward(int[] tokens) {
        List<Choice[]> choices = new ArrayList<>();
        double[][] x = embed(tokens);
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            x = layer("model.layers." + i + ".", i < config.firstKDenseReplace(), x, choices);
        }
        return new States(x, normEach("model.norm.weight", x), choices);
    }

    /**
     * The first multi-token-prediction module: from h_i of the main model, taken before its final norm, and the
     * embedding of t_{i+1} it makes the state that predicts t_{i+2}. Order of the concatenation: embedding, then
     * state.
     */
    States predictAhead(double[][] hidden, int[] nextTokens) {
        String module = "model.layers." + config.numHiddenLayers() + ".";
        double[][] embedded = normEach(module + "enorm.weight", embed(nextTokens));
        double[][] states = normEach(module + "hnorm.weight", hidden);
        double[][] x = new double[hidden.length][];
        for (int t = 0; t < x.length; t++) {
            x[t] = linear(module + "eh_proj.weight", concatenate(embedded[t], states[t]));
        }
        List<Choice[]> choices = new ArrayList<>();
        x = layer(module, false, x, choices);
        return new States(x, normEach(module + "shared_head.norm.weight", x), choices);
    }

    /** Log-probabilities of every token of the vocabulary after each state. */
    double[][] logProbs(double[][] normed) {
        String head = config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight";
        double[][] logProbs = new double[normed.length][];
        for (int t = 0; t < normed.length; t++) {
            double[] logits = linear(head, normed[t]);
            double max = Arrays.stream(logits).max().orElseThrow();
            double sum = 0;
            for (double logit : logits) {
                sum += Math.exp(logit - max);
            }
            double logSumExp = max + Math.log(sum);
            logProbs[t] = Arrays.stream(logits).map(logit -> logit - logSumExp).toArray();
        }
        return logProbs;
    }

    private double[][] embed(int[] tokens) {
        double[] table = parameter("model.embed_tokens.weight");
        int d = config.hiddenSize();
        double[][] rows = new double[tokens.length][];
        for (int t = 0; t < tokens.length; t++) {
            rows[t] = Arrays.copyOfRange(table, tokens[t] * d, (tokens[t] + 1) * d);
        }
        return rows;
    }

    /** {@code x + Attention(norm x)}, then {@code x + FeedForward(norm x)}. */
    private double[][] layer(String prefix, boolean dense, double[][] x, List<Choice[]> choices) {
        double[][] attended = attention(prefix + "self_attn.", normEach(prefix + "input_layernorm.weight", x));
        double[][] out = new double[x.length][];
        Choice[] chosen = new Choice[x.length];
        for (int t = 0; t < x.length; t++) {
            double[] middle = sum(x[t], attended[t]);
            double[] h = norm(prefix + "post_attention_layernorm.weight", middle);
            double[] fed;
            if (dense) {
                fed = swiGlu(prefix + "mlp.", h);
            } else {
                chosen[t] = choose(prefix + "mlp.gate.", h);
                fed = mixture(prefix + "mlp.", h, chosen[t]);
            }
            out[t] = sum(middle, fed);
        }
        if (!dense) {
            choices.add(chosen);
        }
        return out;
    }

    // ---- multi-head latent attention (V3 equations 1-11)

    private double[][] attention(String prefix, double[][] h) {
        int heads = config.numAttentionHeads();
        int nope = config.nopeHeadDim();
        int rope = config.ropeHeadDim();
        int width = config.valueHeadDim();
        int latent = config.keyValueLoraRank();
        int length = h.length;

        double[][] queries = new double[length][]; // per head: nope | rope
        double[][] latents = new double[length][];
        double[][] ropeKeys = new double[length][]; // one for all heads
        for (int t = 0; t < length; t++) {
            if (config.queryLoraRank() == null) {
                queries[t] = linear(prefix + "q_proj.weight", h[t]);
            } else {
                double[] compressed = linear(prefix + "q_a_proj.weight", h[t]);
                queries[t] = linear(prefix + "q_b_proj.weight", norm(prefix + "q_a_layernorm.weight", compressed));
            }
            for (int head = 0; head < heads; head++) {
                rotate(queries[t], head * (nope + rope) + nope, t);
            }
            double[] compressed = linear(prefix + "kv_a_proj_with_mqa.weight", h[t]);
            latents[t] = norm(prefix + "kv_a_layernorm.weight", Arrays.copyOfRange(compressed, 0, latent));
            ropeKeys[t] = Arrays.copyOfRange(compressed, latent, latent + rope);
            rotate(ropeKeys[t], 0, t);
        }

        double[][] heard = new double[length][heads * width];
        for (int head = 0; head < heads; head++) {
            double[][] keyUp = upProjection(prefix, head, 0, nope);
            double[][] valueUp = upProjection(prefix, head, nope, nope + width);
            double[][] keys = new double[length][];
            double[][] values = new double[length][];
            for (int t = 0; t < length; t++) {
                keys[t] = multiply(keyUp, rounded(prefix + KEY_UP, latents[t]));
                values[t] = multiply(valueUp, rounded(prefix + VALUE_UP, latents[t]));
            }
            for (int t = 0; t < length; t++) {
                int query = head * (nope + rope);
                double[] content = Arrays.copyOfRange(queries[t], query, query + nope);
                double[] turned = Arrays.copyOfRange(queries[t], query + nope, query + nope + rope);
                boolean absorbed = t >= arithmetic.absorbedFrom();
                double[] asLatent =
                        absorbed ? multiply(transposed(keyUp), rounded(prefix + KEY_ABSORBED, content)) : new double[0];
                double[] weights = new double[t + 1];
                for (int j = 0; j <= t; j++) {
                    double score = absorbed ? dot(asLatent, latents[j]) : dot(content, keys[j]);
                    weights[j] = (score + dot(turned, ropeKeys[j])) * attentionScale;
                }
                softmax(weights);
                double[] value = weightedSum(weights, absorbed ? latents : values);
                if (absorbed) {
                    value = multiply(valueUp, rounded(prefix + VALUE_UP, value));
                }
                System.arraycopy(value, 0, heard[t], head * width, width);
            }
        }
        double[][] out = new double[length][];
        for (int t = 0; t < length; t++) {
            out[t] = linear(prefix + "o_proj.weight", heard[t]);
        }
        return out;
    }

    /** Rows of one head's part of {@code kv_b_proj [heads * (nope + value), latent]}. */
    private double[][] upProjection(String prefix, int head, int from, int to) {
        int latent = config.keyValueLoraRank();
        int first = head * (config.nopeHeadDim() + config.valueHeadDim());
        double[] joint = parameter(prefix + "kv_b_proj.weight");
        double[][] rows = new double[to - from][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(joint, (first + from + i) * latent, (first + from + i + 1) * latent);
        }
        return rows;
    }

    /** {@code (nope + rope)^-0.5}, times m² under YaRN with {@code m = 0.1 mscale ln(factor) + 1}. */
    private double attentionScale() {
        double scale = 1 / Math.sqrt(config.nopeHeadDim() + config.ropeHeadDim());
        YarnScaling yarn = config.ropeScaling();
        if (yarn != null) {
            double m = 0.1 * yarn.mscale() * Math.log(yarn.factor()) + 1;
            scale *= m * m;
        }
        return scale;
    }

    /** {@code f_p = theta^(-2p/dim)}; YaRN divides slow pairs by its factor and blends those between slow and fast. */
    private double[] rotaryFrequencies() {
        int dim = config.ropeHeadDim();
        double[] f = new double[dim / 2];
        for (int p = 0; p < f.length; p++) {
            f[p] = Math.pow(config.ropeTheta(), -2.0 * p / dim);
        }
        YarnScaling yarn = config.ropeScaling();
        if (yarn != null) {
            double low = Math.max(Math.floor(pairWithRotations(yarn.betaFast(), yarn)), 0);
            double high = Math.min(Math.ceil(pairWithRotations(yarn.betaSlow(), yarn)), dim - 1);
            for (int p = 0; p < f.length; p++) {
                double ramp = Math.min(Math.max((p - low) / (high - low), 0), 1);
                double smooth = 1 - ramp;
                f[p] = f[p] / yarn.factor() * (1 - smooth) + f[p] * smooth;
            }
        }
        return f;
    }

    private double pairWithRotations(double rotations, YarnScaling yarn) {
        return config.ropeHeadDim()
                * Math.log(yarn.originalMaxPositionEmbeddings() / (rotations * 2 * Math.PI))
                / (2 * Math.log(config.ropeTheta()));
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

    // ---- feed-forward layers (V3 equations 12-16)

    /** {@code W_down( silu(W_gate x) * (W_up x) )}. */
    private double[] swiGlu(String prefix, double[] x) {
        double[] gate = linear(prefix + "gate_proj.weight", x);
        double[] up = linear(prefix + "up_proj.weight", x);
        double[] inner = new double[gate.length];
        for (int i = 0; i < inner.length; i++) {
            inner[i] = gate[i] * sigmoid(gate[i]) * up[i];
        }
        return linear(prefix + "down_proj.weight", inner);
    }

    /** The shared experts, ungated, are one SwiGLU; the chosen experts are added with their gates. */
    private double[] mixture(String prefix, double[] h, Choice choice) {
        double[] out = swiGlu(prefix + "shared_experts.", h);
        for (int rank = 0; rank < choice.experts.length; rank++) {
            double[] expert = swiGlu(prefix + "experts." + choice.experts[rank] + ".", h);
            for (int i = 0; i < out.length; i++) {
                out[i] += choice.gates[rank] * expert[i];
            }
        }
        return out;
    }

    private Choice choose(String prefix, double[] h) {
        int experts = config.numRoutedExperts();
        int groups = config.numGroups();
        int perGroup = experts / groups;
        boolean second = config.scoringFunction() == ScoringFunction.SOFTMAX;
        double[] scores = linear(prefix + "weight", h);
        if (second) {
            softmax(scores);
        } else {
            scores = Arrays.stream(scores).map(ReferenceDeepseek::sigmoid).toArray();
        }
        double[] biased = second ? scores.clone() : sum(scores, parameter(prefix + "e_score_correction_bias"));

        if (groups > 1) {
            double[] groupScores = new double[groups]; // the sum of each group's best
            for (int g = 0; g < groups; g++) {
                double[] sorted = Arrays.copyOfRange(biased, g * perGroup, (g + 1) * perGroup);
                Arrays.sort(sorted);
                for (int rank = 1; rank <= arithmetic.groupRank(); rank++) {
                    groupScores[g] += sorted[perGroup - rank];
                }
            }
            int[] kept = largest(groupScores, config.topGroups());
            for (int e = 0; e < experts; e++) {
                int group = e / perGroup;
                if (Arrays.stream(kept).noneMatch(g -> g == group)) {
                    biased[e] = Double.NEGATIVE_INFINITY;
                }
            }
        }

        int[] chosen = largest(biased, config.numExpertsPerToken());
        double total = 0;
        for (int e : chosen) {
            total += scores[e];
        }
        double[] gates = new double[chosen.length];
        for (int rank = 0; rank < gates.length; rank++) {
            double score = scores[chosen[rank]];
            gates[rank] = config.routedScalingFactor() * (config.normalizeTopK() ? score / (total + 1e-20) : score);
        }
        return new Choice(scores, chosen, gates);
    }

    /** Indices of the count largest values, largest first; the lower index on ties. */
    private static int[] largest(double[] values, int count) {
        double[] left = values.clone();
        int[] indices = new int[count];
        for (int n = 0; n < count; n++) {
            int best = 0;
            for (int i = 1; i < left.length; i++) {
                if (left[i] > left[best]) {
                    best = i;
                }
            }
            indices[n] = best;
            left[best] = Double.NEGATIVE_INFINITY;
        }
        return indices;
    }

    // ---- losses

    /**
     * The losses of a batch of whole sequences.
     *
     * @param main mean cross-entropy of the main model over all predicted tokens
     * @param ahead the same of multi-token prediction, 0 without a module
     * @param balance sequence-wise balance losses without alpha, summed over mixtures, averaged over input tokens
     * @param total {@code main + lambda * ahead + alpha * balance}
     * @param choices routing of every token: per sequence, per mixture (the module's last)
     */
    record Losses(double main, double ahead, double balance, double total, List<List<Choice[]>> choices) {}

    /**
     * Next-token prediction over whole sequences: of tokens t_0 … t_T the model reads the first T and predicts the
     * last T. The module reads T states and T next tokens and predicts t_2 … t_T; its last state predicts nothing but
     * is routed like the others. Tokens before {@code firstTarget} are a prompt: read, never predicted.
     */
    Losses losses(List<int[]> sequences, int firstTarget, double lambda, double alpha) {
        double main = 0;
        double ahead = 0;
        double balance = 0;
        int mainTargets = 0;
        int aheadTargets = 0;
        int rows = 0;
        List<List<Choice[]>> choices = new ArrayList<>();
        for (int[] tokens : sequences) {
            int length = tokens.length - 1;
            int[] inputs = Arrays.copyOfRange(tokens, 0, length);
            int[] next = Arrays.copyOfRange(tokens, 1, length + 1);
            States states = forward(inputs);
            List<Choice[]> routed = new ArrayList<>(states.choices);
            double[][] logProbs = logProbs(states.normed);
            for (int t = Math.max(0, firstTarget - 1); t < length; t++) {
                main -= logProbs[t][tokens[t + 1]];
                mainTargets++;
            }
            if (config.numNextnPredictLayers() > 0) {
                States module = predictAhead(states.hidden, next);
                routed.addAll(module.choices);
                logProbs = logProbs(module.normed);
                for (int t = Math.max(0, firstTarget - 2); t + 1 < length; t++) {
                    ahead -= logProbs[t][tokens[t + 2]];
                    aheadTargets++;
                }
            }
            for (Choice[] mixture : routed) {
                balance += length * balanceLoss(mixture);
            }
            rows += length;
            choices.add(routed);
        }
        main /= mainTargets;
        ahead = aheadTargets == 0 ? 0 : ahead / aheadTargets;
        balance /= rows;
        return new Losses(main, ahead, balance, main + lambda * ahead + alpha * balance, choices);
    }

    /** {@code Σ_i f_i P_i} of one sequence in one mixture (V3 equations 17-20 without alpha). */
    private double balanceLoss(Choice[] tokens) {
        int experts = config.numRoutedExperts();
        double[] f = new double[experts];
        double[] p = new double[experts];
        for (Choice token : tokens) {
            for (int e : token.experts) {
                f[e] += (double) experts / (config.numExpertsPerToken() * tokens.length);
            }
            double total = Arrays.stream(token.scores).sum();
            for (int e = 0; e < experts; e++) {
                p[e] += token.scores[e] / total / tokens.length;
            }
        }
        double loss = 0;
        for (int e = 0; e < experts; e++) {
            loss += f[e] * p[e];
        }
        return loss;
    }

    // ---- arithmetic

    private double[] parameter(String name) {
        double[] values = parameters.get(name);
        if (values == null) {
            throw new IllegalArgumentException("the oracle needs a parameter called " + name);
        }
        return values;
    }

    private double[] rounded(String matrix, double[] row) {
        return arithmetic.operand().of(matrix, row);
    }

    /** {@code W x} for W {@code [outputs, inputs]}. */
    private double[] linear(String name, double[] row) {
        double[] matrix = parameter(name);
        double[] x = rounded(name, row);
        if (matrix.length % x.length != 0) {
            throw new IllegalArgumentException(name + " of " + matrix.length + " elements times " + x.length);
        }
        double[] y = new double[matrix.length / x.length];
        for (int o = 0; o < y.length; o++) {
            double sum = 0;
            for (int i = 0; i < x.length; i++) {
                sum += matrix[o * x.length + i] * x[i];
            }
            y[o] = sum;
        }
        return y;
    }

    private static double[] multiply(double[][] rows, double[] x) {
        return Arrays.stream(rows).mapToDouble(row -> dot(row, x)).toArray();
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

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    /** Of the first rows, one for each weight. */
    private static double[] weightedSum(double[] weights, double[][] rows) {
        double[] sum = new double[rows[0].length];
        for (int j = 0; j < weights.length; j++) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += weights[j] * rows[j][i];
            }
        }
        return sum;
    }

    /** {@code w * x / sqrt(mean(x²) + eps)}. */
    private double[] norm(String name, double[] x) {
        double[] weight = parameter(name);
        if (weight.length != x.length) {
            throw new IllegalArgumentException(name + " of " + weight.length + " elements for a row of " + x.length);
        }
        double squares = 0;
        for (double value : x) {
            squares += value * value;
        }
        double inverse = 1 / Math.sqrt(squares / x.length + config.rmsNormEpsilon());
        double[] y = new double[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = weight[i] * x[i] * inverse;
        }
        return y;
    }

    private double[][] normEach(String name, double[][] rows) {
        double[][] normed = new double[rows.length][];
        for (int t = 0; t < rows.length; t++) {
            normed[t] = norm(name, rows[t]);
        }
        return normed;
    }

    private static void softmax(double[] scores) {
        double max = Arrays.stream(scores).max().orElseThrow();
        double sum = 0;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = Math.exp(scores[i] - max);
            sum += scores[i];
        }
        for (int i = 0; i < scores.length; i++) {
            scores[i] /= sum;
        }
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static double[] sum(double[] a, double[] b) {
        double[] sum = new double[a.length];
        for (int i = 0; i < sum.length; i++) {
            sum[i] = a[i] + b[i];
        }
        return sum;
    }

    private static double[] concatenate(double[] a, double[] b) {
        double[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }
}
