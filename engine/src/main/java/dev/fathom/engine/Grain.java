package dev.fathom.engine;

/**
 * How much of an operation is one task of the {@link WorkerPool}. Results never depend on it: tasks divide outputs, not reductions.
 *
 * <p>A second thread that waits for work costs a microsecond, as much as touching some thousand elements, so a small operation is one task, which the
 * calling thread runs at once; a large one is cut into more tasks than threads, because threads of a shared machine are not equally fast.
 */
final class Grain {
    /** Elements up to which an operation runs on the calling thread alone. */
    private static final long SERIAL = 1 << 14;

    /** Elements of one task of a larger operation: 32 KiB per stream stays in a core's cache. */
    private static final long TASK = 1 << 13;

    private Grain() {}

    /** Rows of one task. @param cost element operations per row, where 1 means one load, one multiply-add, one store */
    static long rows(long rows, long cost) {
        long perRow = Math.max(1, cost);
        if (rows <= SERIAL / perRow) {
            return Math.max(1, rows);
        }
        return Math.max(1, TASK / perRow);
    }

    /**
     * Columns of one task, for gradients of weights, which walk all rows in order: whole cache lines, two tasks per thread.
     *
     * @param cost element operations per column
     */
    static long columns(long columns, long cost, int threads) {
        if (threads == 1 || columns <= SERIAL / Math.max(1, cost)) {
            return Math.max(1, columns);
        }
        long share = (columns + 2L * threads - 1) / (2L * threads);
        return Math.max(2 * Lanes.VIRTUAL, (share + Lanes.VIRTUAL - 1) / Lanes.VIRTUAL * Lanes.VIRTUAL);
    }
}
