package dev.fathom.engine.quant;

import java.util.List;

/**
 * The matrix, or stack of expert matrices, of a linear layer nobody trains, as stored matrices.
 *
 * @param groups for each group (expert) the matrices whose outputs, one below the other, are its outputs: {@code [q; k; v]}, {@code [gate; up]}. They
 *     may be of different types
 */
public record StoredWeights(List<List<StoredMatrix>> groups) {
    /** @throws IllegalArgumentException if widths differ, or outputs do between groups */
    public StoredWeights {
        groups = groups.stream().map(List::copyOf).toList();
        if (groups.isEmpty() || groups.getFirst().isEmpty()) {
            throw new IllegalArgumentException("stored weights need at least one matrix");
        }
        long inputs = groups.getFirst().getFirst().columns();
        long outputs = rows(groups.getFirst());
        for (List<StoredMatrix> group : groups) {
            if (rows(group) != outputs || group.stream().anyMatch(part -> part.columns() != inputs)) {
                throw new IllegalArgumentException("all groups must be [" + outputs + ", " + inputs + "], one has rows "
                        + group.stream().map(StoredMatrix::rows).toList() + " of columns "
                        + group.stream().map(StoredMatrix::columns).toList());
            }
        }
    }

    /** One matrix, or several below each other. */
    public static StoredWeights of(StoredMatrix... parts) {
        return new StoredWeights(List.of(List.of(parts)));
    }

    public long outputs() {
        return rows(groups.getFirst());
    }

    public long inputs() {
        return groups.getFirst().getFirst().columns();
    }

    private static long rows(List<StoredMatrix> parts) {
        return parts.stream().mapToLong(StoredMatrix::rows).sum();
    }
}
