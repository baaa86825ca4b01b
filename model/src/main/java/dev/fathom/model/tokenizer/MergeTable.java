package dev.fathom.model.tokenizer;

import java.util.Arrays;

/**
 * Which two tokens merge, with which priority and into what: a hash table from (left id, right id) to (rank, merged id). A
 * smaller rank merges earlier.
 */
final class MergeTable {
    /** What {@link #find} gives for a pair that does not merge: later than every rank. */
    static final long NONE = Long.MAX_VALUE;

    private static final long EMPTY = -1;

    private final int[] left;
    private final int[] right;
    private final int[] rank;
    private final int[] merged;

    /** Pairs of (key, value), so that one look-up touches one cache line. */
    private final long[] slots;

    private final int shift;

    /**
     * All arrays have one entry for each merge and are kept, not copied.
     *
     * @param left id of the left token
     * @param right id of the right token
     * @param rank priority; of a pair given twice the last counts, as in the original
     * @param merged id of the token that both become
     */
    MergeTable(int[] left, int[] right, int[] rank, int[] merged) {
        this.left = left;
        this.right = right;
        this.rank = rank;
        this.merged = merged;
        int bits = Math.max(4, 33 - Integer.numberOfLeadingZeros(Math.max(1, left.length)));
        slots = new long[2 << bits];
        shift = 64 - bits;
        Arrays.fill(slots, EMPTY);
        for (int i = 0; i < left.length; i++) {
            long key = key(left[i], right[i]);
            int slot = slot(key);
            while (slots[slot] != EMPTY && slots[slot] != key) {
                slot = (slot + 2) & (slots.length - 1);
            }
            slots[slot] = key;
            slots[slot + 1] = (long) rank[i] << 32 | merged[i];
        }
    }

    /** Rank (upper half) and merged id (lower half), or {@link #NONE}. */
    long find(int leftId, int rightId) {
        long key = key(leftId, rightId);
        int slot = slot(key);
        while (true) {
            long found = slots[slot];
            if (found == key) {
                return slots[slot + 1];
            }
            if (found == EMPTY) {
                return NONE;
            }
            slot = (slot + 2) & (slots.length - 1);
        }
    }

    int size() {
        return left.length;
    }

    int left(int index) {
        return left[index];
    }

    int right(int index) {
        return right[index];
    }

    int rank(int index) {
        return rank[index];
    }

    private static long key(int leftId, int rightId) {
        return (long) leftId << 32 | rightId;
    }

    private int slot(long key) {
        return (int) ((key * 0x9E3779B97F4A7C15L) >>> shift) << 1;
    }
}
