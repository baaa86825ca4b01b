package dev.fathom.engine;

/**
 * Cosines and sines of rotary position embeddings, computed in double and rounded once.
 *
 * @param cos F32 {@code [positions, dim / 2]}
 * @param sin F32 {@code [positions, dim / 2]}
 */
public record RopeTable(Tensor cos, Tensor sin) {
    /** Positions whose angles are one exact angle and one of as many steps from it: long contexts have millions of angles. */
    private static final int STRIDE = 256;

    /** @param frequencies radians per position of each pair, after any YaRN scaling */
    public static RopeTable of(double[] frequencies, int positions) {
        int pairs = frequencies.length;
        Tensor cos = Tensor.zeros(DType.F32, positions, pairs);
        Tensor sin = Tensor.zeros(DType.F32, positions, pairs);
        double[] stepCos = new double[STRIDE * pairs];
        double[] stepSin = new double[STRIDE * pairs];
        for (int k = 0; k < Math.min(STRIDE, positions) * pairs; k++) {
            double angle = k / pairs * frequencies[k % pairs];
            stepCos[k] = StrictMath.cos(angle);
            stepSin[k] = StrictMath.sin(angle);
        }
        for (int from = 0; from < positions; from += STRIDE) {
            for (int i = 0; i < pairs; i++) {
                double c = StrictMath.cos(from * frequencies[i]);
                double s = StrictMath.sin(from * frequencies[i]);
                for (int p = from; p < Math.min(from + STRIDE, positions); p++) {
                    int k = (p - from) * pairs + i;
                    Memory.setFloat(cos.rowAddress(p) + 4L * i, (float) (c * stepCos[k] - s * stepSin[k]));
                    Memory.setFloat(sin.rowAddress(p) + 4L * i, (float) (s * stepCos[k] + c * stepSin[k]));
                }
            }
        }
        return new RopeTable(cos, sin);
    }
}
