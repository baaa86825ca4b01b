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

    /**
     * What lies in rows {@code from} (inclusive) to {@code to} (exclusive), which are counted from the first of them. A segment that reaches beyond is cut
     * there; its keys and values stay where they are.
     */
    public Segments rows(int from, int to) {
        int[] start = new int[count];
        int[] rows = new int[count];
        int[] first = new int[count];
        long[] firstSlot = new long[count];
        int n = 0;
        for (int s = 0; s < count; s++) {
            int begin = Math.max(from, rowStart[s]);
            int end = Math.min(to, rowStart[s] + rowCount[s]);
            if (begin < end) {
                start[n] = begin - from;
                rows[n] = end - begin;
                first[n] = position[s] + begin - rowStart[s];
                firstSlot[n] = slot[s];
                n++;
            }
        }
        return new Segments(
                n,
                Arrays.copyOf(start, n),
                Arrays.copyOf(rows, n),
                Arrays.copyOf(first, n),
                Arrays.copyOf(firstSlot, n));
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
