package dev.fathom.bench;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigBuilder;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A model and how much of it is computed at a time: what two engines must have in common to be compared.
 *
 * <p>{@code w2} is the model of the PyTorch peer up to a permutation: the peer rotates the pairs (i, i + n/2) of a query where DeepSeek's
 * released code rotates (2i, 2i + 1), and projects {@code [norm(h); norm(e)]} in multi-token prediction where ours projects {@code [norm(e);
 * norm(h)]}. Both only name rows and columns of matrices that start at random differently; sizes, operations and losses are the same.
 *
 * @param name as {@code --workload} takes it
 * @param description one line for people
 * @param model what computes
 * @param sequences in a training step, or generated at the same time in a rollout
 * @param length tokens of a sequence that are predicted in training; tokens of a prompt in a rollout
 * @param responseLength tokens sampled after each prompt in a rollout, 0 for training
 */
public record Workload(
        String name, String description, ModelShape model, int sequences, int length, int responseLength) {

    /** Context of nanoGPT's setting for CPUs. */
    static final int NANOGPT_CONTEXT = 64;

    private static final List<Workload> TRAINING = List.of(
            new Workload("w1", "dense: 6 Llama layers of width 256; 16 x 256 tokens a step", w1(), 16, 256, 0),
            training("w2", "DeepSeek style: MLA, 16 experts top-2, MTP; 16 x 256 tokens a step", w2().build(), 16, 256),
            training(
                    "odd",
                    "w2 where nothing is a power of two: width 320, 5 layers, 24 experts top-3, 16 x 200 tokens",
                    w2().hiddenSize(320)
                            .numHiddenLayers(5)
                            .numRoutedExperts(24)
                            .numExpertsPerToken(3)
                            .build(),
                    16,
                    200),
            new Workload(
                    "gpt2",
                    "GPT-2 of 124 M parameters as llm.c trains it on CPUs; 4 x 64 tokens a step",
                    // llm.c pads the vocabulary of 50,257.
                    new ModelShape.Gpt2(Gpt2Config.small(50_304)),
                    4,
                    64,
                    0),
            new Workload(
                    "nanogpt",
                    "nanoGPT's setting for CPUs: 4 layers of width 128; 12 x 64 characters a step",
                    nanoGpt(65),
                    12,
                    NANOGPT_CONTEXT,
                    0),
            training("tiny", "a toy to try the commands with: its speed says nothing", tiny().build(), 4, 24));

    private static final List<Workload> ROLLOUTS = List.of(
            new Workload(
                    "w3",
                    "w2's main model: 256 prompts of 16 tokens, 64 new tokens each, temperature 1",
                    new ModelShape.Deepseek(w2().numNextnPredictLayers(0).build()),
                    256,
                    16,
                    64),
            new Workload(
                    "tiny",
                    "a toy to try the commands with: its speed says nothing",
                    new ModelShape.Deepseek(tiny().numNextnPredictLayers(0).build()),
                    8,
                    4,
                    6));

    private static Workload training(
            String name, String description, DeepseekConfig config, int sequences, int length) {
        return new Workload(name, description, new ModelShape.Deepseek(config), sequences, length, 0);
    }

    private static ModelShape w1() {
        return new ModelShape.Llama(LlamaConfig.builder()
                .vocabSize(4096)
                .hiddenSize(256)
                .intermediateSize(688)
                .numHiddenLayers(6)
                .numAttentionHeads(4)
                .numKeyValueHeads(4)
                .headDim(64)
                .maxPositionEmbeddings(1024)
                .tieWordEmbeddings(true)
                .initializerRange(0.02)
                .build());
    }

    /** Without biases, as nanoGPT does by default. */
    static ModelShape nanoGpt(int vocabulary) {
        return new ModelShape.Gpt2(new Gpt2Config(vocabulary, NANOGPT_CONTEXT, 128, 4, 4, 1e-5, false, 0.02));
    }

    private static DeepseekConfigBuilder w2() {
        return DeepseekConfig.builder()
                .vocabSize(4096)
                .hiddenSize(256)
                .intermediateSize(688)
                .moeIntermediateSize(128)
                .numHiddenLayers(6)
                .firstKDenseReplace(1)
                .numAttentionHeads(4)
                .queryLoraRank(null)
                .keyValueLoraRank(64)
                .nopeHeadDim(32)
                .ropeHeadDim(16)
                .valueHeadDim(32)
                .numRoutedExperts(16)
                .numSharedExperts(1)
                .numExpertsPerToken(2)
                .routedScalingFactor(1)
                .maxPositionEmbeddings(1024)
                .numNextnPredictLayers(1)
                .tieWordEmbeddings(true)
                .initializerRange(0.02);
    }

    private static DeepseekConfigBuilder tiny() {
        return w2().vocabSize(67)
                .hiddenSize(32)
                .intermediateSize(40)
                .moeIntermediateSize(12)
                .numHiddenLayers(2)
                .numAttentionHeads(2)
                .keyValueLoraRank(16)
                .nopeHeadDim(8)
                .ropeHeadDim(4)
                .valueHeadDim(8)
                .numRoutedExperts(4);
    }

    /** The training workload of this name. */
    public static Workload training(String name) {
        return find(name, TRAINING, "training");
    }

    /** The rollout workload of this name. */
    public static Workload rollout(String name) {
        return find(name, ROLLOUTS, "rollout");
    }

    private static Workload find(String name, List<Workload> workloads, String kind) {
        return workloads.stream()
                .filter(workload -> workload.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no " + kind + " workload is called \"" + name
                        + "\"; there are: "
                        + workloads.stream().map(Workload::name).collect(Collectors.joining(", "))));
    }

    /** The same with another number of sequences. */
    Workload withSequences(int number) {
        return new Workload(name, description, model, number, length, responseLength);
    }

    /** Sampling from the same model, many more sequences at a time and each shorter: of w2, w3. */
    Workload rollout() {
        return new Workload(
                name, description, model, 16 * sequences, Math.max(1, length / 16), Math.max(2, length / 4));
    }

    /** Rows of a training step. */
    public long tokens() {
        return (long) sequences * length;
    }

    /** Multiplications and additions of a training step per token, forward and backward. */
    public double trainingFlopPerToken() {
        return model.trainingFlopPerToken(length);
    }
}
