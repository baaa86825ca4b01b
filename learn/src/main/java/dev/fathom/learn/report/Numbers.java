package dev.fathom.learn.report;

import java.util.Locale;

/** How the report writes numbers. */
enum Numbers {
    /** A share as per cent: {@code 96.4 %}. */
    PERCENT {
        @Override
        String format(double value) {
            double percent = value * 100;
            return trim(percent, percent == 0 || percent >= 99.95 ? 0 : 1) + "\u00a0%";
        }
    },
    /** A count with k and M: {@code 2.84M}. */
    COUNT {
        @Override
        String format(double value) {
            double size = Math.abs(value);
            if (size >= 1e9) {
                return significant(value / 1e9) + "B";
            }
            if (size >= 1e6) {
                return significant(value / 1e6) + "M";
            }
            if (size >= 1e4 || (size >= 1e3 && size % 100 == 0)) {
                return significant(value / 1e3) + "k";
            }
            return trim(value, size < 100 ? 1 : 0);
        }
    },
    /** Three significant digits. */
    PLAIN {
        @Override
        String format(double value) {
            return significant(value);
        }
    };

    abstract String format(double value);

    static String significant(double value) {
        double size = Math.abs(value);
        if (size == 0) {
            return "0";
        }
        if (size < 1e-3 || size >= 1e6) {
            return String.format(Locale.ROOT, "%.1e", value);
        }
        int decimals = Math.max(0, 2 - (int) Math.floor(Math.log10(size)));
        return trim(value, decimals);
    }

    /** Fixed decimals without trailing zeros. */
    static String trim(double value, int decimals) {
        String text = String.format(Locale.ROOT, "%." + decimals + "f", value);
        if (decimals > 0) {
            text = text.replaceAll("0+$", "").replaceAll("\\.$", "");
        }
        return text.equals("-0") ? "0" : text;
    }

    /** Seconds as people say them: {@code 6 min 12 s}. */
    static String duration(double seconds) {
        long whole = Math.round(seconds);
        if (whole < 60) {
            return whole + " s";
        }
        if (whole < 3600) {
            return whole / 60 + " min " + whole % 60 + " s";
        }
        return whole / 3600 + " h " + whole % 3600 / 60 + " min";
    }
}
