package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.schedule.Schedules;
import dev.fathom.plan.schedule.Simulator;
import dev.fathom.plan.schedule.Timeline;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;

/** Plans training: layout, pipeline, memory, step time, hours. */
public final class TrainingPlanner {
    private final Calibration calibration;

    public TrainingPlanner(Calibration calibration) {
        this.calibration = calibration;
    }

    /** @throws PlanException if the layout is impossible or does not fit into memory */
    public TrainingPlan plan(TrainingJob job) {
        StepPlan step = step(job, job.phases().getFirst());
        double capacity = job.cluster().hardware().memoryBytes().value();
        if (step.memoryBytes() > capacity) {
            throw new PlanException(String.format(
                    java.util.Locale.ROOT,
                    "memory: found %.1f GB on the fullest device (%s), expected at most the %.0f GB of %s: %.1f GB too much",
                    step.memoryBytes() / 1e9,
                    largest(step),
                    capacity / 1e9,
                    job.cluster().hardware().name(),
                    (step.memoryBytes() - capacity) / 1e9));
        }
        List<TrainingPlan.PhaseCost> costs = new ArrayList<>();
        for (TrainingPhase phase : job.phases()) {
            if (phase.givenHours() > 0) {
                double seconds = phase.givenHours() * 3600 / job.cluster().devices();
                costs.add(new TrainingPlan.PhaseCost(phase, 0, phase.givenHours(), seconds));
                continue;
            }
            double stepSeconds = phase == job.phases().getFirst()
                    ? step.seconds()
                    : step(job, phase).seconds();
            double seconds = phase.tokens() / phase.tokensPerStep() * stepSeconds;
            costs.add(new TrainingPlan.PhaseCost(
                    phase, stepSeconds, seconds * job.cluster().devices() / 3600, seconds));
        }
        return new TrainingPlan(job, step, costs, failures(job.shape(), job.cluster(), job.layout()));
    }

    private static String largest(StepPlan step) {
        return step.memory().entrySet().stream()
                .sorted((a, b) -> Double.compare(b.getValue(), a.getValue()))
                .limit(2)
                .map(e -> String.format(java.util.Locale.ROOT, "%s %.1f GB", e.getKey(), e.getValue() / 1e9))
                .reduce((a, b) -> a + ", " + b)
                .orElse("");
    }

    /** One step of a phase, whether or not it fits into memory. */
    public StepPlan step(TrainingJob job, TrainingPhase phase) {
        return simulate(outline(job, phase));
    }

    /**
     * A step before its pipeline is simulated, with bounds that tell whether simulating it is worth while.
     *
     * @param tokens of a micro-batch on the devices that share its matrices
     * @param optimizer seconds
     * @param leastSeconds of the step: what the busiest rank computes, as if it never waited
     * @param leastBytes of the fullest device
     */
    record Outline(
            TrainingJob job,
            TrainingPhase phase,
            Layout layout,
            List<StagePart> parts,
            List<StageCost> costs,
            int microBatches,
            double tokens,
            double optimizer,
            double leastSeconds,
            double leastBytes) {
        int replicas() {
            return layout.replicas(job.cluster().devices());
        }
    }

    /** @throws PlanException if the layout is impossible */
    Outline outline(TrainingJob job, TrainingPhase phase) {
        Layout layout = job.layout().withContext(Math.max(job.layout().context(), phase.context()));
        ModelShape shape = job.shape();
        Hardware hardware = job.cluster().hardware();
        check(shape, job.cluster(), layout, phase);
        long devices = job.cluster().devices();
        int microBatches = phase.batch() / layout.data(devices) / layout.microBatch();
        double tokens = (double) layout.microBatch() * phase.sequenceLength() / layout.context();

        ComputeModel compute = new ComputeModel(shape, hardware, layout, calibration);
        List<StagePart> parts = StagePart.split(
                shape, layout.stages(), split -> slowestRank(layout, split, compute, tokens, phase.sequenceLength()));
        List<StageCost> costs = parts.stream()
                .map(part -> compute.cost(part, tokens, phase.sequenceLength()))
                .toList();
        double optimizer = optimizer(shape, hardware, layout, parts, layout.replicas(devices));
        return new Outline(
                job,
                phase,
                layout,
                parts,
                costs,
                microBatches,
                tokens,
                optimizer,
                leastSeconds(layout, costs, microBatches) + optimizer,
                new MemoryModel(shape, layout, calibration).least(parts, tokens, layout.replicas(devices)));
    }

