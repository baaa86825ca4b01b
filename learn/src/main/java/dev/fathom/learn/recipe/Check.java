package dev.fathom.learn.recipe;

import dev.fathom.learn.LearnException;

/** Checks of option values; each error says the option, the rule and what was found. */
final class Check {
    private Check() {}

    static void between(String option, double value, double low, double high) {
        if (!(value >= low && value <= high)) { // written so that NaN fails
            throw new LearnException(
                    option + " must be between " + plain(low) + " and " + plain(high) + ", was " + plain(value));
        }
    }

    static void atLeast(String option, double value, double low) {
        if (!(value >= low) || Double.isInfinite(value)) {
            throw new LearnException(option + " must be at least " + plain(low) + ", was " + plain(value));
        }
    }

    static void positive(String option, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new LearnException(option + " must be greater than 0, was " + plain(value));
        }
    }

    static void that(boolean condition, String complaint) {
        if (!condition) {
            throw new LearnException(complaint);
        }
    }

    private static String plain(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
