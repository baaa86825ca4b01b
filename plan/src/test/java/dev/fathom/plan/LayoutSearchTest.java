package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.plan.LayoutSearch.Candidate;
import dev.fathom.plan.TrainingPlanner.Outline;
import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.ModelShape;
import dev.fathom.plan.shape.ModelShapes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

class LayoutSearchTest {
    private static final TrainingPlanner PLANNER = new TrainingPlanner(Calibration.PUBLISHED);
    private static final TrainingPhase PHASE = TrainingPhase.of("training", 1e12, 4096, 256);

    /** Layouts of every kind, as far as they are possible. */
    private static List<Outline> outlines(ModelShape shape, Cluster cluster) {
        List<Outline> outlines = new ArrayList<>();
        for (ScheduleKind schedule : ScheduleKind.values()) {
            for (int pipeline : new int[] {1, 2, 4, 8}) {
                for (int expert : new int[] {1, 4, 8, 32}) {
                    for (int tensor : new int[] {1, 2, 8}) {
                        for (int micro : new int[] {1, 2}) {
                            Layout layout = new Layout(
                                    pipeline,
                                    expert,
                                    tensor,
                                    1,
                                    schedule,
                                    2,
                                    micro,
                                    1,
                                    micro == 1 ? Recomputation.SELECTIVE : Recomputation.FULL,
                                    Precision.BF16);
                            try {
                                outlines.add(PLANNER.outline(
                                        new TrainingJob(shape, cluster, layout, List.of(PHASE)), PHASE));
                            } catch (PlanException impossible) {
                                // not one of them
                            }
                        }
                    }
                }
            }
        }
        return outlines;
    }

    /** A search that leaves out what a bound excludes finds the best only if nothing is better than its bound. */
    @Test
    void noStepIsBetterThanItsBounds() {
        for (String model : List.of("deepseek-v2", "deepseek-v2-lite", "llama-13b")) {
            List<Outline> outlines = outlines(ModelShapes.find(model), new Cluster(HardwareCatalog.find("h100"), 64));
            assertThat(outlines).hasSizeGreaterThan(20);
            for (Outline outline : outlines) {
                StepPlan step = PLANNER.simulate(outline);
                String name = model + ", " + outline.layout().describe(64);
                assertThat(step.seconds()).as(name).isGreaterThanOrEqualTo(outline.leastSeconds() * (1 - 1e-9));
                assertThat(step.memoryBytes()).as(name).isGreaterThanOrEqualTo(outline.leastBytes() * (1 - 1e-9));
            }
        }
    }

    @Test
    void moreLayoutsBeginWithTheSameBest() {
        ModelShape shape = ModelShapes.find("deepseek-v2-lite");
        Cluster cluster = new Cluster(HardwareCatalog.find("h100"), 16);
        LayoutSearch search = new LayoutSearch(PLANNER);
        List<Candidate> all = search.search(shape, cluster, Precision.BF16, PHASE, Integer.MAX_VALUE);
        assertThat(all).hasSizeGreaterThan(20).allMatch(Candidate::fits);
        assertThat(all)
                .isSortedAccordingTo(Comparator.comparingDouble(c -> c.step().seconds()));
        assertThat(search.search(shape, cluster, Precision.BF16, PHASE, 3).stream()
                        .map(c -> c.step().seconds()))
                .isEqualTo(all.stream().limit(3).map(c -> c.step().seconds()).toList());
    }

    @Test
    void whatDoesNotFitComesMostFrugalFirst() {
        List<Candidate> found = new LayoutSearch(PLANNER)
                .search(
                        ModelShapes.find("deepseek-v2"),
                        new Cluster(HardwareCatalog.find("h100"), 16),
                        Precision.BF16,
                        PHASE,
                        5);
        assertThat(found).hasSize(5).noneMatch(Candidate::fits);
        assertThat(found)
                .isSortedAccordingTo(Comparator.comparingDouble(c -> c.step().memoryBytes()));
    }
}
