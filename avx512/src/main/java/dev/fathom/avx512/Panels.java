package dev.fathom.avx512;

/**
 * How a matrix of pairs {@code [pairs, columns]} is cut for {@link MicroKernel}: into panels of 48 columns, each with its pairs one after another; the
 * last is as wide as its columns need in vectors of 16.
 *
 * @param columns of the matrix
 */
record Panels(int columns) {
    int count() {
        return (columns + MicroKernel.COLUMNS - 1) / MicroKernel.COLUMNS;
    }

    /** First column of a panel. */
    static int first(int panel) {
        return panel * MicroKernel.COLUMNS;
    }

    /** Valid columns of a panel. */
    int width(int panel) {
        return Math.min(MicroKernel.COLUMNS, columns - first(panel));
    }

    /** Bytes from one pair of a panel to the next. */
    long pairBytes(int panel) {
        return 4L * MicroKernel.LANES * ((width(panel) + MicroKernel.LANES - 1) / MicroKernel.LANES);
    }

    /** Where a panel begins in a matrix of so many pairs. */
    static long offset(int panel, long pairs) {
        return 4L * MicroKernel.COLUMNS * panel * pairs;
    }

    /** Bytes of a matrix of so many pairs. */
    long bytes(long pairs) {
        return offset(count() - 1, pairs) + pairs * pairBytes(count() - 1);
    }
}
