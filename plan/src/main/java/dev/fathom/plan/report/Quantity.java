package dev.fathom.plan.report;

import dev.fathom.plan.PlanException;
import java.util.Locale;

/** Numbers as people write them: {@code 14.8T}, {@code 67.5 GB}. */
public final class Quantity {
    private static final String[] PREFIXES = {"", "K", "M", "G", "T", "P"};

    private Quantity() {}

    /** Reads {@code 14.8T}, {@code 300B} (billion, as {@code 300G}), {@code 4000000}. */
    public static double parse(String option, String text) {
        String number = text.strip();
        double factor = 1;
        if (!number.isEmpty()) {
            factor = switch (Character.toUpperCase(number.charAt(number.length() - 1))) {
                case 'K' -> 1e3;
                case 'M' -> 1e6;
                case 'B', 'G' -> 1e9;
                case 'T' -> 1e12;
                default -> 1;
            };
        }
        try {
            double value = Double.parseDouble(factor == 1 ? number : number.substring(0, number.length() - 1)) * factor;
            if (value > 0 && !Double.isInfinite(value)) {
                return value;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw PlanException.of(option, "\"" + text + "\"", "a number above 0, such as 4000000, 300B or 14.8T");
    }

    /** Three or four significant digits and a prefix. */
    public static String of(double value) {
        int prefix = 0;
        double rest = value;
        while (Math.abs(rest) >= 999.95 && prefix < PREFIXES.length - 1) {
            rest /= 1000;
            prefix++;
        }
        String digits = String.format(
                Locale.ROOT, rest >= 100 || prefix == 0 && rest == Math.rint(rest) ? "%.0f" : "%.1f", rest);
        return prefix == 0 ? digits : digits + " " + PREFIXES[prefix];
    }

    public static String grouped(double value) {
        return String.format(Locale.ROOT, "%,.0f", value);
    }

    static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f %%", share * 100);
    }

    static String gigabytes(double bytes) {
        return String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }

    static String fixed(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
