package dev.fathom.engine;

import java.lang.ref.Reference;

/**
 * Divides work over packed sequences of unequal length into tasks of about equal cost.
 *
 * <p>A unit is a block of rows of one sequence and one key/value head. Units stand in a fixed order (sequence, head, rows) on a line
 * of estimated cost; task i of n gets those that begin in the i-th part of the line. So 512 one-row sequences of a decode step
 * become a dozen tasks, one long prompt becomes many, and nothing is allocated but the closure. Units write disjoint outputs: the
 * division never shows in the results.
 */
public final class SegmentWork {
    /** Cost of the smallest task worth handing to another thread, which costs a microsecond. */
    private static final long SMALLEST_TASK = 8_000;

    /** Tasks per thread: enough for the threads to end together on a machine where they do not run equally fast. */
    private static final int TASKS_PER_THREAD = 8;

    private SegmentWork() {}

    /** One unit of work. */
    @FunctionalInterface
    public interface Unit {
        /** @param from first row of the unit, counted within the segment; @param to one past the last */
        void run(int segment, int head, int from, int to, int worker);
    }

    /**
     * Runs all units.
     *
     * @param rowsPerUnit most rows of a unit
     * @param costPerRow multiply-adds (or moved floats) per row and head
     * @param costPerPair multiply-adds per row, head and attended position
     */
    public static void run(
            WorkerPool pool,
            Segments segments,
            int heads,
            int rowsPerUnit,
            long costPerRow,
            long costPerPair,
            Unit unit) {
        long total = 0;
        for (int s = 0; s < segments.count(); s++) {
            total += heads * segmentCost(segments, s, rowsPerUnit, costPerRow, costPerPair);
        }
        if (total == 0) {
            return;
        }
        long most = pool.parallelism() == 1 ? 1 : (long) TASKS_PER_THREAD * pool.parallelism();
        int tasks = (int) Math.max(1, Math.min(most, total / SMALLEST_TASK));
        long share = (total + tasks - 1) / tasks;
        pool.run(
                tasks,
                (task, worker) -> runShare(
                        segments,
                        heads,
                        rowsPerUnit,
                        costPerRow,
                        costPerPair,
                        unit,
                        task * share,
                        (task + 1) * share,
                        worker));
        // The units see absolute addresses only; until here the closure keeps the tensors, and so their memory, alive.
        Reference.reachabilityFence(unit);
    }

    /** The units that begin at a cost from {@code begin} to {@code end}. */
    private static void runShare(
            Segments segments,
            int heads,
            int rowsPerUnit,
            long costPerRow,
            long costPerPair,
            Unit unit,
            long begin,
            long end,
            int worker) {
        long at = 0;
        for (int s = 0; s < segments.count() && at < end; s++) {
            long cost = segmentCost(segments, s, rowsPerUnit, costPerRow, costPerPair);
            if (at + heads * cost <= begin) {
                at += heads * cost;
                continue;
            }
            int rows = segments.rowCount()[s];
            for (int head = 0; head < heads; head++) {
                for (int from = 0; from < rows; ) {
                    int to = (int) Math.min(rows, (long) from + rowsPerUnit);
                    if (at >= begin && at < end) {
                        unit.run(s, head, from, to, worker);
                    }
                    at += unitCost(segments, s, from, to, costPerRow, costPerPair);
                    from = to;
                }
            }
        }
    }

    private static long segmentCost(Segments segments, int s, int rowsPerUnit, long costPerRow, long costPerPair) {
        int rows = segments.rowCount()[s];
        long cost = 0;
        for (int from = 0; from < rows; ) {
            int to = (int) Math.min(rows, (long) from + rowsPerUnit);
            cost += unitCost(segments, s, from, to, costPerRow, costPerPair);
            from = to;
        }
        return cost;
    }

    /** As if every row of the unit attended to the positions of the middle one. */
    private static long unitCost(Segments segments, int s, int from, int to, long costPerRow, long costPerPair) {
        long positions = segments.position()[s] + (from + to + 1L) / 2;
        return (to - from) * (costPerRow + costPerPair * positions);
    }
}
