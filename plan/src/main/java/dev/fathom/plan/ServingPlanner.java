package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;
import java.util.Locale;

/**
 * Plans serving with prompts read (prefill) and answers written (decode) on separate units, as DeepSeek's service does (overview of the
 * inference system, February 2025): within a unit, attention is data parallel and experts are spread over all devices; two micro-batches take
 * turns, so that tokens of one travel while the other computes. A dense model is split over the devices of a unit (tensor parallel).
 */
public final class ServingPlanner {
    /** Device context and workspaces, as in training. */
    private static final double RESERVE = 3e9;

    /** Prompt tokens that a device reads at once, in two micro-batches (DeepSeek profile-data). */
    private static final double PROMPT_BATCH = 16384;

    private final ModelShape shape;
    private final Hardware hardware;
    private final Precision precision;
    private final InferenceCalibration calibration;

    public ServingPlanner(ModelShape shape, Hardware hardware, Precision precision, InferenceCalibration calibration) {
        this.shape = shape;
        this.hardware = hardware;
        this.precision = precision;
        this.calibration = calibration;
    }

    /**
     * What is asked of the service.
     *
     * @param prefillDevices of one prefill unit
     * @param decodeDevices of one decode unit
     * @param context mean tokens in the cache of a sequence that is being answered
     * @param cacheHits share of prompt tokens whose keys and values are found in a cache
     * @param tokensPerSecond that a user sees
     * @param redundant copies of experts beyond one of each, in a unit
     * @param inputPerDay prompt tokens per day
     * @param outputPerDay answer tokens per day
     */
    public record Workload(
            int prefillDevices,
            int decodeDevices,
            double context,
            double cacheHits,
            double tokensPerSecond,
            int redundant,
            double inputPerDay,
            double outputPerDay) {
        /**
         * Mean length of a prompt, if all requests are alike: while an answer is written, the cache holds the prompt and on average half of the answer.
         */
        double promptTokens() {
            return context / (1 + outputPerDay / inputPerDay / 2);
        }

        /** DeepSeek's 24 hours from 27 February 2025. */
        public static final Workload FEBRUARY_2025 = new Workload(32, 144, 4989, 0.563, 21, 32, 608e9, 168e9);
    }

    /** Copies of experts beyond one of each: one for eight, as DeepSeek's units have (32 for 256). */
    public static int redundant(ModelShape shape) {
        return shape.experts() == null ? 0 : shape.experts().routed() / 8;
    }

    /** Devices of a unit that serves a dense model: eight, or as many times two as it takes for weights to leave a quarter of the memory. */
    public int denseUnit() {
        int devices = 8;
        while (shape.attention().heads() % (2 * devices) == 0
                && model(devices, 0).weightBytes()
                        > 0.75 * hardware.memoryBytes().value()) {
            devices *= 2;
        }
        return devices;
    }

    /**
     * A plan.
     *
     * @param batch sequences under way per decode device
     * @param secondsPerToken time per output token of a sequence
     * @param prefillPerNode prompt tokens per second and node, cache hits included
     * @param decodePerNode answer tokens per second and node
     * @param prefillNodes nodes for the day's prompts
     * @param decodeNodes nodes for the day's answers
     * @param cacheBytes keys and values per token
     * @param memoryBytes on a decode device
     * @param bound what limits the batch: time or memory
     * @param networkBound smallest time per output token that the network between nodes allows for two micro-batches of 32
     * @param domainBound the same over the fast links, where a unit lies in one node
     */
    public record ServingPlan(
            Workload workload,
            double batch,
            double secondsPerToken,
            double prefillPerNode,
            double decodePerNode,
            double prefillNodes,
            double decodeNodes,
            double cacheBytes,
            double memoryBytes,
            String bound,
            double networkBound,
            double domainBound,
            double dollarsPerDay,
            double dollarsPerMillionInput,
            double dollarsPerMillionOutput) {}

    public ServingPlan plan(Workload work) {
        check(work);
        double prefill = promptsPerSecond(work) * hardware.devicesPerNode();
        InferenceModel decoder = model(work.decodeDevices(), work.redundant());
        double free = hardware.memoryBytes().value() - decoder.weightBytes() - RESERVE;
        double byMemory = free / (work.context() * cacheBytes());
        if (byMemory < 1) {
            throw new PlanException(String.format(
                    Locale.ROOT,
                    "--decode-gpus: found %d, expected more: the weights take %.1f GB of %.0f GB per device and leave no room"
                            + " for one sequence of %.0f tokens",
                    work.decodeDevices(),
                    decoder.weightBytes() / 1e9,
                    hardware.memoryBytes().value() / 1e9,
                    work.context()));
        }
        double byTime = batchFor(work);
        double batch = Math.min(byTime, byMemory);
        double perToken = secondsPerToken(work.decodeDevices(), work.redundant(), batch, work.context());
        double decode = batch / perToken * hardware.devicesPerNode();
        double prefillNodes = work.inputPerDay() / 86400 / prefill;
        double decodeNodes = work.outputPerDay() / 86400 / decode;
        double nodeDay = hardware.devicesPerNode() * hardware.dollarsPerHour().value() * 24;
        return new ServingPlan(
                work,
                batch,
                perToken,
                prefill,
                decode,
                prefillNodes,
                decodeNodes,
                cacheBytes(),
                decoder.weightBytes() + batch * work.context() * cacheBytes() + RESERVE,
                byTime <= byMemory ? "time per output token" : "memory",
                bound(32, hardware.networkBytesPerSecond().value()),
                bound(32, hardware.nodeBytesPerSecond().value()),
                (prefillNodes + decodeNodes) * nodeDay,
                nodeDay / (prefill * 86400) * 1e6,
                nodeDay / (decode * 86400) * 1e6);
    }

