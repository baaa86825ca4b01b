package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.sum;

import dev.fathom.model.ReferenceMixture.Choice;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * DeepSeek-V3 in scalar double arithmetic, one sequence and one token at a time: the equations of the reports written
 * out. Attention is in {@link ReferenceLatentAttention}, routing in {@link ReferenceMixture}.
 *
 * <p>Sources: DeepSeek-V3 (arXiv 2412.19437) sections 2.1 and 2.2, DeepSeek-V2 (arXiv 2405.04434) section 2.1, and
 * DeepSeek's own {@code inference/model.py} where the reports are silent (order of parts, YaRN).
 */
final class ReferenceDeepseek implements ReferenceModel {
    private final DeepseekConfig config;
    private final ReferenceParameters parameters;
    private final ReferenceLatentAttention attention;
    private final ReferenceMixture mixture;

    /** @param parameters every tensor of the checkpoint under its Hugging Face name, row-major */
    ReferenceDeepseek(DeepseekConfig config, Map<String, double[]> parameters) {
        this(config, parameters, Arithmetic.exact(config));
    }

    ReferenceDeepseek(DeepseekConfig config, Map<String, double[]> parameters, Arithmetic arithmetic) {
        this.config = config;
        this.parameters = new ReferenceParameters(parameters, arithmetic.operand);
        this.attention = new ReferenceLatentAttention(config, this.parameters, arithmetic.absorbed);
        this.mixture = new ReferenceMixture(config, this.parameters, arithmetic.groupRank);
    }

    /**
     * What implementations do differently.
     *
     * @param operand what rows become before they are multiplied
     * @param groupRank how many of its best experts a group is ranked by: one in DeepSeek-V2, two in V3
     * @param absorbed at which positions queries take {@code W_UK} to themselves and hear latents, whose sum {@code W_UV} multiplies; others hear
     *     keys and values computed from latents. Without rounding both are the same
     */
    record Arithmetic(ReferenceParameters.Operand operand, int groupRank, IntPredicate absorbed) {
        /** DeepSeek's own code for this generation of models, without rounding. */
        static Arithmetic exact(DeepseekConfig config) {
            return new Arithmetic(
                    ReferenceParameters.Operand.EXACT,
                    config.scoringFunction() == ScoringFunction.SOFTMAX ? 1 : 2,
                    position -> false);
        }

        Arithmetic with(ReferenceParameters.Operand operand) {
            return new Arithmetic(operand, groupRank, absorbed);
        }

        Arithmetic rankingGroupsBy(int best) {
            return new Arithmetic(operand, best, absorbed);
        }

        Arithmetic absorbed(IntPredicate positions) {
            return new Arithmetic(operand, groupRank, positions);
        }
    }

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
            x[t] = parameters.linear(module + "eh_proj.weight", concatenate(embedded[t], states[t]));
        }
        List<Choice[]> choices = new ArrayList<>();
        x = layer(module, false, x, choices);
        return new States(x, normEach(module + "shared_head.norm.weight", x), choices);
    }

    @Override
    public double[][] logProbs(int[] tokens) {
        return logProbs(forward(tokens).normed);
    }

    /** Log-probabilities of every token of the vocabulary after each state. */
    double[][] logProbs(double[][] normed) {
        return parameters.logProbs(config.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight", normed);
    }

    private double[][] embed(int[] tokens) {
        return parameters.embed("model.embed_tokens.weight", tokens, config.hiddenSize());
    }

    /** {@code x + Attention(norm x)}, then {@code x + FeedForward(norm x)}. */
    private double[][] layer(String prefix, boolean dense, double[][] x, List<Choice[]> choices) {
        double[][] attended = attention.attend(prefix + "self_attn.", normEach(prefix + "input_layernorm.weight", x));
        double[][] out = new double[x.length][];
        Choice[] chosen = new Choice[x.length];
        for (int t = 0; t < x.length; t++) {
            double[] middle = sum(x[t], attended[t]);
            double[] h = norm(prefix + "post_attention_layernorm.weight", middle);
            double[] fed;
            if (dense) {
                fed = parameters.swiGlu(prefix + "mlp.", h);
            } else {
                chosen[t] = mixture.choose(prefix + "mlp.", h);
                fed = mixture.mix(prefix + "mlp.", h, chosen[t]);
            }
            out[t] = sum(middle, fed);
        }
        if (!dense) {
            choices.add(chosen);
        }
        return out;
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
            for (Choice[] ofMixture : routed) {
                balance += length * mixture.balanceLoss(ofMixture);
            }
            rows += length;
            choices.add(routed);
        }
        main /= mainTargets;
        ahead = aheadTargets == 0 ? 0 : ahead / aheadTargets;
        balance /= rows;
        return new Losses(main, ahead, balance, main + lambda * ahead + alpha * balance, choices);
    }

    private double[] norm(String name, double[] x) {
        return parameters.rmsNorm(name, x, config.rmsNormEpsilon());
    }

    private double[][] normEach(String name, double[][] rows) {
        return Arrays.stream(rows).map(row -> norm(name, row)).toArray(double[][]::new);
    }

    private static double[] concatenate(double[] a, double[] b) {
        double[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }
}
