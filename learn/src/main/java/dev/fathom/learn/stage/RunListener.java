package dev.fathom.learn.stage;

import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.run.Sample;
import java.nio.file.Path;
import tools.jackson.databind.node.ObjectNode;

/** Hears what happens in a run, in order, on the run's own thread. Nothing it does changes the run. */
public interface RunListener {
    /** Hears nothing. */
    RunListener SILENT = new RunListener() {};

    /**
     * The run begins or goes on.
     *
     * @param kernels the kernels line
     * @param parameters of the model, those of multi-token prediction included
     * @param activeParameters per token
     */
    default void runStarted(Path directory, String kernels, long parameters, long activeParameters) {}

    /** A stage begins at this step (not 0 where it is resumed). */
    default void stageStarted(String stage, long step, long steps) {}

    /** A step is done. */
    default void stepDone(String stage, long step, long steps) {}

    /** A line was written to {@code metrics.jsonl}. */
    default void reported(ObjectNode metrics) {}

    /** Evaluation of a model is under way: this many of its responses are done. */
    default void evaluating(String label, long done, long responses) {}

    /** A model was evaluated on held-out problems. */
    default void evaluated(String label, Evaluation evaluation) {}

    /** A response worth showing was written to {@code samples.jsonl}. */
    default void sampled(Sample sample) {}

    /** The stage's last step is done. */
    default void stageFinished(String stage) {}
}
