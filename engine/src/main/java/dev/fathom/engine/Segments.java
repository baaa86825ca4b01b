package dev.fathom.engine;

import java.util.Arrays;

/**
 * The sequences whose rows are packed one after another in a batch (no padding anywhere), for {@link Kernels#attention}.
 *
 * <p>Sequence {@code s} owns rows {@code rowStart[s] .. rowStart[s] + rowCount[s]}; its first row stands at position
 * {@code position[s]} of the sequence (0 in training and for a new prompt, the number of cached tokens when decoding); its keys
 * and values lie in the {@link KeyValueStore} from slot {@code slot[s]} on.
 */
public record Segments(int count, int[] rowStart, int[] rowCount, int[] position, long[] slot) {
    /** Total number of rows. */
    public int rows() {
        return count == 0 ? 0 : rowStart[count - 1] + rowCount[count - 1];
    }

    /** Segments {@code from} (inclusive) to {@code to} (exclusive), their rows counted from the first of them. */
    public Segments range(int from, int to) {
        int[] start = Arrays.copyOfRange(rowStart, from, to);
        for (int s = start.length - 1; s >= 0; s--) {
            start[s] -= start[0];
        }
        return new Segments(
                to - from,
                start,
                Arrays.copyOfRange(rowCount, from, to),
                Arrays.copyOfRange(position, from, to),
                Arrays.copyOfRange(slot, from, to));
    }

    /** Packed whole sequences of these lengths, each in a slot of its own length rounded up to whole tiles. */
    public static Segments packed(int[] lengths) {
        int n = lengths.length;
        int[] start = new int[n];
        long[] slot = new long[n];
        int rows = 0;
        long tiles = 0;
        for (int s = 0; s < n; s++) {
            start[s] = rows;
            slot[s] = tiles * KeyValueStore.TILE;
            rows += lengths[s];
            tiles += (lengths[s] + KeyValueStore.TILE - 1) / KeyValueStore.TILE;
        }
        return new Segments(n, start, lengths.clone(), new int[n], slot);
    }

    /** Slots (positions) a {@link KeyValueStore} needs for these segments when they start at position 0. */
    public long slots() {
        long tiles = 0;
        for (int s = 0; s < count; s++) {
            tiles = Math.max(
                    tiles,
                    slot[s] / KeyValueStore.TILE
                            + (position[s] + rowCount[s] + KeyValueStore.TILE - 1) / KeyValueStore.TILE);
        }
        return tiles * KeyValueStore.TILE;
    }
}
