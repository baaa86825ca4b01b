package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.Attention;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;

/**
 * Plans serving with prompts read (prefill) and answers written (decode) on separate units, as DeepSeek's service does (overview of the
 * inference system, February 2025): within a unit, attention is data parallel and experts are spread over all devices; two micro-batches take
 * turns, so that tokens of one travel while the other computes. A dense model is split over the devices of a unit (tensor parallel).
 */
public final class ServingPlanner {
    /** Device context and workspaces, as in training. */
    private static final double RESERVE = 3e9;

    private final ModelShape shape;
    private final Hardware hardware;
    private final Precision precision;
    private final Calibration calibration;

    public ServingPlanner(ModelShape shape, Hardware hardware, Precision precision, Calibration calibration) {
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
     * @param redundant extra copies of experts on every device
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
        /** DeepSeek's 24 hours from 27 February 2025. */
        public static final Workload FEBRUARY_2025 = new Workload(32, 144, 4989, 0.563, 21, 1, 608e9, 168e9);
    }

    /**
     * A plan.
     *
     * @param batch sequences under way per decode device
     * @param stepSeconds time per output token
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
            double stepSeconds,
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
        double prefill = 1
                / prefillSeconds(work)
                * hardware.devicesPerNode()
                / (1 - work.cacheHits())
                * calibration.prefillLoad().value();
        double limit = 1 / work.tokensPerSecond();
        double byMemory =
                (hardware.memoryBytes().value() - weightBytes(work) - RESERVE) / (work.context() * cacheBytes());
        if (byMemory < 1) {
            throw new PlanException(String.format(
                    java.util.Locale.ROOT,
                    "--decode-gpus: found %d, expected more: the weights take %.1f GB of %.0f GB per device and leave no room"
                            + " for one sequence of %.0f tokens",
                    work.decodeDevices(),
                    weightBytes(work) / 1e9,
                    hardware.memoryBytes().value() / 1e9,
                    work.context()));
        }
        double byTime = batchFor(work, limit);
        double batch = Math.min(byTime, byMemory);
        double step = decodeSeconds(work, batch);
        double decode = batch
                / step
                * hardware.devicesPerNode()
                * calibration.decodeLoad().value();
        double prefillNodes = work.inputPerDay() / 86400 / prefill;
        double decodeNodes = work.outputPerDay() / 86400 / decode;
        double nodeDay = hardware.devicesPerNode() * hardware.dollarsPerHour().value() * 24;
        return new ServingPlan(
                work,
                batch,
                step,
                prefill,
                decode,
                prefillNodes,
                decodeNodes,
                shape.keyValueBytesPerToken(2),
                weightBytes(work) + batch * work.context() * cacheBytes() + RESERVE,
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
        return 2 * shape.layers() * travelSeconds(batch, bytesPerSecond);
    }

    private double travelSeconds(double batch, double bytesPerSecond) {
        Experts experts = shape.experts();
        double picks = experts == null ? 0 : experts.perToken() + experts.shared();
        return 3.0 * batch * picks * shape.hidden() / bytesPerSecond;
    }

    /** Seconds of one device per prompt token that is computed. */
    private double prefillSeconds(Workload work) {
        int tensor = shape.experts() == null ? work.prefillDevices() : 1;
        Layout layout = new Layout(
                1,
                shape.experts() == null ? 1 : work.prefillDevices(),
                tensor,
                1,
                ScheduleKind.ONE_F_ONE_B,
                1,
                1,
                0,
                Recomputation.NONE,
                precision);
        ComputeModel compute = new ComputeModel(shape, hardware, layout, calibration);
        // A prompt token sees the cached part of its prompt and on average half of the rest; a causal sequence of twice
        // that length costs the same.
        double sees = work.context() * (work.cacheHits() + (1 - work.cacheHits()) / 2);
        double tokens = 4096.0 * tensor;
        StageCost cost =
                compute.cost(new StagePart(shape.denseLayers(), shape.mixtureLayers(), 0, true, 0), tokens, 2 * sees);
        double seconds = Math.max(calibration.pairedSlowdown().value() * cost.forward(), cost.allToAll());
        return seconds / 4096;
    }

