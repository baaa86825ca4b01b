package dev.fathom.model;

import java.util.Random;
import java.util.function.Predicate;

/**
 * Rows as integers of eight bits before they meet weights in blocks: 32 elements have one scale, a 127th of the largest rounded to as many bits as a
 * binary16 has; elements are rounded to its multiples. Both llama.cpp and {@code avx512} do that, in binary32.
 *
 * <p>So what they compute is what this oracle does, to some 1e-7, unless an element lies so close to the middle between two integers that binary32 and
 * binary64 round it to different ones; from there on everything is off by what eight bits round. How often that happens, the oracle itself says when its rows
 * are off by what binary32 is off by.
 */
final class RoundedRows implements ReferenceParameters.Operand {
    private static final int BLOCK = 32;

    private final Scale scale;
    private final Predicate<String> exact;
    private final double noise;
    private final Random random = new Random(1);

    /**
     * @param exact matrices whose rows are not rounded
     * @param noise how far elements are off before they are rounded, relative to the largest one of their block (standard deviation)
     */
    RoundedRows(Scale scale, Predicate<String> exact, double noise) {
        this.scale = scale;
        this.exact = exact;
        this.noise = noise;
    }

    /** How a block's scale is rounded. */
    enum Scale {
        /** As llama.cpp keeps it, with its small exponents. */
        BINARY16,
        /** To as many bits, of any exponent. */
        ELEVEN_BITS;

        private float round(float value) {
            if (this == BINARY16) {
                return Float.float16ToFloat(Float.floatToFloat16(value));
            }
            float split = value * 0x1.0008p13f; // 2^13 + 1
            return split - (split - value);
        }
    }

    @Override
    public double[] of(String matrix, double[] row) {
        if (exact.test(matrix)) {
            return row;
        }
        double[] rounded = new double[row.length];
        for (int from = 0; from < row.length; from += BLOCK) {
            double largest = 0;
            for (int i = from; i < from + BLOCK; i++) {
                largest = Math.max(largest, Math.abs(row[i]));
            }
            largest *= 1 + noise * random.nextGaussian();
            float step = scale.round((float) (largest / 127));
            for (int i = from; i < from + BLOCK && largest > 0; i++) {
                rounded[i] = step * Math.rint(127 * (row[i] / largest + noise * random.nextGaussian()));
            }
        }
        return rounded;
    }
}
