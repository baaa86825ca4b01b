package dev.fathom.model.tokenizer;

import java.util.Arrays;

/** Collects merges by the spelling of their tokens. */
final class MergeTableBuilder {
    private final Vocabulary vocabulary;
    private int[] left;
    private int[] right;
    private int[] rank;
    private int[] merged;
    private int count;

    MergeTableBuilder(Vocabulary vocabulary, int expected) {
        this.vocabulary = vocabulary;
        left = new int[expected];
        right = new int[expected];
        rank = new int[expected];
        merged = new int[expected];
    }

    /** Adds a merge; false if one of the two tokens, or what they become, is not in the vocabulary. */
    boolean add(String leftToken, String rightToken, int priority) {
        return add(
                vocabulary.id(leftToken), vocabulary.id(rightToken), vocabulary.id(leftToken + rightToken), priority);
    }

    /** Adds a merge of ids; false if one of them is negative, the id of no token. */
    boolean add(int leftId, int rightId, int mergedId, int priority) {
        if (leftId < 0 || rightId < 0 || mergedId < 0) {
            return false;
        }
        if (count == left.length) {
            int longer = Math.max(64, 2 * count);
            left = Arrays.copyOf(left, longer);
            right = Arrays.copyOf(right, longer);
            rank = Arrays.copyOf(rank, longer);
            merged = Arrays.copyOf(merged, longer);
        }
        left[count] = leftId;
        right[count] = rightId;
        rank[count] = priority;
        merged[count++] = mergedId;
        return true;
    }

    MergeTable build() {
        return new MergeTable(
                Arrays.copyOf(left, count),
                Arrays.copyOf(right, count),
                Arrays.copyOf(rank, count),
                Arrays.copyOf(merged, count));
    }
}
