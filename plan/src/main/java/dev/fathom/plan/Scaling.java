package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What breaks first when a cluster grows: doubles the copies of the pipeline, with the same batch, until a limit is met, and goes on to the next. */
public final class Scaling {
    private Scaling() {}

    /**
     * A cluster of some size.
     *
     * @param utilisation MFU without failures; 0 where there are not enough sequences
     * @param goodput share of the time that is not lost to failures
     * @param bubble share of a step that ranks wait
     * @param optimizer share of a step for gradients and weights
     */
    public record Point(long devices, double utilisation, double goodput, double bubble, double optimizer) {
        /** What is left of the peak. */
        public double effective() {
            return utilisation * goodput;
        }
    }

    /** A limit, and the cluster that meets it. */
    public record Limit(String what, long devices, String why) {}

    /** Sizes from the layout's smallest cluster to the given one, and the limits in the order in which they are met. */
    public record Result(List<Point> points, List<Limit> limits) {}

    public static Result grow(
            TrainingPlanner planner,
            ModelShape shape,
            Hardware hardware,
            Layout layout,
            TrainingPhase phase,
            long most) {
        List<Point> points = new ArrayList<>();
        List<Limit> limits = new ArrayList<>();
        long unit = (long) layout.devicesPerPipeline() * Math.max(1, layout.expert());
        double first = 0;
        boolean starved = false;
        boolean unreliable = false;
        boolean waiting = false;
        boolean talking = false;
        for (long devices = unit; ; devices = Math.min(most, devices * 2)) {
            long fitting = Math.max(unit, devices / unit * unit);
            Failures failures = planner.failures(shape, new Cluster(hardware, fitting), layout);
            Point point = new Point(fitting, 0, failures.goodput(), 0, 0);
            if (!starved) {
                try {
                    Cluster cluster = new Cluster(hardware, fitting);
                    // A batch that does not come out even is rounded down to one that does: rather a smaller batch than
                    // no plan.
                    int even = layout.data(fitting) * layout.microBatch();
                    TrainingPhase rounded = new TrainingPhase(
                            phase.name(),
                            phase.tokens(),
                            phase.sequenceLength(),
                            phase.batch() / even * even,
                            1,
                            0,
                            "");
                    TrainingJob job = new TrainingJob(shape, cluster, layout, List.of(rounded));
                    if (rounded.batch() == 0) {
                        throw PlanException.of(
                                "--batch", phase.batch(), "at least " + even + " sequences, one per pipeline");
                    }
                    StepPlan step = planner.step(job, rounded);
                    TrainingPlan plan = new TrainingPlan(job, step, List.of(), failures);
                    point = new Point(
                            fitting,
                            plan.utilisation(true),
                            failures.goodput(),
                            step.timeline().bubbleShare(),
                            step.optimizer() / step.seconds());
                    first = Math.max(first, point.utilisation);
                } catch (PlanException e) {
                    starved = true;
                    limits.add(new Limit("batch", fitting, java.util.Objects.toString(e.getMessage())));
                }
            }
            if (!waiting && point.bubble > 0.25) {
                waiting = true;
                limits.add(new Limit("pipeline", fitting, percent("the bubble is %s of a step", point.bubble)));
            }
            if (!talking && point.optimizer > 0.10) {
                talking = true;
                limits.add(new Limit(
                        "gradients",
                        fitting,
                        percent("reducing gradients and gathering weights is %s of a step", point.optimizer)));
            }
            if (!unreliable && point.goodput < 0.9) {
                unreliable = true;
                limits.add(new Limit(
                        "failures",
                        fitting,
                        String.format(
                                Locale.ROOT,
                                "a node fails every %.0f minutes; goodput is %.0f %%",
                                failures.secondsBetweenFailures() / 60,
                                failures.goodput() * 100)));
            }
            points.add(point);
            if (devices >= most) {
                return new Result(points, limits);
            }
        }
    }

    private static String percent(String text, double share) {
        return String.format(Locale.ROOT, text, String.format(Locale.ROOT, "%.0f %%", share * 100));
    }
}