    private void check(Workload work) {
        Experts experts = shape.experts();
        if (!(work.cacheHits() >= 0 && work.cacheHits() < 1)) {
            throw PlanException.of("--cache-hits", work.cacheHits(), "a share from 0 to below 1");
        }
        if (!(work.tokensPerSecond() > 0)) {
            throw PlanException.of("--tokens-per-second", work.tokensPerSecond(), "a number above 0");
        }
        if (!(work.context() >= 1)) {
            throw PlanException.of("--context", work.context(), "at least 1");
        }
        if (work.prefillDevices() < 1 || work.decodeDevices() < 1) {
            throw PlanException.of("--decode-gpus", work.decodeDevices(), "at least 1");
        }
        if (experts == null && shape.attention().heads() % work.decodeDevices() != 0) {
            throw PlanException.of(
                    "--decode-gpus",
                    work.decodeDevices(),
                    "a divisor of the " + shape.attention().heads() + " heads of a dense model; the nearest is "
                            + TrainingPlanner.nearestDivisor(shape.attention().heads(), work.decodeDevices()));
        }
        if (!hardware.has(precision)) {
            throw PlanException.of("--precision", precision.key(), "one that " + hardware.name() + " has");
        }
    }

    /**
     * The least time per output token that moving tokens to experts and back allows (DeepSeek ISCA 2025, section 2.3.2): two micro-batches, every
     * layer, dispatch in FP8 and combine in BF16, the shared expert as one more.
     *
     * @param batch tokens of a device and micro-batch
     */
    public double bound(double batch, double bytesPerSecond) {
        Experts experts = shape.experts();
        double picks = experts == null ? 0 : experts.perToken() + experts.shared();
        return 2 * shape.layers() * 3.0 * batch * picks * shape.hidden() / bytesPerSecond;
    }

    /** Prompt tokens that a device reads per second of an average hour, those included that are found in a cache. */
    private double promptsPerSecond(Workload work) {
        InferenceModel reader = model(work.prefillDevices(), work.redundant());
        int split = shape.experts() == null ? work.prefillDevices() : 1;
        // A token sees the cached part of its prompt and on average half of the rest.
        double attended = work.promptTokens() * (work.cacheHits() + (1 - work.cacheHits()) / 2);
        double tokens = PROMPT_BATCH * split;
        double cached = tokens * work.cacheHits() / (1 - work.cacheHits());
        double seconds = reader.promptSeconds(tokens, attended, cached);
        return PROMPT_BATCH
                / seconds
                * balance(work.prefillDevices())
                * calibration.dayLoad().value()
                / (1 - work.cacheHits());
    }

    /**
     * Seconds between a sequence's tokens, with the speculation that the model is made for and with experts as unevenly busy as was measured.
     *
     * @param devices of a unit
     * @param redundant copies of experts beyond one of each, in the unit
     * @param batch sequences under way per device
     * @param context tokens in the cache of a sequence
     */
    double secondsPerToken(int devices, int redundant, double batch, double context) {
        boolean drafts = shape.predictionModules() > 0;
        double step = model(devices, redundant).stepSeconds(batch, drafts ? 2 : 1, context);
        double perStep = step / balance(devices) + calibration.betweenSteps().value() / 1e3;
        return perStep / (drafts ? calibration.speculation().value() : 1);
    }

    /** The batch per device that just gives users the speed that was asked for. */
    private double batchFor(Workload work) {
        double limit = 1 / work.tokensPerSecond();
        double least = secondsPerToken(work.decodeDevices(), work.redundant(), 1, work.context());
        if (least > limit) {
            throw new PlanException(String.format(
                    Locale.ROOT,
                    "--tokens-per-second: found %.1f, expected at most %.1f, the speed of one sequence per device",
                    work.tokensPerSecond(),
                    1 / least));
        }
        double low = 1;
        double high = 1 << 20;
        for (int i = 0; i < 60; i++) {
            double middle = Math.sqrt(low * high);
            if (secondsPerToken(work.decodeDevices(), work.redundant(), middle, work.context()) <= limit) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    private double balance(int devices) {
        return shape.experts() == null || devices == 1
                ? 1
                : calibration.balance().value();
    }

    private InferenceModel model(int devices, int redundant) {
        return new InferenceModel(shape, hardware, precision, calibration, devices, redundant);
    }

    /** Per token; the devices of a tensor-parallel unit share the sequences' heads, so each holds that much for its own batch. */
    private double cacheBytes() {
        return shape.keyValueBytesPerToken(2);
    }
}
