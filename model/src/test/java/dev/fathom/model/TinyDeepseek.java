package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.Tape;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigBuilder;
import dev.fathom.model.config.YarnScaling;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Models of odd little shapes with random weights, their parameters as the oracle reads them, and a training pass over
 * them.
 */
final class TinyDeepseek {
    private TinyDeepseek() {}

    /**
     * Widths that are no multiple of any vector, three heads, six experts of which two are chosen, a dense first
     * layer, MTP.
     */
    static DeepseekConfigBuilder shape() {
        return DeepseekConfig.builder()
                .vocabSize(29)
                .hiddenSize(20)
                .intermediateSize(27)
                .moeIntermediateSize(9)
                .numHiddenLayers(2)
                .firstKDenseReplace(1)
                .numAttentionHeads(3)
                .queryLoraRank(11)
                .keyValueLoraRank(7)
                .nopeHeadDim(6)
                .ropeHeadDim(4)
                .valueHeadDim(5)
                .numRoutedExperts(6)
                .numSharedExperts(1)
                .numExpertsPerToken(2)
                .numNextnPredictLayers(1)
                .maxPositionEmbeddings(64)
                .initializerRange(0.25);
    }

    /** Query latent, no groups, untied head, MTP. */
    static final DeepseekConfig LATENT_QUERY = shape().build();

    /**
     * Query straight from the hidden state, two of three groups kept, two shared experts, the head tied to the table.
     */
    static final DeepseekConfig DIRECT_QUERY = shape().queryLoraRank(null)
            .numGroups(3)
            .topGroups(2)
            .numSharedExperts(2)
            .tieWordEmbeddings(true)
            .build();

    /**
     * YaRN whose ramp lies inside the rotated pairs, gates that are not normalised, two dense layers of three, no MTP.
     */
    static final DeepseekConfig YARN = shape().numHiddenLayers(3)
            .firstKDenseReplace(2)
            .ropeHeadDim(8)
            .ropeTheta(100)
            .ropeScaling(new YarnScaling(4, 64, 4, 0.2, 1, 1))
            .maxPositionEmbeddings(256)
            .numGroups(3)
            .topGroups(1)
            .normalizeTopK(false)
            .routedScalingFactor(1.5)
            .numNextnPredictLayers(0)
            .build();

    /** Experts from the first layer on, YaRN and MTP together. */
    static final DeepseekConfig ALL_EXPERTS = YARN.toBuilder()
            .numHiddenLayers(2)
            .firstKDenseReplace(0)
            .topGroups(3)
            .normalizeTopK(true)
            .numNextnPredictLayers(1)
            .build();

    /** A model in which nothing is special: norm weights away from 1, routing biases away from 0. */
    static DeepseekModel model(DeepseekConfig config, Engine engine, long seed) {
        DeepseekModel model = DeepseekModel.random(config, engine, seed);
        Random random = new Random(seed);
        for (Parameter parameter : model.parameters()) {
            if (parameter.name().endsWith("norm.weight")) {
                fill(parameter.value(), random, 1, 0.3);
            } else if (parameter.name().endsWith("e_score_correction_bias")) {
                fill(parameter.value(), random, 0, 0.1);
            }
        }
        model.refresh();
        return model;
    }

    private static void fill(Tensor tensor, Random random, double mean, double deviation) {
        for (int i = 0; i < tensor.size(); i++) {
            tensor.set(0, i, (float) (mean + deviation * random.nextGaussian()));
        }
    }

    /** Every tensor of the model's checkpoint under its released name. */
    static Map<String, double[]> parameters(TrainableModel model) {
        Map<String, double[]> parameters = new LinkedHashMap<>();
        for (NamedTensor tensor : model.checkpointTensors()) {
            parameters.put(tensor.name(), doubles(tensor.view()));
        }
        return parameters;
    }

    /**
     * Every trained tensor's gradient under its released name: gradients lie in a buffer of the same layout as the
     * values.
     */
    static Map<String, double[]> gradients(TrainableModel model) {
        Map<String, double[]> gradients = new LinkedHashMap<>();
        long values = model.parameters().values().address();
        for (NamedTensor tensor : model.checkpointTensors()) {
            if (!tensor.name().endsWith("e_score_correction_bias")) {
                long offset = (tensor.view().address() - values) / Float.BYTES;
                Tensor gradient = model.parameters()
                        .gradients()
                        .slice(offset, tensor.view().size());
                gradients.put(tensor.name(), doubles(gradient));
            }
        }
        return gradients;
    }

