package dev.fathom.learn.eval;

/** Estimators for evaluations that answer every problem several times. */
public final class Statistics {
    private static final double Z_95 = 1.959963984540054;

    private Statistics() {}

    /** A 95 % confidence interval. */
    public record Interval(double low, double high) {}

    /**
     * The probability that at least one of {@code k} responses is right, estimated without bias from {@code n}
     * responses of which {@code c} were right (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"):
     *
     * <pre>{@code 1 - C(n-c, k) / C(n, k)  =  1 - product over i = n-c+1 … n of (1 - k/i)}</pre>
     */
    public static double passAtK(int n, int c, int k) {
        if (k < 1 || n < k || c < 0 || c > n) {
            throw new IllegalArgumentException("pass@" + k + " from " + c + " right of " + n);
        }
        if (n - c < k) {
            return 1; // any k of them include a right one
        }
        double allWrong = 1;
        for (int i = n - c + 1; i <= n; i++) {
            allWrong *= 1 - (double) k / i;
        }
        return 1 - allWrong;
    }

    /**
     * Wilson's interval for a proportion {@code p} seen in {@code n} independent trials ({@code n} may be an effective,
     * fractional number). Unlike p ± 1.96 s it stays within 0 … 1 and does not shrink to a point at p = 0 or 1.
     */
    public static Interval wilson(double p, double n) {
        double z2 = Z_95 * Z_95;
        double center = (p + z2 / (2 * n)) / (1 + z2 / n);
        double half = Z_95 / (1 + z2 / n) * Math.sqrt(p * (1 - p) / n + z2 / (4 * n * n));
        // At p = 0 and 1 the exact bound is p itself; rounding may miss it by an ulp.
        return new Interval(Math.max(0, Math.min(p, center - half)), Math.min(1, Math.max(p, center + half)));
    }

    /**
     * The interval of pass@1 over problems that were answered several times each.
     *
     * <p>Responses to one problem are not independent (easy problems are right every time), so the number of responses
     * would make the interval too narrow. This is Wilson's interval with the effective number of trials, p(1-p) divided
     * by the variance of the mean over problems; it lies between the number of problems and the number of responses.
     *
     * @param shares for each problem, the share of its responses that were right
     * @param samplesPerProblem responses per problem
     */
    public static Interval passAt1Interval(double[] shares, int samplesPerProblem) {
        int problems = shares.length;
        double mean = 0;
        for (double share : shares) {
            mean += share / problems;
        }
        double squares = 0;
        for (double share : shares) {
            squares += (share - mean) * (share - mean);
        }
        double varianceOfMean = problems < 2 ? 0 : squares / (problems - 1) / problems;
        double effective = problems;
        if (varianceOfMean > 0) {
            effective = Math.clamp(mean * (1 - mean) / varianceOfMean, problems, (double) problems * samplesPerProblem);
        }
        return wilson(Math.clamp(mean, 0, 1), effective);
    }
}
