package dev.fathom.engine;

/**
 * Cosines and sines of rotary position embeddings, computed in double and rounded once.
 *
 * @param cos F32 {@code [positions, dim / 2]}
 * @param sin F32 {@code [positions, dim / 2]}
 */
public record RopeTable(Tensor cos, Tensor sin) {
    /** @param frequencies radians per position of each pair, after any YaRN scaling */
    public static RopeTable of(double[] frequencies, int positions) {
        Tensor cos = Tensor.zeros(DType.F32, positions, frequencies.length);
        Tensor sin = Tensor.zeros(DType.F32, positions, frequencies.length);
        for (int p = 0; p < positions; p++) {
            for (int i = 0; i < frequencies.length; i++) {
                cos.set(p, i, (float) StrictMath.cos(p * frequencies[i]));
                sin.set(p, i, (float) StrictMath.sin(p * frequencies[i]));
            }
        }
        return new RopeTable(cos, sin);
    }
}
