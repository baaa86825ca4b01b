package dev.fathom.learn.task;

/** Decimal digits, as written arithmetic needs them. */
final class Digits {
    private Digits() {}

    /** The digit in this column, 0 for the units. */
    static long at(long number, int column) {
        for (int i = 0; i < column; i++) {
            number /= 10;
        }
        return number % 10;
    }

    /** The number with leading zeros, at least this wide. */
    static String padded(long number, int width) {
        String digits = Long.toString(number);
        return "0".repeat(Math.max(0, width - digits.length())) + digits;
    }
}