    /** The batch per device whose step takes this long; steps take longer with more sequences. */
    private double batchFor(Workload work, double seconds) {
        if (decodeSeconds(work, 1) > seconds) {
            throw new PlanException(String.format(
                    java.util.Locale.ROOT,
                    "--tokens-per-second: found %.1f, expected at most %.1f: a step of one sequence takes %.1f ms",
                    work.tokensPerSecond(),
                    1 / decodeSeconds(work, 1),
                    decodeSeconds(work, 1) * 1e3));
        }
        double low = 1;
        double high = 1 << 20;
        for (int i = 0; i < 100; i++) {
            double middle = Math.sqrt(low * high);
            if (decodeSeconds(work, middle) <= seconds) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Seconds of one step that writes one token for each of {@code batch} sequences per device. */
    public double decodeSeconds(Workload work, double batch) {
        double memory =
                hardware.memoryBytesPerSecond().value() * calibration.memory().value();
        double dense = hardware.gemm(precision) * calibration.denseLinear().value();
        double routed = hardware.gemm(precision) * calibration.routedLinear().value();
        Precision wide = precision == Precision.FP8 ? Precision.BF16 : precision;
        double attend = hardware.gemm(wide) * calibration.decodeAttention().value();
        double weight = precision == Precision.FP8 ? 1 : precision == Precision.BF16 ? 2 : 4;
        Experts experts = shape.experts();
        int tensor = experts == null ? work.decodeDevices() : 1;
        int turns = experts == null ? 1 : 2; // micro-batches, each of which reads all weights
        double each = batch / turns;
        double sequences = batch * tensor; // whose heads a device has its share of
        double seconds = 0;
        for (int layer = 0; layer < shape.layers(); layer++) {
            boolean mixture = experts != null && layer >= shape.denseLayers();
            double common = (double) shape.commonMatrices(mixture) / tensor;
            double compute = turns * Math.max(common * weight / memory, 2 * each * tensor * common / dense);
            if (experts != null && mixture) {
                double held = Math.ceil((double) experts.routed() / work.decodeDevices()) + work.redundant() - 1;
                held = Math.max(1, Math.min(experts.routed(), held)) * (double) shape.expertParameters();
                compute += turns * Math.max(held * weight / memory, 2 * each * shape.routedMatrices(true) / routed);
            }
            compute += Math.max(
                    sequences * decodeFlops(work.context()) / tensor / attend,
                    batch * work.context() * cacheBytes() / shape.layers() / memory);
            double travel = mixture
                    ? turns
                            * travelSeconds(
                                    each,
                                    work.decodeDevices() > hardware.devicesPerNode()
                                            ? hardware.networkBytesPerSecond().value()
                                            : hardware.nodeBytesPerSecond().value())
                    : 0;
            double share = tensor == 1
                    ? 0
                    : 4
                            * 2.0
                            * sequences
                            * shape.hidden()
                            * (tensor - 1)
                            / tensor
                            / hardware.nodeBytesPerSecond().value();
            seconds += Math.max(compute, travel) + share;
        }
        double head = (double) shape.tableParameters() / tensor;
        return seconds
                + Math.max(
                        head * 2 / memory,
                        2
                                * batch
                                * tensor
                                * head
                                / (hardware.gemm(wide)
                                        * calibration.denseLinear().value()));
    }

    /** Attention of one sequence in one layer over its cache; MLA attends in the latent space (weight absorption). */
    private double decodeFlops(double context) {
        return switch (shape.attention()) {
            case Attention.Latent latent ->
                2.0 * context * latent.heads() * (2.0 * latent.keyValueRank() + latent.rope());
            case Attention.Grouped grouped -> 4.0 * context * grouped.heads() * grouped.headWidth();
        };
    }

    /** Bytes of cache per token; the devices of a tensor-parallel unit share the sequences' heads, so each holds that much for its own batch. */
    private double cacheBytes() {
        return shape.keyValueBytesPerToken(2);
    }

    private double weightBytes(Workload work) {
        double weight = precision == Precision.FP8 ? 1 : precision == Precision.BF16 ? 2 : 4;
        Experts experts = shape.experts();
        double tables = (shape.tied() ? 1 : 2) * (double) shape.tableParameters() * 2;
        if (experts == null) {
            return (((double) shape.parameters() - (shape.tied() ? 1 : 2) * shape.tableParameters()) * weight + tables)
                    / work.decodeDevices();
        }
        double common = (double) shape.denseLayers() * shape.commonParameters(false)
                + (double) shape.mixtureLayers() * shape.commonParameters(true);
        double held = Math.min(
                experts.routed(), Math.ceil((double) experts.routed() / work.decodeDevices()) + work.redundant() - 1);
        return (common + held * shape.mixtureLayers() * shape.expertParameters()) * weight + tables;
    }
}
