package dev.fathom.model.tokenizer;

import java.util.Arrays;

/**
 * Merges the symbols of one word until no pair of neighbours has a merge: always the pair of the smallest rank, the leftmost of
 * several. Working memory of one encoding; not for several threads.
 */
final class Merger {
    /** Up to this many symbols, looking through all of them is faster than a queue. */
    private static final int SHORT = 48;

    private final MergeTable table;
    private int[] ids = new int[64];
    private int count;

    /** For every symbol, what the table has for it and its right neighbour. */
    private long[] merges = new long[64];

    private int[] previous = new int[0];
    private int[] next = new int[0];

    /** A binary heap of (rank, position); an entry whose rank is no longer that of its position is out of date. */
    private long[] heap = new long[0];

    private int heapSize;

    Merger(MergeTable table) {
        this.table = table;
    }

    /** Begins a new word. */
    void clear() {
        count = 0;
    }

    /** Appends a symbol. */
    void add(int id) {
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, 2 * count);
            merges = Arrays.copyOf(merges, 2 * count);
        }
        ids[count++] = id;
    }

    /** Merges; {@link #size} and {@link #id} then give the tokens. */
    void merge() {
        if (count <= SHORT) {
            mergeShort();
        } else {
            mergeLong();
        }
    }

    int size() {
        return count;
    }

    int id(int index) {
        return ids[index];
    }

    /** Looks for the best pair again after every merge: quadratic in the number of symbols. */
    void mergeShort() {
        for (int i = 0; i + 1 < count; i++) {
            merges[i] = table.find(ids[i], ids[i + 1]);
        }
        while (count > 1) {
            int best = 0;
            for (int i = 1; i + 1 < count; i++) {
                // Merged ids are no part of the priority: of equal ranks the leftmost goes first.
                if (merges[i] >> 32 < merges[best] >> 32) {
                    best = i;
                }
            }
            long merge = merges[best];
            if (merge == MergeTable.NONE) {
                return;
            }
            ids[best] = (int) merge;
            int moved = count - best - 2;
            System.arraycopy(ids, best + 2, ids, best + 1, moved);
            System.arraycopy(merges, best + 2, merges, best + 1, moved);
            count--;
            if (best > 0) {
                merges[best - 1] = table.find(ids[best - 1], ids[best]);
            }
            if (best + 1 < count) {
                merges[best] = table.find(ids[best], ids[best + 1]);
            }
        }
    }

    /** Symbols as a linked list and pairs in a priority queue: n log n, whatever the text. */
    void mergeLong() {
        if (previous.length < count) {
            previous = new int[ids.length];
            next = new int[ids.length];
            heap = new long[3 * ids.length]; // every merge takes one entry out and puts at most two in
        }
        heapSize = 0;
        for (int i = 0; i < count; i++) {
            previous[i] = i - 1;
            next[i] = i + 1 < count ? i + 1 : -1;
            look(i);
        }
        while (heapSize > 0) {
            long top = pop();
            int at = (int) top;
            long merge = merges[at];
            if (merge == MergeTable.NONE || merge >> 32 != top >> 32) {
                continue;
            }
            int absorbed = next[at];
            ids[at] = (int) merge;
            next[at] = next[absorbed];
            merges[absorbed] = MergeTable.NONE;
            if (next[at] >= 0) {
                previous[next[at]] = at;
            }
            look(at);
            if (previous[at] >= 0) {
                look(previous[at]);
            }
        }
        int size = 0;
        for (int i = count == 0 ? -1 : 0; i >= 0; i = next[i]) {
            ids[size++] = ids[i];
        }
        count = size;
    }

    private void look(int at) {
        merges[at] = next[at] < 0 ? MergeTable.NONE : table.find(ids[at], ids[next[at]]);
        if (merges[at] != MergeTable.NONE) {
            push(merges[at] & 0xffffffff00000000L | at);
        }
    }

    private void push(long entry) {
        int at = heapSize++;
        while (at > 0 && heap[(at - 1) >> 1] > entry) {
            heap[at] = heap[(at - 1) >> 1];
            at = (at - 1) >> 1;
        }
        heap[at] = entry;
    }

    private long pop() {
        long top = heap[0];
        long last = heap[--heapSize];
        int at = 0;
        while (2 * at + 1 < heapSize) {
            int child = 2 * at + 1;
            if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[child] >= last) {
                break;
            }
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = last;
        return top;
    }
}
