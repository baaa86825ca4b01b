package dev.fathom.engine.quant;

/**
 * Fits 32 values by {@code x[i] ≈ scale q[i] - min} with integers q of 0 to 15 and {@code scale, min >= 0}, in weighted least squares.
 *
 * <p>Large values matter more than small ones: the weight of x is its magnitude plus the root mean square of the part. For given integers the best
 * scale and min are a linear regression; the integers come from stretching the range from the best min so far to the largest value over 15 steps and
 * a little more or less, 21 ways in all. The best of these is kept.
 */
final class PartFit {
    private static final int SIZE = 32;
    private static final int LEVELS = 15;

    private final float[] weights = new float[SIZE];
    private float scale;
    private float min;

    float scale() {
        return scale;
    }

    float min() {
        return min;
    }

    /** Fits {@code values[from] .. values[from + 31]}. */
    void fit(float[] values, int from) {
        double squares = 0;
        float low = 0; // min is not negative: zero is always inside the range
        float high = values[from];
        for (int i = 0; i < SIZE; i++) {
            float x = values[from + i];
            squares += (double) x * x;
            low = Math.min(low, x);
            high = Math.max(high, x);
        }
        min = -low;
        scale = 0;
        if (high <= low) {
            return; // all equal, and not positive
        }
        float rms = (float) Math.sqrt(squares / SIZE);
        for (int i = 0; i < SIZE; i++) {
            weights[i] = rms + Math.abs(values[from + i]);
        }
        scale = (high - low) / LEVELS;
        double best = error(values, from, low, 1 / scale, scale, min);
        for (int step = -10; step <= 10; step++) {
            float inverse = (LEVELS + 0.1f * step) / (high + min);
            best = regress(values, from, -min, inverse, best);
        }
    }

    /** Weighted squared error of integers chosen with one range and decoded with a scale and min. */
    private double error(float[] values, int from, float low, float inverse, double s, double m) {
        double error = 0;
        for (int i = 0; i < SIZE; i++) {
            double difference = s * quantize(values[from + i], low, inverse) - m - values[from + i];
            error += weights[i] * difference * difference;
        }
        return error;
    }

    private double regress(float[] values, int from, float low, float inverse, double best) {
        double sumW = 0;
        double sumX = 0;
        double sumQ = 0;
        double sumQq = 0;
        double sumXq = 0;
        for (int i = 0; i < SIZE; i++) {
            double w = weights[i];
            double x = values[from + i];
            int q = quantize(values[from + i], low, inverse);
            sumW += w;
            sumX += w * x;
            sumQ += w * q;
            sumQq += w * q * q;
            sumXq += w * x * q;
        }
        double determinant = sumW * sumQq - sumQ * sumQ;
        if (determinant <= 0) {
            return best;
        }
        double s = (sumW * sumXq - sumX * sumQ) / determinant;
        double m = (sumQ * sumXq - sumQq * sumX) / determinant;
        if (m < 0) { // not representable: through the origin, then
            m = 0;
            s = sumXq / sumQq;
        }
        double error = error(values, from, low, inverse, s, m);
        if (!(error < best) || s < 0) {
            return best; // also where the range was empty and the error is NaN
        }
        scale = (float) s;
        min = (float) m;
        return error;
    }

    private static int quantize(float x, float low, float inverse) {
        return Math.clamp(Math.round((x - low) * inverse), 0, LEVELS);
    }
}
