package dev.fathom.learn.stage;

import java.util.Arrays;

/**
 * What a step takes once the compiler is done, from steps during which it was not.
 *
 * <p><b>The compiler.</b> After ten seconds the just-in-time compiler still runs beside most steps and takes a core away from them, so that a
 * median leans high by as much as it happened to compile. A step's time is therefore taken for a line, {@code steady + share *
 * compiling}; the share is the median slope between all pairs of steps (Theil and Sen), which disturbed steps hardly move. On two busy
 * cores it should be a half.
 *
 * <p><b>The machine.</b> A virtual machine has more than one pace, each for seconds, and a run of minutes sees them all in shares that ten
 * seconds cannot tell. The run's mean is somewhere between the fastest and the slowest pace; {@link #seconds} is the number whose relative
 * error is the smallest in the worst case, their harmonic mean.
 *
 * @param fastest seconds per step, compiling taken out: of the medians of {@value #RUN} steps in a row, only a tenth is below
 * @param slowest only a tenth is above
 */
public record SteadyPace(double fastest, double slowest) {
    /** Steps in a row that make a pace: a single step may be disturbed by anything. */
    private static final int RUN = 5;
    /** Paces that differ by more are two states of the machine and no scatter. */
    private static final double TWO_PACES = 1.2;

    /**
     * @param steps seconds of each step, the first ones left out
     * @param compiling seconds that the compiler worked in each, on all its threads
     */
    static SteadyPace of(double[] steps, double[] compiling) {
        if (steps.length == 0 || steps.length != compiling.length) {
            throw new IllegalArgumentException(steps.length + " steps, " + compiling.length + " times of compiling");
        }
        double slope = slope(steps, compiling);
        double[] steady = new double[steps.length];
        for (int i = 0; i < steps.length; i++) {
            // The compiler's threads get no more than half of the cores' time.
            steady[i] = Math.max(steps[i] - slope * compiling[i], steps[i] / 2);
        }
        int run = Math.min(RUN, steps.length);
        double[] paces = new double[steps.length - run + 1];
        for (int i = 0; i < paces.length; i++) {
            paces[i] = median(Arrays.copyOfRange(steady, i, i + run));
        }
        Arrays.sort(paces);
        int tenth = (int) Math.round(0.1 * (paces.length - 1));
        return new SteadyPace(paces[tenth], paces[paces.length - 1 - tenth]);
    }

    /** Seconds per step to expect of a long run. */
    public double seconds() {
        return 2 / (1 / fastest + 1 / slowest);
    }

    /** Did the machine change its pace while it was measured? Then it will again, and nobody knows for how long. */
    public boolean varies() {
        return slowest > TWO_PACES * fastest;
    }

    /** Median over all pairs of steps; 0 where the compiler did nothing. */
    private static double slope(double[] steps, double[] compiling) {
        double[] slopes = new double[steps.length * (steps.length - 1) / 2];
        int count = 0;
        for (int i = 0; i < steps.length; i++) {
            for (int j = 0; j < i; j++) {
                double apart = compiling[i] - compiling[j];
                if (apart != 0) {
                    slopes[count++] = (steps[i] - steps[j]) / apart;
                }
            }
        }
        return count == 0 ? 0 : Math.clamp(median(Arrays.copyOf(slopes, count)), 0, 1);
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
