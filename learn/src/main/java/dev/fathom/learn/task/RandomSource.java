package dev.fathom.learn.task;

import dev.fathom.engine.Philox;
import java.util.List;

/**
 * The random numbers a {@link Task} draws from.
 *
 * <p>A source is made for one place, (seed, stream, step), and gives the same numbers whenever it is made again for
 * that place: problem number 7,312 of a run is the same problem on any number of threads and after any number of
 * resumes. A source itself counts what was drawn from it and belongs to one thread.
 */
@FunctionalInterface
public interface RandomSource {
    /** The next 64 random bits. */
    long nextBits();

    /**
     * The source for one place.
     *
     * @param seed the run's seed
     * @param stream the purpose, so that two purposes never share numbers
     * @param step which problem (or document, or sample) of that purpose
     */
    static RandomSource at(long seed, int stream, long step) {
        int[] index = {0};
        return () -> Philox.bits(seed, stream, step, index[0]++);
    }

    /** Uniform in 0 … bound-1, without modulo bias. */
    default long below(long bound) {
        if (bound <= 0) {
            throw new IllegalArgumentException("bound must be positive, was " + bound);
        }
        // Numbers above the largest multiple of the bound would favour small results: draw again.
        long limit = Long.MAX_VALUE - Long.MAX_VALUE % bound;
        while (true) {
            long bits = nextBits() >>> 1;
            if (bits < limit) {
                return bits % bound;
            }
        }
    }

    /** Uniform in low … high, both included. */
    default int between(int low, int high) {
        return (int) (low + below((long) high - low + 1));
    }

    /** A number of exactly this many decimal digits (one digit: 1 to 9), uniform. At most 18 digits. */
    default long withDigits(int digits) {
        if (digits < 1 || digits > 18) {
            throw new IllegalArgumentException("digits must be 1 to 18, was " + digits);
        }
        long smallest = 1;
        for (int i = 1; i < digits; i++) {
            smallest *= 10;
        }
        return smallest + below(9 * smallest);
    }

    /** Uniform in [0, 1). */
    default double uniform() {
        return (nextBits() >>> 11) * 0x1p-53;
    }

    /** True with this probability. */
    default boolean chance(double probability) {
        return uniform() < probability;
    }

    /** One of these, uniform. */
    default <T> T pick(List<T> choices) {
        return choices.get((int) below(choices.size()));
    }
}
