package dev.fathom.learn.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A line chart as inline SVG: one x axis, a left y axis, optionally a right one. Colours and fonts come from the page's
 * style sheet, so that the chart follows light and dark.
 *
 * @param title what is shown
 * @param note a sentence below, or empty
 * @param wide as wide as the page, or half of it
 */
record Chart(
        String title,
        String note,
        Axis x,
        Axis left,
        @Nullable Axis right,
        List<Series> series,
        boolean wide) {
    // More points than this cannot be told apart at the width of the page.
    private static final int MAX_POINTS = 300;

    /**
     * @param unit written at the axis
     * @param format of the tick labels
     * @param from included in the range, whatever the data are
     * @param to included in the range; equal to {@code from} if only the data decide
     */
    record Axis(String unit, Numbers format, double from, double to) {}

    record Point(double x, double y) {}

    /** A curve; {@code onRight} measures it on the right axis. */
    record Series(String name, boolean onRight, List<Point> points) {}

    private record Range(double low, double high, double step) {
        double place(double value) {
            return (value - low) / (high - low);
        }
    }

    /** The chart as an HTML figure, or nothing if there is nothing to draw. */
    String toHtml() {
        List<Series> drawn = series.stream().filter(s -> !s.points.isEmpty()).toList();
        if (drawn.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<figure class=\"chart")
                .append(wide ? " wide" : "")
                .append("\">\n");
        html.append("<figcaption><b>").append(Html.escape(title)).append("</b>");
        if (drawn.size() > 1) {
            html.append("<span class=\"legend\">");
            for (int i = 0; i < drawn.size(); i++) {
                html.append("<span class=\"c").append(i).append("\">").append(Html.escape(drawn.get(i).name));
                html.append("</span>");
            }
            html.append("</span>");
        }
        html.append("</figcaption>\n");
        if (wide) {
            // A scaled-down picture would have scaled-down letters, so a narrow page shows a picture of its own.
            html.append(svg(drawn, true, " class=\"on-wide\"")).append(svg(drawn, false, " class=\"on-narrow\""));
        } else {
            html.append(svg(drawn, false, ""));
        }
        if (!note.isEmpty()) {
            html.append("<p class=\"note\">").append(Html.escape(note)).append("</p>\n");
        }
        return html.append("</figure>\n").toString();
    }

    private String svg(List<Series> drawn, boolean large, String attributes) {
        double width = large ? 760 : 370;
        double height = large ? 320 : 210;
        double plotLeft = 54;
        double plotRight = width - (right == null ? 14 : 54);
        double plotTop = left.unit.isEmpty() && right == null ? 8 : 22;
        double plotBottom = height - 40;
        Range xRange = range(x, drawn.stream().flatMap(s -> s.points.stream().map(Point::x)), large ? 8 : 4, true);
        Range leftRange = range(left, ys(drawn, false), 5, false);
        Range rightRange = right == null ? leftRange : range(right, ys(drawn, true), 5, false);

        StringBuilder svg = new StringBuilder();
        append(
                svg,
                "<svg%s viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">%n",
                attributes,
                width,
                height,
                Html.escape(title));
        for (double tick : ticks(leftRange)) {
            double y = plotBottom - leftRange.place(tick) * (plotBottom - plotTop);
            append(
                    svg,
                    "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    plotLeft,
                    plotRight,
                    y,
                    y);
            text(svg, plotLeft - 7, y + 4, "end", left.format.format(tick));
        }
        if (right != null) {
            for (double tick : ticks(rightRange)) {
                double y = plotBottom - rightRange.place(tick) * (plotBottom - plotTop);
                text(svg, plotRight + 7, y + 4, "start", right.format.format(tick));
            }
            text(svg, width - 2, 12, "end", right.unit);
        }
        for (double tick : ticks(xRange)) {
            double at = plotLeft + xRange.place(tick) * (plotRight - plotLeft);
            append(
                    svg,
                    "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    at,
                    at,
                    plotBottom,
                    plotBottom + 4);
            text(svg, at, plotBottom + 18, "middle", x.format.format(tick));
        }
        append(
                svg,
                "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>%n",
                plotLeft,
                plotRight,
                plotBottom,
                plotBottom);
        text(svg, 2, 12, "start", left.unit);
        text(svg, (plotLeft + plotRight) / 2, height - 4, "middle", x.unit);
        for (int i = 0; i < drawn.size(); i++) {
            Series curve = drawn.get(i);
            Range range = curve.onRight ? rightRange : leftRange;
            StringBuilder path = new StringBuilder();
            List<Point> points = thinned(curve.points);
            for (Point point : points) {
                double px = plotLeft + xRange.place(point.x) * (plotRight - plotLeft);
                double py = plotBottom - range.place(point.y) * (plotBottom - plotTop);
                append(path, "%s%.1f %.1f", path.isEmpty() ? "M" : "L", px, py);
                if (points.size() <= 24) {
                    append(svg, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", i, px, py);
                }
            }
            append(svg, "<path class=\"line c%d\" d=\"%s\"/>%n", i, path);
        }
        return svg.append("</svg>\n").toString();
    }

    private static Stream<Double> ys(List<Series> drawn, boolean onRight) {
        return drawn.stream()
                .filter(s -> s.onRight == onRight)
                .flatMap(s -> s.points.stream().map(Point::y));
    }

    /** Means of neighbouring points, if there are more than can be seen. */
    private static List<Point> thinned(List<Point> points) {
        int group = (points.size() + MAX_POINTS - 1) / MAX_POINTS;
        if (group <= 1) {
            return points;
        }
        List<Point> means = new ArrayList<>();
        for (int start = 0; start < points.size(); start += group) {
            List<Point> part = points.subList(start, Math.min(start + group, points.size()));
            means.add(new Point(
                    part.stream().mapToDouble(Point::x).average().orElseThrow(),
                    part.stream().mapToDouble(Point::y).average().orElseThrow()));
        }
        return means;
    }

    /** A range with round ticks around the data; the x axis ends with the data. */
    private static Range range(Axis axis, Stream<Double> values, int wantedTicks, boolean tight) {
        double[] sorted = values.mapToDouble(Double::doubleValue).sorted().toArray();
        double low = axis.from;
        double high = axis.to;
        if (sorted.length > 0) {
            boolean dataDecide = axis.from == axis.to && axis.from != 0;
            low = dataDecide ? sorted[0] : Math.min(low, sorted[0]);
            high = dataDecide ? sorted[sorted.length - 1] : Math.max(high, sorted[sorted.length - 1]);
        }
        if (high <= low) {
            high = low + 1;
        }
        double rough = (high - low) / wantedTicks;
        double magnitude = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = magnitude;
        for (double factor : new double[] {1, 2, 2.5, 5, 10}) {
            step = factor * magnitude;
            if (step >= rough * 0.999) {
                break;
            }
        }
        if (tight) {
            return new Range(low, high, step);
        }
        return new Range(Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step, step);
    }

    private static List<Double> ticks(Range range) {
        List<Double> ticks = new ArrayList<>();
        long first = (long) Math.ceil(range.low / range.step - 1e-9);
        for (long i = first; i * range.step <= range.high + range.step * 1e-6; i++) {
            ticks.add(i * range.step);
        }
        return ticks;
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
        append(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n", x, y, anchor, Html.escape(text));
    }

    // Locale.ROOT: an SVG number has a point whatever the reader's country.
    private static void append(StringBuilder out, String format, Object... arguments) {
        out.append(String.format(Locale.ROOT, format, arguments));
    }
}
