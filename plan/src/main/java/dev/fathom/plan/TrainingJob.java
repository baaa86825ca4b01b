package dev.fathom.plan;

import dev.fathom.plan.shape.ModelShape;
import java.util.List;

/**
 * What to plan: a model, a cluster, a layout and phases of training.
 *
 * @param phases the first is the main one, which the layout is judged by
 */
public record TrainingJob(ModelShape shape, Cluster cluster, Layout layout, List<TrainingPhase> phases) {
    public TrainingJob {
        if (phases.isEmpty()) {
            throw PlanException.of("phases", "none", "at least one");
        }
    }
}
