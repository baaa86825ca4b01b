package dev.fathom.plan.report;

import dev.fathom.plan.schedule.Timeline;
import dev.fathom.plan.schedule.Timeline.Interval;
import java.util.ArrayList;
import java.util.List;

/** A schedule in characters: one line per rank; the beginning and the end of a step, which differ, and a gap for the middle, which repeats. */
public final class TimelineText {
    private static final int COLUMNS = 100;

    private TimelineText() {}

    public static List<String> lines(Timeline timeline) {
        long slots = timeline.ranks().stream().mapToLong(List::size).sum();
        // Two columns for a slot of mean length: short ones still show, and a window holds the beginning.
        double column = timeline.seconds() * timeline.ranks().size() / slots / 2;
        boolean whole = timeline.seconds() <= COLUMNS * column;
        int half = COLUMNS / 2;
        List<String> lines = new ArrayList<>();
        for (int rank = 0; rank < timeline.ranks().size(); rank++) {
            String row = whole
                    ? row(timeline.ranks().get(rank), 0, column, (int) Math.ceil(timeline.seconds() / column))
                    : row(timeline.ranks().get(rank), 0, column, half) + " … "
                            + row(timeline.ranks().get(rank), timeline.seconds() - half * column, column, half);
            lines.add(String.format(java.util.Locale.ROOT, "%3d %s", rank, row));
        }
        lines.add("    F forward  B backward  W weight gradients  # forward and backward overlapped  . waiting");
        return lines;
    }

    private static String row(List<Interval> intervals, double from, double column, int columns) {
        StringBuilder row = new StringBuilder();
        int next = 0;
        for (int c = 0; c < columns; c++) {
            double at = from + (c + 0.5) * column;
            while (next < intervals.size() && intervals.get(next).end() <= at) {
                next++;
            }
            boolean busy = next < intervals.size() && intervals.get(next).start() <= at;
            row.append(
                    busy
                            ? switch (intervals.get(next).slot().phase()) {
                                case FORWARD -> 'F';
                                case BACKWARD -> 'B';
                                case WEIGHT -> 'W';
                                case PAIR -> '#';
                            }
                            : '.');
        }
        return row.toString();
    }
}
