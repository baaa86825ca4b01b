package dev.fathom.plan;

/**
 * What failures cost a synchronous training: every failure loses the work since the last checkpoint and the time to start again. With
 * failures at random (mean time M between them), writing a checkpoint taking C and a restart R, the expected time for τ of work is
 * {@code M e^(R/M) (e^((τ+C)/M) - 1)} (Daly, Future Generation Computer Systems 22, 2006, equation 20); the best τ is searched for.
 *
 * @param secondsBetweenFailures of the whole cluster
 * @param checkpointSeconds that training stands still for a checkpoint
 * @param restartSeconds from a failure to the first step after it
 * @param interval work between checkpoints, in seconds, that loses least
 * @param goodput share of the time that goes into steps that count
 */
public record Failures(
        double secondsBetweenFailures,
        double checkpointSeconds,
        double restartSeconds,
        double interval,
        double goodput) {

    /** With the interval that is best. */
    public static Failures best(double secondsBetweenFailures, double checkpointSeconds, double restartSeconds) {
        double low = Math.log(1e-3);
        double high = Math.log(100 * secondsBetweenFailures + 1);
        for (int i = 0; i < 200; i++) { // goodput has one maximum over the logarithm of the interval
            double a = low + (high - low) / 3;
            double b = high - (high - low) / 3;
            if (goodput(Math.exp(a), secondsBetweenFailures, checkpointSeconds, restartSeconds)
                    < goodput(Math.exp(b), secondsBetweenFailures, checkpointSeconds, restartSeconds)) {
                low = a;
            } else {
                high = b;
            }
        }
        return at(Math.exp((low + high) / 2), secondsBetweenFailures, checkpointSeconds, restartSeconds);
    }

    /** With a given interval. */
    public static Failures at(
            double interval, double secondsBetweenFailures, double checkpointSeconds, double restartSeconds) {
        return new Failures(
                secondsBetweenFailures,
                checkpointSeconds,
                restartSeconds,
                interval,
                goodput(interval, secondsBetweenFailures, checkpointSeconds, restartSeconds));
    }

    private static double goodput(double interval, double mean, double checkpoint, double restart) {
        return interval / (mean * Math.exp(restart / mean) * Math.expm1((interval + checkpoint) / mean));
    }

    /** Expected seconds of work lost per failure: half an interval, for intervals much shorter than the time between failures. */
    public double lostPerFailure() {
        return interval / 2;
    }
}
