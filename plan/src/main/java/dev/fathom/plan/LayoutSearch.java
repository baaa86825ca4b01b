package dev.fathom.plan;

import dev.fathom.plan.TrainingPlanner.Outline;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

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
     * @param job of which it is the layout
     */
    public record Candidate(TrainingJob job, StepPlan step) {
        public Layout layout() {
            return job.layout();
        }

        public boolean fits() {
            return step.memoryBytes() <= job.cluster().hardware().memoryBytes().value();
        }

        /** Causal. */
        public double utilisation() {
            return TrainingPlan.utilisation(job, step, true);
        }
    }

    /**
     * The best layouts: the fastest that fit, the fastest first; if none fits, those that need the least memory.
     *
     * @param most how many
     */
    public List<Candidate> search(
            ModelShape shape, Cluster cluster, Precision precision, TrainingPhase phase, int most) {
        List<Outline> outlines = outlines(shape, cluster, precision, phase);
        double capacity = cluster.hardware().memoryBytes().value();
        List<Candidate> fitting = least(
                outlines.stream().filter(o -> o.leastBytes() <= capacity).toList(),
                Outline::leastSeconds,
                StepPlan::seconds,
                Candidate::fits,
                most);
        return fitting.isEmpty()
                ? least(outlines, Outline::leastBytes, StepPlan::memoryBytes, candidate -> true, most)
                : fitting;
    }

    /** The fitting layout with the fewest changes, counted in doublings. */
    Optional<Candidate> nearest(ModelShape shape, Cluster cluster, Layout asked, TrainingPhase phase) {
        return outlines(shape, cluster, asked.precision(), phase).stream()
                .sorted(Comparator.comparingDouble((Outline o) -> distance(o.layout(), asked))
                        .thenComparingDouble(Outline::leastSeconds))
                .map(this::simulate)
                .filter(Candidate::fits)
                .findFirst();
    }

    private static double distance(Layout a, Layout b) {
        return Math.abs(doublings(a.pipeline(), b.pipeline()))
                + Math.abs(doublings(a.expert(), b.expert()))
                + Math.abs(doublings(a.tensor(), b.tensor()))
                + Math.abs(doublings(a.microBatch(), b.microBatch()))
                + (a.schedule() == b.schedule() ? 0 : 0.5)
                + (a.recomputation() == b.recomputation() ? 0 : 0.5);
    }

    private static double doublings(int a, int b) {
        return Math.log((double) a / Math.max(1, b)) / Math.log(2);
    }

    /**
     * The accepted candidates of least value. Simulating is what takes time, so they are simulated in the order of a lower bound, and only as
     * long as that is below the worst of the best.
     */
    private List<Candidate> least(
            List<Outline> outlines,
            ToDoubleFunction<Outline> bound,
            ToDoubleFunction<StepPlan> value,
            Predicate<Candidate> accepted,
            int most) {
        Comparator<Candidate> order = Comparator.comparingDouble(c -> value.applyAsDouble(c.step()));
        List<Candidate> best = new ArrayList<>();
        for (Outline outline :
                outlines.stream().sorted(Comparator.comparingDouble(bound)).toList()) {
            if (best.size() == most
                    && bound.applyAsDouble(outline)
                            >= value.applyAsDouble(best.getLast().step())) {
                break;
            }
            Candidate candidate = simulate(outline);
            if (accepted.test(candidate)) {
                best.add(candidate);
                best.sort(order);
                if (best.size() > most) {
                    best.removeLast();
                }
            }
        }
        return best;
    }

    private Candidate simulate(Outline outline) {
        return new Candidate(outline.job(), planner.simulate(outline));
    }

    /** All that are possible. */
    private List<Outline> outlines(ModelShape shape, Cluster cluster, Precision precision, TrainingPhase phase) {
        List<Outline> found = new ArrayList<>();
        for (int pipeline : PIPELINES) {
            for (int tensor : TENSORS) {
                for (int expert : EXPERTS) {
                    for (int micro : MICRO_BATCHES) {
                        for (Recomputation recomputation : List.of(Recomputation.SELECTIVE, Recomputation.FULL)) {
                            for (ScheduleKind schedule : schedules(pipeline, expert)) {
                                Layout layout = new Layout(
                                        pipeline, expert, tensor, 1, schedule, 2, micro, 1, recomputation, precision);
                                outline(shape, cluster, layout, phase).ifPresent(found::add);
                            }
                        }
                    }
                }
            }
        }
        return found;
    }

    private static List<ScheduleKind> schedules(int pipeline, int expert) {
        if (pipeline == 1) {
            return List.of(ScheduleKind.ONE_F_ONE_B);
        }
        return expert > 1
                ? List.of(ScheduleKind.ZB1P, ScheduleKind.DUALPIPE, ScheduleKind.DUALPIPE_V)
                : List.of(ScheduleKind.ONE_F_ONE_B, ScheduleKind.INTERLEAVED, ScheduleKind.ZB1P);
    }

    private Optional<Outline> outline(ModelShape shape, Cluster cluster, Layout layout, TrainingPhase phase) {
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
            return Optional.of(planner.outline(new TrainingJob(shape, cluster, layout, List.of(phase)), phase));
        } catch (PlanException impossible) {
            return Optional.empty();
        }
    }
}
