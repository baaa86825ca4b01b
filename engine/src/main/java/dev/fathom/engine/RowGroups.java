package dev.fathom.engine;

/**
 * Which rows of a matrix go through which of several weight matrices: group {@code g} owns the rows
 * {@code offsets[g] .. offsets[g + 1]}. A plain linear layer is one group; the routed experts of a layer are one group each,
 * some of them empty.
 */
public record RowGroups(int[] offsets) {
    /** All rows in one group. */
    public static RowGroups single(long rows) {
        return new RowGroups(new int[] {0, Math.toIntExact(rows)});
    }

    public int count() {
        return offsets.length - 1;
    }

    public int from(int group) {
        return offsets[group];
    }

    public int to(int group) {
        return offsets[group + 1];
    }

    /** Total number of rows. */
    public int rows() {
        return offsets[offsets.length - 1];
    }
}
