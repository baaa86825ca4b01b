package dev.fathom.infer;

import java.util.Arrays;

/** How often tokens occur: a small open-addressing table, because a vocabulary is large and a text has few of its tokens. */
final class TokenCounts {
    private int[] keys = new int[16];
    private int[] counts = new int[16];
    private int used;

    TokenCounts() {
        Arrays.fill(keys, -1);
    }

    /** Changes a token's count and returns the new one. */
    int add(int token, int change) {
        if (2 * used >= keys.length) {
            grow();
        }
        int at = place(keys, token);
        if (keys[at] < 0) {
            keys[at] = token;
            used++;
        }
        counts[at] += change;
        return counts[at];
    }

    int count(int token) {
        int at = place(keys, token);
        return keys[at] < 0 ? 0 : counts[at];
    }

    /** Hears each token that occurs, in no order that matters. */
    void forEach(Visitor visitor) {
        for (int i = 0; i < keys.length; i++) {
            if (counts[i] > 0) {
                visitor.visit(keys[i], counts[i]);
            }
        }
    }

    @FunctionalInterface
    interface Visitor {
        void visit(int token, int count);
    }

    private static int place(int[] keys, int token) {
        int at = (token * 0x9E3779B9) >>> 7 & (keys.length - 1);
        while (keys[at] >= 0 && keys[at] != token) {
            at = at + 1 & (keys.length - 1);
        }
        return at;
    }

    private void grow() {
        int[] newKeys = new int[2 * keys.length];
        int[] newCounts = new int[newKeys.length];
        Arrays.fill(newKeys, -1);
        for (int i = 0; i < keys.length; i++) {
            if (keys[i] >= 0) {
                int at = place(newKeys, keys[i]);
                newKeys[at] = keys[i];
                newCounts[at] = counts[i];
            }
        }
        keys = newKeys;
        counts = newCounts;
    }
}
