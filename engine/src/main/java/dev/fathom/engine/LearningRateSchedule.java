package dev.fathom.engine;

/**
 * The learning rate over a run.
 *
 * <p>A position is a count of tokens, as DeepSeek-V3 counts (its batch grows during the run, so that steps are not equally long), or of steps:
 * the same unit as the schedule's own numbers. It includes the batch of the step that asks, so that the first step of a warm-up
 * already moves the parameters and the last step of a run gets the floor.
 */
public sealed interface LearningRateSchedule {
    /** @param position tokens or steps up to and including those of this step */
    float at(double position);

    /** The same rate always. */
    record Constant(float rate) implements LearningRateSchedule {
        public Constant {
            require(rate >= 0 && Float.isFinite(rate), "rate must be finite and at least 0, is " + rate);
        }

        @Override
        public float at(double position) {
            return rate;
        }
    }

    /**
     * Linear from 0 to the peak over the warm-up, then half a cosine down to the floor at the total, and the floor after it (arXiv 1608.03983).
     */
    record Cosine(float peak, float floor, double warmup, double total) implements LearningRateSchedule {
        public Cosine {
            requireRates(peak, floor);
            require(
                    warmup >= 0 && warmup <= total && Double.isFinite(total),
                    "warm-up must be between 0 and the total; is " + warmup + " of " + total);
        }

        @Override
        public float at(double position) {
            return position < warmup ? rising(peak, position / warmup) : falling(peak, floor, position, warmup, total);
        }
    }

    /**
     * Linear from 0 to the peak over the warm-up, constant until {@code decayStart}, half a cosine down to the floor at the total, then the
     * floor: the shape of DeepSeek-V3's pre-training (arXiv 2412.19437 section 4.2: 2K steps up, 2.2e-4 until 10T tokens, down to 2.2e-5 over
     * 4.3T).
     */
    record WarmupStableDecay(float peak, float floor, double warmup, double decayStart, double total)
            implements LearningRateSchedule {
        public WarmupStableDecay {
            requireRates(peak, floor);
            require(
                    warmup >= 0 && warmup <= decayStart && decayStart <= total && Double.isFinite(total),
                    "warm-up, start of decay and total must not fall; are " + warmup + ", " + decayStart + ", "
                            + total);
        }

        @Override
        public float at(double position) {
            return position < warmup
                    ? rising(peak, position / warmup)
                    : falling(peak, floor, position, decayStart, total);
        }
    }

    private static float rising(float peak, double part) {
        return (float) (peak * Math.max(0, part));
    }

    /** The peak until {@code from}, the floor from {@code to} on, half a cosine between. */
    private static float falling(float peak, float floor, double position, double from, double to) {
        if (position >= to) {
            return floor;
        }
        if (position <= from) {
            return peak;
        }
        double cosine = StrictMath.cos(Math.PI * (position - from) / (to - from));
        return (float) (floor + ((double) peak - floor) * 0.5 * (1 + cosine));
    }

    private static void requireRates(float peak, float floor) {
        require(
                floor >= 0 && floor <= peak && Float.isFinite(peak),
                "learning rates must satisfy 0 <= floor <= peak; are floor " + floor + ", peak " + peak);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