    /** Chunks alone wait for their all-to-all, overlapped ones compute longer: at least the shorter of the two. */
    private double leastSeconds(Layout layout, List<StageCost> costs, int microBatches) {
        double slowdown = calibration.pairedSlowdown().value();
        double busiest = 0;
        for (int rank = 0; rank < layout.pipeline(); rank++) {
            double seconds = 0;
            for (int stage : layout.stagesOf(rank)) {
                StageCost cost = costs.get(stage);
                double back = cost.input() + cost.weight();
                seconds += layout.schedule().isPaired()
                        ? Math.min(slowdown * cost.forward(), cost.forward() + cost.allToAll())
                                + Math.min(slowdown * back, back + cost.allToAll())
                        : cost.forward() + back + 2 * cost.allToAll();
            }
            busiest = Math.max(busiest, seconds);
        }
        // Each direction of DualPipe takes half of the micro-batches through both of a rank's stages.
        return busiest * microBatches / layout.mirrors();
    }

    StepPlan simulate(Outline outline) {
        Layout layout = outline.layout;
        ModelShape shape = outline.job.shape();
        ComputeModel compute = new ComputeModel(shape, outline.job.cluster().hardware(), layout, calibration);
        Timeline timeline = Simulator.run(
                Schedules.make(layout.schedule(), layout.pipeline(), outline.microBatches, layout.interleave()),
                compute.times(outline.costs, outline.tokens));
        return new StepPlan(
                timeline,
                outline.costs,
                outline.parts,
                outline.optimizer,
                outline.phase.tokensPerStep(),
                new MemoryModel(shape, layout, calibration)
                        .fullest(outline.parts, timeline, outline.tokens, outline.replicas()),
                outline.microBatches);
    }

    /** Computing of one micro-batch in all stages of the slowest rank; of equal ones the split with the shorter longest stage is better. */
    private static double slowestRank(
            Layout layout, List<StagePart> parts, ComputeModel compute, double tokens, double length) {
        double slowest = 0;
        double longest = 0;
        for (int rank = 0; rank < layout.pipeline(); rank++) {
            double seconds = 0;
            for (int stage : layout.stagesOf(rank)) {
                StageCost cost = compute.cost(parts.get(stage), tokens, length);
                double stageSeconds = cost.forward() + cost.input() + cost.weight();
                longest = Math.max(longest, stageSeconds);
                seconds += stageSeconds;
            }
            slowest = Math.max(slowest, seconds);
        }
        return slowest + 1e-3 * longest;
    }

    /** Gradients to their owners, their update, weights back: the slowest device counts, because all begin the next step together. */
    private double optimizer(ModelShape shape, Hardware hardware, Layout layout, List<StagePart> parts, int replicas) {
        CommunicationModel communication = new CommunicationModel(shape, hardware, layout);
        double memoryRate =
                hardware.memoryBytesPerSecond().value() * calibration.memory().value();
        double slowest = 0;
        for (int rank = 0; rank < layout.pipeline(); rank++) {
            double common = 0;
            double routed = 0;
            for (int stage : layout.stagesOf(rank)) {
                StagePart part = parts.get(stage);
                common += (part.commonParameters(shape) + part.tableParameters(shape)) / (double) layout.tensor();
                routed += part.routedParameters(shape) / (double) layout.expert() / layout.tensor();
            }
            int perNode = Math.max(1, hardware.devicesPerNode() / layout.tensor());
            int copies = replicas * layout.mirrors();
            int routedCopies = Math.max(1, replicas / layout.expert()) * layout.mirrors();
            int localCopies = Math.min(perNode, replicas);
            int localRouted = Math.max(1, localCopies / layout.expert());
            // FP32 gradients out, the weights of the next step (BF16, or FP32 where all is) back.
            double bytes = 4 + (layout.precision() == Precision.F32 ? 4 : 2);
            double travel = communication.allReduce(common, copies, localCopies, bytes)
                    + communication.allReduce(routed, routedCopies, localRouted, bytes);
            double shardCommon = layout.zero() > 0 ? common / copies : common;
            double shardRouted = layout.zero() > 0 ? routed / routedCopies : routed;
            // Every gradient is zeroed and read for the norm; of its shard a device reads and writes weight and two
            // moments.
            double stateBytes = layout.precision() == Precision.FP8 ? 16 : 24;
            double touched = (common + routed) * 8 + (shardCommon + shardRouted) * (4 + stateBytes);
            slowest = Math.max(slowest, travel + touched / memoryRate);
        }
        return slowest;
    }