    static double[] doubles(Tensor tensor) {
        float[] floats = tensor.toFloats();
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    /** Random sequences of these lengths. */
    static List<int[]> sequences(DeepseekConfig config, long seed, int... lengths) {
        return sequences(config.vocabSize(), seed, lengths);
    }

    static List<int[]> sequences(int vocabSize, long seed, int... lengths) {
        Random random = new Random(seed);
        List<int[]> sequences = new ArrayList<>();
        for (int length : lengths) {
            sequences.add(random.ints(length, 0, vocabSize).toArray());
        }
        return sequences;
    }

    /**
     * What the losses of an optimizer step are averaged over, so that a micro-batch knows its share.
     *
     * @param rows tokens read
     * @param targets tokens predicted
     * @param aheadTargets tokens predicted by the MTP module
     */
    record Totals(int rows, int targets, int aheadTargets) {
        static Totals of(List<int[]> sequences, int firstTarget) {
            int rows = 0;
            int targets = 0;
            int ahead = 0;
            for (int[] tokens : sequences) {
                rows += tokens.length - 1;
                targets += Math.max(0, tokens.length - Math.max(1, firstTarget));
                ahead += Math.max(0, tokens.length - Math.max(2, firstTarget));
            }
            return new Totals(rows, targets, ahead);
        }
    }

    /** Losses as {@link ReferenceDeepseek.Losses}; balance includes alpha. */
    record Losses(double main, double ahead, double balance) {}

    /**
     * Forward and backward pass over whole sequences, as a training step does it; gradients are added to the model's.
     *
     * @param firstTarget tokens before this index are read and not predicted
     */
    static Losses backward(
            DeepseekModel model,
            List<int[]> sequences,
            int firstTarget,
            float lambda,
            float alpha,
            Totals totals,
            RoutingLog log,
            Workspace workspace) {
        workspace.reset();
        Tape tape = new Tape();
        Ops ops = Ops.recording(model.engine(), workspace, tape);
        List<int[]> inputs = new ArrayList<>();
        List<Integer> next = new ArrayList<>();
        List<Integer> targets = new ArrayList<>();
        List<Integer> aheadTargets = new ArrayList<>();
        for (int[] tokens : sequences) {
            int length = tokens.length - 1;
            inputs.add(Arrays.copyOf(tokens, length));
            for (int t = 0; t < length; t++) {
                next.add(tokens[t + 1]);
                targets.add(t + 1 >= firstTarget ? tokens[t + 1] : -1);
                aheadTargets.add(t + 2 >= firstTarget && t + 1 < length ? tokens[t + 2] : -1);
            }
        }
        Batch batch = Batch.packed(inputs, workspace);
        log.setBalanceAlpha(alpha * batch.rows() / totals.rows);
        double balanceBefore = log.balanceLoss();
        LanguageModel.States states = model.forward(ops, batch, log);
        double main = crossEntropy(ops, model, states.normed(), targets, 1.0 / totals.targets);
        double ahead = 0;
        if (model.predictsMultipleTokens()) {
            Variable module = model.predictAhead(ops, states.hidden(), ints(next), batch, log);
            ahead = crossEntropy(ops, model, module, aheadTargets, lambda / Math.max(1, totals.aheadTargets));
        }
        tape.backward();
        return new Losses(main, lambda == 0 ? 0 : ahead / lambda, log.balanceLoss() - balanceBefore);
    }

    /** Weighted sum of the targets' negative log-probabilities; its gradient is put where the backward pass starts. */
    static double crossEntropy(Ops ops, LanguageModel model, Variable states, List<Integer> targets, double weight) {
        Variable logProbs =
                ops.tokenLogProbs(states, model.head(), ints(targets), 1).logProbs();
        double loss = 0;
        for (int n = 0; n < targets.size(); n++) {
            loss -= weight * logProbs.value().get(0, n);
            logProbs.gradient().set(0, n, targets.get(n) < 0 ? 0 : (float) -weight);
        }
        return loss;
    }

    /** One step of AdamW over everything that is trained; decay where the parameters say so. */
    static void adamW(
            Parameters parameters, Kernels kernels, float learningRate, float decay, float gradientScale, long step) {
        for (Parameters.Span span : parameters.trainedSpans()) {
            kernels.adamW(
                    span.of(parameters.values()),
                    span.of(parameters.gradients()),
                    span.of(parameters.firstMoments()),
                    span.of(parameters.secondMoments()),
                    learningRate,
                    0.9f,
                    0.95f,
                    1e-8f,
                    span.decay() ? decay : 0,
                    gradientScale,
                    step);
        }
    }

    static Tensor ints(List<Integer> values) {
        return Tensor.of(values.stream().mapToInt(Integer::intValue).toArray());
    }
}
