package dev.fathom.plan;

import dev.fathom.plan.Calibration.Constant;
import java.util.List;

/**
 * What {@link Calibration} is for training: measurements of others that an inference plan rests on. None was chosen with the help of a day's throughput or
 * of a run's hours; docs/plan.md says what comes out.
 *
 * @param linear share of the measured matrix product that linear layers reach on many tokens
 * @param routed the same for routed experts
 * @param promptAttention share of the measured BF16 product that attention over a prompt reaches
 * @param promptRest bytes per token, layer and hidden value that pass through memory between the matrix products when a prompt is read
 * @param streaming share of the memory bandwidth at which weights are read when tokens are few
 * @param memory share of the memory bandwidth at which a cache is read
 * @param decodeAttention share of the measured BF16 product that attention over a cache reaches
 * @param decodeRest microseconds per layer and micro-batch between the matrix products of a decoding step
 * @param betweenSteps milliseconds per decoding step that the device waits for its host
 * @param lowLatency share of the link that all-to-all kernels for few tokens reach
 * @param speculation tokens per step and sequence when a multi-token-prediction module drafts one
 * @param balance throughput with real routing, relative to perfectly balanced experts
 * @param dayLoad work of an average hour per node in use, relative to the best hour
 */
public record InferenceCalibration(
        Constant linear,
        Constant routed,
        Constant promptAttention,
        Constant promptRest,
        Constant streaming,
        Constant memory,
        Constant decodeAttention,
        Constant decodeRest,
        Constant betweenSteps,
        Constant lowLatency,
        Constant speculation,
        Constant balance,
        Constant dayLoad) {

    private static final String TRACE = "measured: DeepSeek profile-data, train.json (forward layers of 4,096 tokens on"
            + " an H800, 20 of 132 SMs communicating): ";

    public static final InferenceCalibration PUBLISHED = new InferenceCalibration(
            new Constant(
                    "linear",
                    0.677,
                    "share of the measured GEMM that linear layers reach on many tokens",
                    TRACE + "2.070 ms for 1.894 TFLOP"),
            new Constant(
                    "routed",
                    0.738,
                    "share of the measured GEMM that routed experts reach",
                    TRACE
                            + "2.898 ms for 2.886 TFLOP; DeepGEMM's release gives the same for two experts of 512 tokens"),
            new Constant(
                    "promptAttention",
                    0.699,
                    "share of the measured BF16 GEMM that attention over a prompt reaches",
                    TRACE + "1.237 ms for 0.687 TFLOP"),
            new Constant(
                    "promptRest",
                    282,
                    "bytes per token, layer and hidden value between the products of a prompt (norms, quantization, routing)",
                    TRACE + "2.762 ms of other kernels, at 3,000 GB/s"),
            new Constant(
                    "streaming",
                    0.659,
                    "share of the memory bandwidth at which weights are read for few tokens",
                    "measured: DeepGEMM release, February 2025: five matrices of V3 on 128 tokens, 214 MB in 97.2 us"),
            new Constant(
                    "memory",
                    3000.0 / 3350,
                    "share of the memory bandwidth at which a cache is read",
                    "measured: FlashMLA release, February 2025: 3,000 of 3,350 GB/s on H800"),
            new Constant(
                    "decodeAttention",
                    580 / 794.5,
                    "share of the measured BF16 GEMM that attention over a cache reaches when it is bound by computing",
                    "measured: FlashMLA release, February 2025: 580 TFLOPS on H800 (660 since April 2025)"),
            new Constant(
                    "decodeRest",
                    54,
                    "microseconds per layer and micro-batch between the products of a step (norms, rotation, quantization, routing)",
                    "measured: DeepSeek profile-data, decode.json, kernel times as listed in zdszero.github.io,"
                            + " \"deepseek profile\" (December 2025)"),
            new Constant(
                    "betweenSteps",
                    3.5,
                    "milliseconds per decoding step that the device waits for its host",
                    "measured: RTP-LLM on 144 H800 (DeepSeek replay report, 2025): 1.5 ms between steps, 2 ms of launching"),
            new Constant(
                    "lowLatency",
                    39.0 / 50,
                    "share of the link that low-latency all-to-all kernels reach",
                    "measured: DeepEP release, February 2025: 39 of 50 GB/s with 128 and 256 devices"),
            new Constant(
                    "speculation",
                    1.8,
                    "tokens per step and sequence when the multi-token-prediction module drafts one",
                    "published: DeepSeek-V3 report, section 5.4.3"),
            new Constant(
                    "balance",
                    50302.0 / 59337,
                    "throughput with real routing and redundant experts, relative to perfect balance",
                    "measured: SGLang reading prompts on 32 H100 (LMSYS, 5 May 2025): 50,302 against 59,337 tokens/s and"
                            + " node; taken over for answers"),
            new Constant(
                    "dayLoad",
                    0.925,
                    "work of an average hour per node in use, relative to the best hour",
                    "published: DeepSeek inference overview, chart of hourly income and nodes: $103.3 per node and hour"
                            + " over the day, $111.7 at 22:00; taking the best hour for full is our assumption"));

    /** All of them, in the order of the record. */
    public List<Constant> constants() {
        return List.of(
                linear,
                routed,
                promptAttention,
                promptRest,
                streaming,
                memory,
                decodeAttention,
                decodeRest,
                betweenSteps,
                lowLatency,
                speculation,
                balance,
                dayLoad);
    }
}
