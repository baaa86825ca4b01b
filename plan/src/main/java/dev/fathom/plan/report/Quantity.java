package dev.fathom.plan.report;

import dev.fathom.plan.PlanException;
import java.util.Locale;

/** Numbers as people read and write them. */
public final class Quantity {
    private static final String[] PREFIXES = {"", "K", "M", "G", "T", "P"};
    private static final String[] SCALES = {"", "K", "M", "B", "T"};

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

    /** Three significant digits and a prefix: {@code 1.98 P}. */
    public static String of(double value) {
        return scaled(value, PREFIXES, " ");
    }

    /** As models and tokens are counted: {@code 36.6B}, {@code 14.8T}. */
    public static String count(double value) {
        return scaled(value, SCALES, "");
    }

    private static String scaled(double value, String[] units, String gap) {
        int unit = 0;
        double rest = value;
        while (Math.abs(rest) >= 999.5 && unit < units.length - 1) {
            rest /= 1000;
            unit++;
        }
        String format =
                rest >= 99.95 || unit == 0 && rest == Math.rint(rest) ? "%.0f" : rest >= 9.995 ? "%.1f" : "%.2f";
        return fixed(format, rest) + (unit == 0 ? "" : gap + units[unit]);
    }

    /** {@code 67.5 GB}, {@code 2.7 MB}. */
    static String bytes(double bytes) {
        return bytes >= 1e8 || bytes == 0 ? fixed("%.1f GB", bytes / 1e9) : fixed("%.1f MB", bytes / 1e6);
    }

    /** Of a step: {@code 19.879 s}, {@code 72.0 ms}. */
    static String seconds(double seconds) {
        return seconds >= 100
                ? fixed("%.1f s", seconds)
                : seconds >= 0.1 ? fixed("%.3f s", seconds) : fixed("%.1f ms", seconds * 1e3);
    }

    /** Of a run: {@code 128 s}, {@code 14.2 h}, {@code 54.1 days}. */
    static String duration(double seconds) {
        if (seconds < 180) {
            return fixed(seconds < 10 ? "%.1f s" : "%.0f s", seconds);
        }
        if (seconds < 7200) {
            return fixed("%.1f min", seconds / 60);
        }
        return seconds < 2 * 86400 ? fixed("%.1f h", seconds / 3600) : fixed("%.1f days", seconds / 86400);
    }

    public static String grouped(double value) {
        return String.format(Locale.ROOT, "%,.0f", value);
    }

    static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f %%", share * 100);
    }

    /** {@code $5,568,436}, {@code $0.02}. */
    static String dollars(double dollars) {
        return dollars >= 100 ? "$" + grouped(dollars) : fixed("$%.2f", dollars);
    }

    static String fixed(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
