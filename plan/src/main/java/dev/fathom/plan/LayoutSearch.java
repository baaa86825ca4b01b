package dev.fathom.plan;

import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Tries layouts: powers of two for PP, EP and TP, the schedules that make sense, one to four sequences per micro-batch. */
public final class LayoutSearch {
    private static final int[] PIPELINES = {1, 2, 4, 8, 16, 32};
    private static final int[] EXPERTS = {1, 2, 4, 8, 16, 32, 64, 128};
    private static final int[] TENSORS = {1, 2, 4, 8};
    private static final int[] MICRO_BATCHES = {1, 2, 4};
    /** Slots of one simulated rank, so that a search ends: a longer pipeline of tiny micro-batches is never the best. */
    private static final int MOST_MICRO_BATCHES = 4096;

    private final TrainingPlanner planner;

    public LayoutSearch(TrainingPlanner planner) {
        this.planner = planner;
    }

    /**
     * A layout and what a step of it takes.
     *
     * @param fits whether it fits into memory
     */
    public record Candidate(Layout layout, StepPlan step, boolean fits) {}

    /** All possible layouts that fit, the fastest first; if none fits, those that come nearest. */
    public List<Candidate> search(ModelShape shape, Cluster cluster, Precision precision, TrainingPhase phase) {
        List<Candidate> found = new ArrayList<>();
        for (int pipeline : PIPELINES) {
            for (int tensor : TENSORS) {
                for (int expert : EXPERTS) {
                    for (int micro : MICRO_BATCHES) {
                        for (Recomputation recomputation : List.of(Recomputation.SELECTIVE, Recomputation.FULL)) {
                            for (ScheduleKind schedule : schedules(pipeline, expert)) {
                                Layout layout = new Layout(
                                        pipeline, expert, tensor, 1, schedule, 2, micro, 1, recomputation, precision);
                                candidate(shape, cluster, layout, phase).ifPresent(found::add);
                            }
                        }
                    }
                }
            }
        }
        boolean any = found.stream().anyMatch(Candidate::fits);
        return found.stream()
                .filter(c -> c.fits || !any)
                .sorted(
                        any
                                ? Comparator.comparingDouble(c -> c.step.seconds())
                                : Comparator.comparingDouble(c -> c.step.memoryBytes()))
                .toList();
    }

    private static List<ScheduleKind> schedules(int pipeline, int expert) {
        if (pipeline == 1) {
            return List.of(ScheduleKind.ONE_F_ONE_B);
        }
        return expert > 1
                ? List.of(ScheduleKind.ZB1P, ScheduleKind.DUALPIPE, ScheduleKind.DUALPIPE_V)
                : List.of(ScheduleKind.ONE_F_ONE_B, ScheduleKind.INTERLEAVED, ScheduleKind.ZB1P);
    }

    private Optional<Candidate> candidate(ModelShape shape, Cluster cluster, Layout layout, TrainingPhase phase) {
        Experts experts = shape.experts();
        if ((layout.expert() > 1 && experts == null)
                || layout.tensor() > cluster.hardware().devicesPerNode()
                || cluster.devices() % layout.devicesPerPipeline() != 0
                || phase.batch() / layout.data(cluster.devices()) / layout.microBatch() > MOST_MICRO_BATCHES) {
            return Optional.empty();
        }
        double least = (double) (shape.parameters() - shape.routedParameters(true) * shape.mixtureLayers())
                        / layout.pipeline()
                        / layout.tensor()
                + (double) shape.routedParameters(true)
                        * shape.mixtureLayers()
                        / layout.pipeline()
                        / layout.expert()
                        / layout.tensor();
        if (least * 4 > 4 * cluster.hardware().memoryBytes().value()) {
            return Optional.empty(); // hopeless, no need to simulate
        }
        try {
            TrainingPlanner.check(shape, cluster, layout, phase);
            StepPlan step = planner.step(new TrainingJob(shape, cluster, layout, List.of(phase)), phase);
            return Optional.of(new Candidate(
                    layout,
                    step,
                    step.memoryBytes() <= cluster.hardware().memoryBytes().value()));
        } catch (PlanException impossible) {
            return Optional.empty();
        }
    }
}
