package dev.fathom.plan.report;

import dev.fathom.plan.schedule.Slot.Phase;
import dev.fathom.plan.schedule.Timeline;
import dev.fathom.plan.schedule.Timeline.Interval;
import java.util.List;
import java.util.Locale;

/** A schedule as inline SVG: a row per rank, a bar per slot; colours are the page's. */
final class TimelineSvg {
    private static final double WIDTH = 960;
    private static final double LEFT = 34;
    /** More bars than this are only grey; neighbours of one phase are then drawn as one. */
    private static final int MOST_BARS = 6000;

    private TimelineSvg() {}

    /** @param from share of the step at which the picture begins, @param to and at which it ends */
    static String of(Timeline timeline, double from, double to, String label) {
        int ranks = timeline.ranks().size();
        double row = ranks > 24 ? 8 : 15;
        double height = ranks * row + 24;
        double start = timeline.seconds() * from;
        double scale = (WIDTH - LEFT - 4) / (timeline.seconds() * (to - from));
        long bars = timeline.ranks().stream().mapToLong(List::size).sum();
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">%n",
                WIDTH,
                height,
                Page.escape(label)));
        for (int rank = 0; rank < ranks; rank++) {
            double y = rank * row;
            if (row > 10 || rank % 4 == 0) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%d</text>",
                        LEFT - 6,
                        y + row - 3,
                        rank));
            }
            Phase open = null;
            double since = 0;
            double until = 0;
            for (Interval interval : timeline.ranks().get(rank)) {
                Phase phase = interval.slot().phase();
                boolean joins = bars > MOST_BARS && phase == open && interval.start() - until < 1e-9;
                if (!joins) {
                    bar(svg, open, since, until, start, scale, y, row);
                    open = phase;
                    since = interval.start();
                }
                until = interval.end();
            }
            bar(svg, open, since, until, start, scale, y, row);
            svg.append('\n');
        }
        svg.append(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\">%s s</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s s</text></svg>%n",
                LEFT,
                height - 6,
                seconds(start),
                WIDTH - 4,
                height - 6,
                seconds(timeline.seconds() * to)));
        return svg.toString();
    }

    private static String seconds(double value) {
        return String.format(Locale.ROOT, value < 0.1 && value > 0 ? "%.4f" : "%.2f", value);
    }

    private static void bar(
            StringBuilder svg,
            @org.jspecify.annotations.Nullable Phase phase,
            double from,
            double to,
            double start,
            double scale,
            double y,
            double row) {
        double x = LEFT + Math.max(0, (from - start) * scale);
        double end = Math.min(WIDTH - 4, LEFT + (to - start) * scale);
        if (phase == null || end <= x || x >= WIDTH - 4) {
            return;
        }
        svg.append(String.format(
                Locale.ROOT,
                "<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"/>",
                phase.name().toLowerCase(Locale.ROOT),
                x,
                y + 1,
                Math.max(0.3, end - x - (end - x > 2 ? 0.4 : 0)),
                row - 2));
    }
}
