package dev.fathom.model;

import static dev.fathom.model.ReferenceParameters.softmax;

import java.util.Arrays;
import java.util.stream.IntStream;

/** How near two sides are along the same texts: logits after a prompt and after each token but the last, {@code [tokens][V]}, from both. */
final class TextLogits {
    /** Of so many most probable tokens probabilities are compared. */
    private static final int TOP = 20;

    private TextLogits() {}

    /** The most probable token, the first of several. */
    static int best(double[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    /** How far the probabilities of the tokens that are most probable there are off here. */
    static double farthestOfTop(double[] there, double[] here) {
        double[] theirs = softmax(there);
        double[] ours = softmax(here);
        return IntStream.range(0, there.length)
                .boxed()
                .sorted((a, b) -> Double.compare(there[b], there[a]))
                .limit(TOP)
                .mapToDouble(token -> Math.abs(theirs[token] - ours[token]))
                .max()
                .orElseThrow();
    }

    static double[][] logProbs(double[][] logits) {
        return Arrays.stream(logits).map(ReferenceParameters::logSoftmax).toArray(double[][]::new);
    }

    /** In how many texts two have the same tokens, and the same logits. */
    static final class Agreement {
        /** Logits nearer than this come from the same integers: binary32 moves them by some 3e-7, one other integer by 1e-3. */
        private static final double EQUAL = 1e-6;

        /** Texts with the same most probable tokens all along. */
        int same;

        /** Texts with the same logits all along. */
        int equal;

        void add(double[][] one, double[][] other) {
            double farthest = 0;
            boolean sameText = true;
            for (int n = 0; n < one.length; n++) {
                for (int token = 0; token < one[n].length; token++) {
                    farthest = Math.max(farthest, Math.abs(one[n][token] - other[n][token]));
                }
                sameText &= best(one[n]) == best(other[n]);
            }
            same += sameText ? 1 : 0;
            equal += farthest < EQUAL ? 1 : 0;
        }

        @Override
        public String toString() {
            return same + " (" + equal + ")";
        }
    }

    /** How far logits along texts are from others. */
    static final class Distance {
        private double squares;
        private long count;

        /** The farthest logit. */
        double farthest;

        /** The farthest probability of the most probable tokens. */
        double farthestOfTop;

        /** How much less probable one side takes the other's first token for than its own, at most: the difference of its logits. */
        double widestGap;

        /** Texts with the same most probable tokens all along. */
        int same;

        void add(double[][] one, double[][] other) {
            boolean all = true;
            for (int n = 0; n < one.length; n++) {
                for (int token = 0; token < one[n].length; token++) {
                    double off = other[n][token] - one[n][token];
                    squares += off * off;
                    count++;
                    farthest = Math.max(farthest, Math.abs(off));
                }
                farthestOfTop = Math.max(farthestOfTop, farthestOfTop(one[n], other[n]));
                int first = best(one[n]);
                int second = best(other[n]);
                all &= first == second;
                widestGap = Math.max(widestGap, one[n][first] - one[n][second]);
            }
            same += all ? 1 : 0;
        }

        double rootMeanSquare() {
            return Math.sqrt(squares / count);
        }

        @Override
        public String toString() {
            return String.format(
                    "%.1e (%.1e; probabilities %.1e, gap %.1e)", rootMeanSquare(), farthest, farthestOfTop, widestGap);
        }
    }
}
