package dev.fathom.learn.recipe;

import dev.fathom.engine.LearningRateSchedule;

/**
 * The learning rate over a stage.
 *
 * <p>Everything is a share of the stage, not a number of steps: the same schedule fits a stage of any length, and a
 * stage that counts in tokens.
 *
 * @param schedule the shape after the warm-up
 * @param peak the highest rate
 * @param warmupShare share of the stage in which the rate rises linearly from 0 to the peak
 * @param finalShare the rate at the end, as a share of the peak
 * @param decayShare for {@code wsd}: the last share of the stage, in which the rate falls
 */
public record LearningRate(Schedule schedule, double peak, double warmupShare, double finalShare, double decayShare) {
    /** The shape after the warm-up. */
    public enum Schedule {
        CONSTANT,
        /** Falls to the final rate along half a cosine. */
        COSINE,
        /** Warm-up, stable, decay: constant, then half a cosine down to the final rate. */
        WSD
    }

    public LearningRate {
        Check.positive("learningRate.peak", peak);
        Check.between("learningRate.warmupShare", warmupShare, 0, 1);
        Check.between("learningRate.finalShare", finalShare, 0, 1);
        Check.between("learningRate.decayShare", decayShare, 0, 1);
    }

    /** A cosine schedule with a short warm-up, down to a tenth of the peak. */
    public static LearningRate cosine(double peak) {
        return new LearningRate(Schedule.COSINE, peak, 0.02, 0.1, 0.2);
    }

    /**
     * The rate of a step.
     *
     * @param progress share of the stage that is done when this step is done, above 0 and at most 1: the first step has
     *     a rate above 0, the last step the final rate
     */
    public double at(double progress) {
        return overTheStage().at(progress);
    }

    /** The engine's schedule with the whole stage as its unit. */
    private LearningRateSchedule overTheStage() {
        float top = (float) peak;
        float floor = (float) (peak * finalShare);
        return switch (schedule) {
            case CONSTANT -> new LearningRateSchedule.WarmupStableDecay(top, top, warmupShare, 1, 1);
            case COSINE -> new LearningRateSchedule.Cosine(top, floor, warmupShare, 1);
            case WSD ->
                new LearningRateSchedule.WarmupStableDecay(
                        top, floor, warmupShare, Math.max(warmupShare, 1 - decayShare), 1);
        };
    }
}
