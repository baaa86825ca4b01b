package dev.fathom.model;

import java.util.Arrays;
import java.util.Random;
import java.util.function.Predicate;

/**
 * Rows rounded to multiples of a 127th of the largest of 32 elements, but at random: each element moves anywhere within half a step. What {@link RoundedRows} do to a
 * model's logits, whichever way the roundings fall.
 */
final class RandomlyRoundedRows implements ReferenceParameters.Operand {
    private static final int BLOCK = 32;

    private final Predicate<String> exact;
    private final Random random;

    /** @param exact matrices whose rows are not rounded */
    RandomlyRoundedRows(Predicate<String> exact, long seed) {
        this.exact = exact;
        this.random = new Random(seed);
    }

    @Override
    public double[] of(String matrix, double[] row) {
        if (exact.test(matrix)) {
            return row;
        }
        double[] rounded = row.clone();
        for (int from = 0; from < row.length; from += BLOCK) {
            int to = Math.min(row.length, from + BLOCK);
            double largest = Arrays.stream(row, from, to).map(Math::abs).max().orElseThrow();
            for (int i = from; i < to; i++) {
                rounded[i] += largest / 127 * (random.nextDouble() - 0.5);
            }
        }
        return rounded;
    }
}
