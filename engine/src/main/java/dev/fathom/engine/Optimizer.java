package dev.fathom.engine;

/**
 * Moves parameters against their gradients. The state lies in {@link Parameters} (the moments), so an optimizer is what a recipe says and
 * nothing else, and a checkpoint of the parameters' buffers and the step number resumes a run to the bit.
 */
public sealed interface Optimizer permits AdamW, Muon {
    /**
     * One step for all trained parameters, after the gradients have been clipped by their global norm.
     *
     * @param learningRate from a {@link LearningRateSchedule}
     * @param step number of this step, from 1
     * @return the global norm of the gradients before clipping
     * @throws ArithmeticException if that norm is not finite; nothing has been changed then
     */
    double step(Parameters parameters, float learningRate, long step);
}
