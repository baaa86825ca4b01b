package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a user asks for; what is null comes from how the model was trained as published, or from a search.
 *
 * @param model its built-in name, to find the published job
 */
public record TrainingRequest(
        String model,
        ModelShape shape,
        @Nullable Hardware hardware,
        @Nullable Long devices,
        @Nullable Double tokens,
        @Nullable Integer batch,
        @Nullable Integer sequenceLength,
        Choice choice) {
    private static final int DEFAULT_BATCH = 1024;
    private static final int DEFAULT_LENGTH = 4096;

    /** The parts of a layout that the user fixed. */
    public record Choice(
            @Nullable Integer pipeline,
            @Nullable Integer expert,
            @Nullable Integer tensor,
            @Nullable ScheduleKind schedule,
            @Nullable Integer interleave,
            @Nullable Integer microBatch,
            @Nullable Integer zero,
            @Nullable Recomputation recomputation,
            @Nullable Precision precision) {
        public static final Choice NONE = new Choice(null, null, null, null, null, null, null, null, null);

        boolean isNone() {
            return pipeline == null
                    && expert == null
                    && tensor == null
                    && schedule == null
                    && interleave == null
                    && microBatch == null
                    && zero == null
                    && recomputation == null;
        }

        Layout over(Layout base) {
            return new Layout(
                    or(pipeline, base.pipeline()),
                    or(expert, base.expert()),
                    or(tensor, base.tensor()),
                    base.context(),
                    or(schedule, base.schedule()),
                    or(interleave, base.interleave()),
                    or(microBatch, base.microBatch()),
                    or(zero, base.zero()),
                    or(recomputation, base.recomputation()),
                    or(precision, base.precision()));
        }

        private static <T> T or(@Nullable T chosen, T otherwise) {
            return chosen == null ? otherwise : chosen;
        }
    }

    /** The cluster, from the request or as published. */
    public Cluster cluster(@Nullable Hardware published) {
        Hardware device = hardware != null ? hardware : published;
        Long count = devices != null
                ? devices
                : published().map(PublishedJob::devices).orElse(null);
        if (device == null || count == null) {
            throw PlanException.of(
                    device == null ? "--gpu" : "--gpus",
                    "nothing",
                    (device == null ? "a device, such as h100" : "a number, such as 8") + ": how " + shape.name()
                            + " was trained is not known here");
        }
        return new Cluster(device, count);
    }

    public Optional<PublishedJob> published() {
        return PublishedJob.of(model);
    }

    /** The phases: as published with the user's changes to the first, or one. */
    public List<TrainingPhase> phases() {
        List<TrainingPhase> known = published().map(PublishedJob::phases).orElse(List.of());
        if (known.isEmpty() && tokens == null) {
            throw PlanException.of("--tokens", "nothing", "how many to train on, such as 300B or 14.8T");
        }
        TrainingPhase main =
                known.isEmpty() ? TrainingPhase.of("training", 0, DEFAULT_LENGTH, DEFAULT_BATCH) : known.getFirst();
        List<TrainingPhase> phases = new ArrayList<>(known);
        TrainingPhase changed = new TrainingPhase(
                main.name(),
                tokens != null ? tokens : main.tokens(),
                sequenceLength != null ? sequenceLength : main.sequenceLength(),
                batch != null ? batch : main.batch(),
                main.context(),
                0,
                main.note());
        if (phases.isEmpty()) {
            phases.add(changed);
        } else {
            phases.set(0, changed);
        }
        if (changed.batch() < 1) {
            throw PlanException.of("--batch", changed.batch(), "at least 1");
        }
        if (changed.sequenceLength() < 1) {
            throw PlanException.of("--sequence-length", changed.sequenceLength(), "at least 1");
        }
        return phases;
    }

    private Precision defaultPrecision(Hardware device) {
        if (choice.precision() != null) {
            return choice.precision();
        }
        Precision published = published().map(job -> job.layout().precision()).orElse(Precision.BF16);
        return device.has(published) ? published : device.reference();
    }

    /**
     * Makes the plan.
     *
     * @param publishedHardware the device of the published job; null if there is none
     * @throws PlanException saying what is wrong and, for a layout, the nearest one that fits
     */
    public TrainingPlan plan(TrainingPlanner planner, @Nullable Hardware publishedHardware) {
        Cluster cluster = cluster(publishedHardware);
        List<TrainingPhase> phases = phases();
        Optional<PublishedJob> published = published();
        Layout base = published
                .map(PublishedJob::layout)
                .orElse(new Layout(
                        1,
                        1,
                        1,
                        1,
                        ScheduleKind.ONE_F_ONE_B,
                        1,
                        1,
                        1,
                        Recomputation.SELECTIVE,
                        defaultPrecision(cluster.hardware())));
        Layout asked = choice.over(
                choice.precision() != null || cluster.hardware().has(base.precision())
                        ? base
                        : withPrecision(base, defaultPrecision(cluster.hardware())));
        if (published.isPresent() || !choice.isNone()) {
            try {
                return planner.plan(new TrainingJob(shape, cluster, asked, phases));
            } catch (PlanException e) {
                boolean asPublished = published.isPresent()
                        && devices == null
                        && (hardware == null
                                || hardware.name().equals(published.get().gpu()));
                if (!choice.isNone() || asPublished) {
                    throw new PlanException(e.getMessage() + nearest(planner, cluster, asked, phases.getFirst()), e);
                }
            }
        }
        // Phases other than the main one are published for their own cluster and layout.
        TrainingPhase main = phases.getFirst();
        Layout best = search(planner, cluster, asked.precision(), main).layout();
        return planner.plan(new TrainingJob(shape, cluster, best, List.of(main)));
    }

    private static Layout withPrecision(Layout layout, Precision precision) {
        return new Choice(null, null, null, null, null, null, null, null, precision).over(layout);
    }

    private LayoutSearch.Candidate search(
            TrainingPlanner planner, Cluster cluster, Precision precision, TrainingPhase phase) {
        List<LayoutSearch.Candidate> found = new LayoutSearch(planner).search(shape, cluster, precision, phase, 1);
        double least = (shape.parameters() + shape.predictionParameters()) * 5.0 / cluster.devices();
        if (found.isEmpty() && least > cluster.hardware().memoryBytes().value()) {
            throw new PlanException(String.format(
                    java.util.Locale.ROOT,
                    "memory: found at least %.0f GB of weights and gradients for each of %d GPUs, expected at most the %.0f GB of %s;"
                            + " at least %d GPUs are needed",
                    least / 1e9,
                    cluster.devices(),
                    cluster.hardware().memoryBytes().value() / 1e9,
                    cluster.hardware().name(),
                    (long) Math.ceil(least
                            * cluster.devices()
                            / cluster.hardware().memoryBytes().value())));
        }
        if (found.isEmpty()) {
            throw new PlanException("layout: none of those tried divides " + cluster.devices() + " GPUs and a batch of "
                    + phase.batch() + " sequences; choose a number of GPUs with many factors of two, or another --batch"
                    + " (with fewer sequences than pipelines there is nothing to do for some)");
        }
        LayoutSearch.Candidate best = found.getFirst();
        if (!best.fits()) {
            throw new PlanException(String.format(
                    java.util.Locale.ROOT,
                    "memory: found %.1f GB per device for the most frugal layout (%s), expected at most the %.0f GB of %s: %.1f GB"
                            + " too much; more GPUs or larger ones are needed",
                    best.step().memoryBytes() / 1e9,
                    best.layout().describe(cluster.devices()),
                    cluster.hardware().memoryBytes().value() / 1e9,
                    cluster.hardware().name(),
                    (best.step().memoryBytes()
                                    - cluster.hardware().memoryBytes().value())
                            / 1e9));
        }
        return best;
    }

    private String nearest(TrainingPlanner planner, Cluster cluster, Layout asked, TrainingPhase phase) {
        if (!cluster.hardware().has(asked.precision())) {
            return "";
        }
        return new LayoutSearch(planner)
                .nearest(shape, cluster, asked, phase)
                .map(c -> ". The nearest layout that fits: --pp "
                        + c.layout().pipeline() + " --ep "
                        + c.layout().expert() + " --tp " + c.layout().tensor() + " --schedule "
                        + c.layout().schedule().key()
                        + (c.layout().schedule() == ScheduleKind.INTERLEAVED
                                ? " --interleave " + c.layout().interleave()
                                : "")
                        + " --micro-batch " + c.layout().microBatch() + " --recompute "
                        + c.layout().recomputation().key())
                .orElse(". No layout of " + shape.name() + " fits " + cluster.devices() + " x "
                        + cluster.hardware().name() + " and " + phase.batch() + " sequences per step");
    }
}