    /** What failures cost a cluster that trains a model, with the best checkpoint interval. */
    public Failures failures(ModelShape shape, Cluster cluster, Layout layout) {
        double between = cluster.hardware().nodeHoursBetweenFailures().value() * 3600 / cluster.nodes();
        return Failures.best(
                between,
                checkpointSeconds(shape, cluster, layout),
                calibration.restart().value());
    }

    /** FP32 weights and both moments, written by all nodes at once. */
    private double checkpointSeconds(ModelShape shape, Cluster cluster, Layout layout) {
        double bytes = (double) (shape.parameters() + shape.predictionParameters())
                * (4 + (layout.precision() == Precision.FP8 ? 4 : 8));
        return bytes / cluster.nodes() / (calibration.checkpointRate().value() * 1e9);
    }

    /** Refuses a layout that cannot be, naming what is wrong and the nearest number that is not. */
    static void check(ModelShape shape, Cluster cluster, Layout layout, TrainingPhase phase) {
        positive("--pp", layout.pipeline());
        positive("--ep", layout.expert());
        positive("--tp", layout.tensor());
        positive("--micro-batch", layout.microBatch());
        if (!cluster.hardware().has(layout.precision())) {
            throw PlanException.of(
                    "--precision",
                    layout.precision().key(),
                    "one that " + cluster.hardware().name() + " has: "
                            + String.join(
                                    ", ",
                                    cluster.hardware().gemmFlops().keySet().stream()
                                            .map(Precision::key)
                                            .toList()));
        }
        Experts experts = shape.experts();
        if (layout.expert() > 1 && experts == null) {
            throw PlanException.of("--ep", layout.expert(), "1: " + shape.name() + " has no experts");
        }
        if (experts != null && experts.routed() % layout.expert() != 0) {
            throw PlanException.of(
                    "--ep",
                    layout.expert(),
                    "a divisor of the " + experts.routed() + " experts of a layer; the nearest is "
                            + nearestDivisor(experts.routed(), layout.expert()));
        }
        if (shape.attention().heads() % layout.tensor() != 0) {
            throw PlanException.of(
                    "--tp",
                    layout.tensor(),
                    "a divisor of the " + shape.attention().heads() + " heads; the nearest is "
                            + nearestDivisor(shape.attention().heads(), layout.tensor()));
        }
        if (layout.stages() > shape.layers() + shape.predictionModules() + 2) {
            throw PlanException.of(
                    "--pp",
                    layout.pipeline() + " (" + layout.stages() + " stages)",
                    "at most one stage for each of the " + (shape.layers() + shape.predictionModules())
                            + " layers, the embedding and the head");
        }
        if (cluster.devices() % layout.devicesPerPipeline() != 0) {
            throw PlanException.of(
                    "--gpus",
                    cluster.devices(),
                    "a multiple of PP x TP x CP = " + layout.devicesPerPipeline() + "; the nearest is "
                            + Math.max(1, Math.round((double) cluster.devices() / layout.devicesPerPipeline()))
                                    * layout.devicesPerPipeline());
        }
        int replicas = layout.replicas(cluster.devices());
        if (replicas % layout.expert() != 0) {
            throw PlanException.of(
                    "--ep",
                    layout.expert(),
                    "a divisor of the " + replicas + " data-parallel devices of a stage; the nearest is "
                            + nearestDivisor(replicas, layout.expert()));
        }
        int data = layout.data(cluster.devices());
        int perStep = data * layout.microBatch();
        if (phase.batch() % perStep != 0) {
            throw PlanException.of(
                    "--batch",
                    phase.batch(),
                    "a multiple of DP x micro-batch = " + perStep + " sequences; the nearest is "
                            + Math.max(1, Math.round((double) phase.batch() / perStep)) * (long) perStep);
        }
        if (layout.schedule() != ScheduleKind.ONE_F_ONE_B || layout.pipeline() > 1) {
            Schedules.check(layout.schedule(), layout.pipeline(), phase.batch() / perStep, layout.interleave());
        }
    }

    private static void positive(String option, int value) {
        if (value < 1) {
            throw PlanException.of(option, value, "at least 1");
        }
    }

    static int nearestDivisor(int number, int wanted) {
        int best = 1;
        for (int d = 1; d <= number; d++) {
            if (number % d == 0 && Math.abs(d - wanted) < Math.abs(best - wanted)) {
                best = d;
            }
        }
        return best;
    }
}
