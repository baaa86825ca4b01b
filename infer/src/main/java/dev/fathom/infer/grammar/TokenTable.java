package dev.fathom.infer.grammar;

import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * The bytes of all tokens of a vocabulary in the order of their bytes, so that what tokens have in common is walked once. A special token is
 * not its text, but a byte that no text has followed by its number: it comes only where a grammar asks for it. Immutable.
 */
public final class TokenTable {
    /** No byte of UTF-8. */
    private static final byte SPECIAL = (byte) 0xff;

    private final int[] ids;
    private final byte[][] bytes;

    /** How many bytes a token has in common with the one before. */
    private final int[] common;

    private final int longest;
    private final int vocabularySize;
    private final Tokenizer tokenizer;

    private TokenTable(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        vocabularySize = tokenizer.vocabularySize();
        byte[][] all = new byte[vocabularySize][];
        for (int id = 0; id < vocabularySize; id++) {
            all[id] = tokenizer.isSpecial(id) ? special(id) : tokenizer.bytes(id);
        }
        ids = IntStream.range(0, vocabularySize)
                .filter(id -> all[id].length > 0 && (tokenizer.isSpecial(id) || !isSpecial(all[id])))
                .boxed()
                .sorted(Comparator.comparing(id -> all[id], Arrays::compareUnsigned))
                .mapToInt(Integer::intValue)
                .toArray();
        bytes = new byte[ids.length][];
        common = new int[ids.length];
        int most = 0;
        for (int i = 0; i < ids.length; i++) {
            bytes[i] = all[ids[i]];
            most = Math.max(most, bytes[i].length);
            int shared = i == 0 ? 0 : Arrays.mismatch(bytes[i - 1], bytes[i]);
            common[i] = shared < 0 ? bytes[i].length : shared;
        }
        longest = most;
    }

    public static TokenTable of(Tokenizer tokenizer) {
        return new TokenTable(tokenizer);
    }

    /** Byte-level vocabularies have tokens for bytes of no text; they must not be mistaken. */
    private static boolean isSpecial(byte[] token) {
        for (byte b : token) {
            if (b == SPECIAL) {
                return true;
            }
        }
        return false;
    }

    private static byte[] special(int id) {
        return new byte[] {SPECIAL, (byte) (id >> 16), (byte) (id >> 8), (byte) id};
    }

    /** The bytes of a text in which special tokens stand for themselves. */
    byte[] encode(String text) {
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        int at = 0;
        while (at < text.length()) {
            String rest = text.substring(at);
            String token = tokenizer.specialTokens().tokens().stream()
                    .map(SpecialToken::text)
                    .filter(rest::startsWith)
                    .max(Comparator.comparingInt(String::length))
                    .orElse("");
            if (token.isEmpty()) {
                int next = rest.offsetByCodePoints(0, 1);
                out.writeBytes(rest.substring(0, next).getBytes(java.nio.charset.StandardCharsets.UTF_8));
                at += next;
            } else {
                out.writeBytes(special(tokenizer.id(token).orElseThrow()));
                at += token.length();
            }
        }
        return out.toByteArray();
    }

    /** Longs in a mask. */
    int words() {
        return (vocabularySize + 63) / 64;
    }

    /** The bytes of a token as grammars have them. */
    byte[] bytes(int id) {
        return tokenizer.isSpecial(id) ? special(id) : tokenizer.bytes(id);
    }

    /** Whether a character can be written by itself. */
    boolean has(char character) {
        int at = Arrays.binarySearch(bytes, new byte[] {(byte) character}, Arrays::compareUnsigned);
        return at >= 0;
    }

    /**
     * The tokens that may come at a place.
     *
     * @param budget bytes that there is room for behind the token
     */
    TokenMask mask(Automaton.Node start, int budget) {
        long[] words = new long[words()];
        Automaton.Node[] path = new Automaton.Node[longest + 1];
        path[0] = start;
        int needed = 0;
        // Tokens that begin with the first so many bytes of the token before lead nowhere.
        int dead = Integer.MAX_VALUE;
        for (int i = 0; i < ids.length; i++) {
            if (common[i] >= dead) {
                continue;
            }
            byte[] token = bytes[i];
            Automaton.Node node = path[common[i]];
            dead = Integer.MAX_VALUE;
            for (int at = common[i]; at < token.length; at++) {
                Automaton.Node next = node.next(token[at] & 0xff);
                if (next == null) {
                    dead = at + 1;
                    break;
                }
                node = next;
                path[at + 1] = node;
            }
            if (dead == Integer.MAX_VALUE && node.shortest() <= budget) {
                words[ids[i] >> 6] |= 1L << ids[i];
                needed = Math.max(needed, node.shortest());
            }
        }
        return new TokenMask(words, needed);
    }
}
