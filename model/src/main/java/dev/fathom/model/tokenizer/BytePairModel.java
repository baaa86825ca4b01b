package dev.fathom.model.tokenizer;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Byte pair encoding of one word: every symbol (a byte or a character) is a token, and neighbours merge as long as the table
 * knows a pair (Sennrich et al., arXiv 1508.07909). Words that were encoded before come from a cache.
 *
 * <p>Safe for use by many threads: entries of the cache are immutable, and a race only costs encoding a word again.
 */
final class BytePairModel {
    /**
     * What the model does beyond merging.
     *
     * @param byteLevel symbols are bytes in the spelling of {@link ByteAlphabet}; otherwise characters
     * @param ignoreMerges a word that is a token becomes that token, whatever the merges say (Llama 3)
     * @param byteFallback a character that is no token becomes the tokens of its bytes, {@code <0x0A>}
     * @param unknown the token for characters that are no tokens, if there is one
     * @param fuseUnknown several unknown characters in a row are one unknown token
     */
    record Options(
            boolean byteLevel,
            boolean ignoreMerges,
            boolean byteFallback,
            @Nullable String unknown,
            boolean fuseUnknown) {
        /** Bytes, and merges alone. */
        static final Options BYTE_LEVEL = new Options(true, false, false, null, false);
    }

    private static final int CACHE_SLOTS = 1 << 16;

    /** Longer words seldom come again. */
    private static final int LONGEST_CACHED = 64;

    private final Vocabulary vocabulary;
    private final MergeTable merges;
    private final Options options;
    private final int[] byteIds;
    private final int unknownId;
    private final @Nullable Entry[] cache = new Entry[CACHE_SLOTS];

    /** A word and its tokens; final fields make it safe to find in another thread without a lock. */
    private record Entry(String word, int[] ids) {}

    BytePairModel(Vocabulary vocabulary, MergeTable merges, Options options) {
        this.vocabulary = vocabulary;
        this.merges = merges;
        this.options = options;
        this.byteIds = new int[256];
        for (int b = 0; b < 256; b++) {
            byteIds[b] = options.byteLevel()
                    ? vocabulary.id(String.valueOf(ByteAlphabet.character(b)))
                    : options.byteFallback() ? vocabulary.id(byteToken(b)) : -1;
        }
        if (options.byteFallback() && Arrays.stream(byteIds).anyMatch(id -> id < 0)) {
            throw new TokenizerException(
                    "model.byte_fallback: found true, expected false: the vocabulary has not all of"
                            + " the tokens <0x00> to <0xFF>");
        }
        String unknown = options.unknown();
        this.unknownId = unknown == null ? -1 : vocabulary.id(unknown);
        if (unknown != null && unknownId < 0) {
            throw new TokenizerException(
                    "model.unk_token: found \"" + unknown + "\", expected a token of the vocabulary");
        }
    }

    /** How a vocabulary of characters spells a byte. */
    static String byteToken(int b) {
        return "<0x%02X>".formatted(b);
    }

    MergeTable merges() {
        return merges;
    }

    Options options() {
        return options;
    }

    /** Encodes words one after another into one list of ids. The working memory of one call; not for several threads. */
    final class Encoder implements Words {
        private final Merger merger = new Merger(merges);
        private int[] ids;
        private int count;

        /** @param expected about how many ids there will be */
        Encoder(int expected) {
            ids = new int[Math.max(16, expected)];
        }

        void add(int id) {
            if (count == ids.length) {
                ids = Arrays.copyOf(ids, 2 * count);
            }
            ids[count++] = id;
        }

        int[] ids() {
            return Arrays.copyOf(ids, count);
        }

        @Override
        public void accept(String text, int from, int to) {
            if (to - from > LONGEST_CACHED) {
                encode(text, from, to);
                return;
            }
            int hash = 0;
            for (int i = from; i < to; i++) {
                hash = 31 * hash + text.charAt(i);
            }
            int slot = (hash * 0x9E3779B9) >>> 16;
            Entry entry = cache[slot];
            if (entry == null || entry.word.length() != to - from || !text.startsWith(entry.word, from)) {
                int before = count;
                encode(text, from, to);
                cache[slot] = new Entry(text.substring(from, to), Arrays.copyOfRange(ids, before, count));
                return;
            }
            for (int id : entry.ids) {
                add(id);
            }
        }

        private void encode(String text, int from, int to) {
            if (options.ignoreMerges()) {
                String word = text.substring(from, to);
                int id = vocabulary.id(options.byteLevel() ? ByteAlphabet.spell(word) : word);
                if (id >= 0) {
                    add(id);
                    return;
                }
            }
            merger.clear();
            if (options.byteLevel()) {
                addBytes(text, from, to);
            } else {
                addCharacters(text, from, to);
            }
            merger.merge();
            for (int i = 0; i < merger.size(); i++) {
                add(merger.id(i));
            }
        }

        private void addBytes(String text, int from, int to) {
            for (int at = from; at < to; ) {
                int codePoint = codePointAt(text, at, to);
                addUtf8(codePoint, text, at);
                at += Character.charCount(codePoint);
            }
        }

        private void addUtf8(int codePoint, String text, int at) {
            if (codePoint < 0x80) {
                addByte(codePoint, text, at);
            } else if (codePoint < 0x800) {
                addByte(0xc0 | codePoint >> 6, text, at);
                addByte(0x80 | codePoint & 0x3f, text, at);
            } else if (codePoint < 0x10000) {
                addByte(0xe0 | codePoint >> 12, text, at);
                addByte(0x80 | codePoint >> 6 & 0x3f, text, at);
                addByte(0x80 | codePoint & 0x3f, text, at);
            } else {
                addByte(0xf0 | codePoint >> 18, text, at);
                addByte(0x80 | codePoint >> 12 & 0x3f, text, at);
                addByte(0x80 | codePoint >> 6 & 0x3f, text, at);
                addByte(0x80 | codePoint & 0x3f, text, at);
            }
        }

        private void addByte(int b, String text, int at) {
            if (byteIds[b] < 0) {
                throw new TokenizerException("cannot encode " + TextPosition.describe(text, at)
                        + ": the vocabulary has no token for the byte " + byteToken(b));
            }
            merger.add(byteIds[b]);
        }

        private void addCharacters(String text, int from, int to) {
            boolean afterUnknown = false;
            for (int at = from; at < to; ) {
                int codePoint = codePointAt(text, at, to);
                int length = Character.charCount(codePoint);
                int id = vocabulary.id(text.substring(at, at + length));
                if (id >= 0) {
                    merger.add(id);
                    afterUnknown = false;
                } else if (options.byteFallback()) {
                    addUtf8(codePoint, text, at);
                    afterUnknown = false;
                } else if (unknownId < 0) {
                    throw new TokenizerException("cannot encode " + TextPosition.describe(text, at)
                            + ": it is no token of the vocabulary, and the vocabulary has no token for the unknown");
                } else {
                    if (!afterUnknown || !options.fuseUnknown()) {
                        merger.add(unknownId);
                    }
                    afterUnknown = true;
                }
                at += length;
            }
        }

        private static int codePointAt(String text, int at, int to) {
            int codePoint = Unicode.codePointAt(text, at, to);
            if (codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE) {
                throw TextPosition.halfSurrogatePair(text, at);
            }
            return codePoint;
        }
    }
}
