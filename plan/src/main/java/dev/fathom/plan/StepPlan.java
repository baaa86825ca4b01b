package dev.fathom.plan;

import dev.fathom.plan.schedule.Slot.Phase;
import dev.fathom.plan.schedule.Timeline;
import java.util.List;
import java.util.Map;

/**
 * One optimizer step.
 *
 * @param timeline the simulated pipeline
 * @param stages what each stage costs
 * @param parts what lies in each stage
 * @param optimizer seconds of reducing gradients, updating and gathering weights
 * @param tokens of the step
 * @param memory of the fullest device by component, bytes
 * @param microBatches of one pipeline
 */
public record StepPlan(
        Timeline timeline,
        List<StageCost> stages,
        List<StagePart> parts,
        double optimizer,
        double tokens,
        Map<String, Double> memory,
        int microBatches) {
    public double seconds() {
        return timeline.seconds() + optimizer;
    }

    public double memoryBytes() {
        return memory.values().stream().mapToDouble(x -> x).sum();
    }

    /** Seconds per phase on the first rank, which holds both ends of a DualPipe: the rank whose slots ISCA 2025 Table 4 counts. */
    public Map<Phase, Double> phases() {
        return timeline.phases(0);
    }

    /** Seconds that the first rank waits. */
    public double bubble() {
        return timeline.bubble(0);
    }
}
