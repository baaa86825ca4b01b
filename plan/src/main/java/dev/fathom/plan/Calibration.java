package dev.fathom.plan;

import java.util.List;

/**
 * The numbers that are measurements of others, not consequences of a config: how much of a device's best matrix product, memory
 * bandwidth or link real training reaches; {@link InferenceCalibration} is the same for inference. There is one of each for all models,
 * devices and layouts; {@code --explain} prints them.
 *
 * @param denseLinear share of the measured matrix product that dense linear layers reach, with everything between them
 * @param routedLinear the same for routed experts (grouped products, permutation)
 * @param attention share of the measured BF16 product that the attention's forward pass reaches
 * @param attentionBackward rate of its backward pass relative to the forward pass
 * @param pairedSlowdown how much longer a forward and a backward chunk compute when they are overlapped and share the device with
 *     communication kernels
 * @param memory share of the memory bandwidth that streaming kernels reach
 * @param logitBytes bytes per logit that pass through memory, forward and backward
 * @param reserve gigabytes of a device that nothing of the model gets
 * @param checkpointRate gigabytes per second that a node writes of a checkpoint
 * @param restart seconds from a failure to the first step after it
 */
public record Calibration(
        Constant denseLinear,
        Constant routedLinear,
        Constant attention,
        Constant attentionBackward,
        Constant pairedSlowdown,
        Constant memory,
        Constant logitBytes,
        Constant reserve,
        Constant checkpointRate,
        Constant restart) {

    /**
     * One calibrated number.
     *
     * @param name as printed
     * @param meaning what it is
     * @param source the published measurement
     */
    public record Constant(String name, double value, String meaning, String source) {
        Constant with(double other, String otherSource) {
            return new Constant(name, other, meaning, otherSource);
        }
    }

    /** What published measurements give; docs/plan.md shows how each was found. */
    public static final Calibration PUBLISHED = new Calibration(
            new Constant(
                    "denseLinear",
                    0.743,
                    "share of the measured GEMM that dense linear layers sustain",
                    "calibrated: 530B GPT on 2,240 A100, MFU 54.2 % (Korthikanti et al., MLSys 2023, arXiv 2205.05198)"),
            new Constant(
                    "routedLinear",
                    0.367,
                    "share of the measured GEMM that routed experts sustain",
                    "calibrated: 0.48 s of weight-only chunks per step (DeepSeek ISCA 2025, Table 4)"),
            new Constant(
                    "attention",
                    0.475,
                    "share of the measured BF16 GEMM that attention sustains, forward",
                    "calibrated: 119K GPU hours of context extension (DeepSeek-V3 report, Table 1)"),
            new Constant(
                    "attentionBackward",
                    0.76,
                    "rate of attention's backward pass relative to forward",
                    "assumption: about three quarters, the order that FlashAttention-2 and -3 report"),
            new Constant(
                    "pairedSlowdown",
                    1.103,
                    "computing time of an overlapped forward-and-backward pair, relative to the two alone",
                    "calibrated: 13.95 s of overlapped pairs per step (DeepSeek ISCA 2025, Table 4); 20 of 132 SMs"
                            + " communicate, which bounds it by 1.18"),
            new Constant(
                    "memory",
                    3000.0 / 3350,
                    "share of the memory bandwidth that streaming kernels reach",
                    "published: FlashMLA, 3,000 of 3,350 GB/s on H800"),
            new Constant(
                    "logitBytes",
                    34,
                    "bytes per logit that pass through memory in a training step",
                    "counted for an unfused cross-entropy: BF16 written 2, cast 6, softmax 8, gradient 8, cast 6, read twice 4"),
            new Constant(
                    "reserve",
                    3,
                    "GB of a device for its context, libraries' workspaces and fragmentation",
                    "assumption, as whoever plans a cluster has to make one"),
            new Constant(
                    "checkpointRate",
                    10 * 1.073741824,
                    "GB per second that a node writes of a checkpoint",
                    "published: Fire-Flyer AI-HPC, section VII, more than 10 GiB/s"),
            new Constant(
                    "restart",
                    300,
                    "seconds from a failure to the first step after it: found, node replaced, started again",
                    "assumption"));

    /** The same for a machine whose training steps were timed: one share of its matrix product for everything a step computes. */
    public Calibration withTrainingShare(double share, String source) {
        return new Calibration(
                denseLinear.with(share, source),
                routedLinear.with(share, source),
                attention.with(share, source),
                attentionBackward.with(1, source),
                pairedSlowdown.with(1, source),
                memory,
                logitBytes,
                reserve.with(0.3, "assumption: what a JVM takes beside the model"),
                checkpointRate,
                restart);
    }

    /** All of them, in the order of the record. */
    public List<Constant> constants() {
        return List.of(
                denseLinear,
                routedLinear,
                attention,
                attentionBackward,
                pairedSlowdown,
                memory,
                logitBytes,
                reserve,
                checkpointRate,
                restart);
    }
}
