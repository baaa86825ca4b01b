package dev.fathom.infer;

import dev.fathom.infer.KeyValueMemory.Span;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the span that has most of a prompt's beginning. Every whole block of tokens is entered under a hash of all tokens up to its end, so that
 * a prompt is looked up block by block; what is found is compared token by token, so that a hash that two texts share does no harm.
 */
final class PrefixIndex {
    /** Tokens per block. */
    private static final int BLOCK = 16;

    private final Map<Long, List<Span>> spans = new HashMap<>();

    /** A span and how many tokens it has in common with the prompt. */
    record Match(Span span, int length) {}

    /** Enters the blocks of a span's tokens that are not entered yet. */
    void add(Span span) {
        for (int end = span.indexed() + BLOCK; end <= span.length(); end += BLOCK) {
            span.setIndexed(end, hash(span.hash(), span.tokens(), end));
            spans.computeIfAbsent(span.hash(), none -> new ArrayList<>(1)).add(span);
        }
    }

    /** Takes a span out. */
    void remove(Span span) {
        long hash = 0;
        for (int end = BLOCK; end <= span.indexed(); end += BLOCK) {
            hash = hash(hash, span.tokens(), end);
            List<Span> list = spans.get(hash);
            if (list != null && list.remove(span) && list.isEmpty()) {
                spans.remove(hash);
            }
        }
    }

    /** The longest match with the first {@code length} of these tokens, null if not even one block is known. */
    @Nullable
    Match find(int[] tokens, int length) {
        Span longest = null;
        long hash = 0;
        for (int end = BLOCK; end <= length; end += BLOCK) {
            hash = hash(hash, tokens, end);
            List<Span> list = spans.get(hash);
            if (list == null) {
                break;
            }
            longest = list.getLast();
        }
        if (longest == null) {
            return null;
        }
        int known = Math.min(length, longest.length());
        int common = Arrays.mismatch(longest.tokens(), 0, known, tokens, 0, known);
        return new Match(longest, common < 0 ? known : common);
    }

    /** The hash of all tokens up to {@code end} from that up to a block before. */
    private static long hash(long before, int[] tokens, int end) {
        long hash = before ^ 0x9E3779B97F4A7C15L;
        for (int i = end - BLOCK; i < end; i++) {
            hash = (hash ^ tokens[i]) * 0xD6E8FEB86659FD93L;
            hash ^= hash >>> 32;
        }
        return hash;
    }
}
