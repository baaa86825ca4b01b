package dev.fathom.model.tokenizer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Tokens, types and merges of a vocabulary-only GGUF file. The copies at hand once went through a text decoder: wherever a byte
 * was no UTF-8 they have U+FFFD, so that numbers of 128 and more are lost and no proper reader takes them. The strings, which
 * are what matters here, are whole; this reader goes from string to string.
 */
final class VocabularyFile {
    private static final String KEYS = "tokenizer.ggml.";
    private static final int LENGTH_BYTES = 8;

    private final byte[] bytes;
    private int at;

    private VocabularyFile(byte[] bytes) {
        this.bytes = bytes;
    }

    static GgufVocabulary read(Path file) throws IOException {
        VocabularyFile in = new VocabularyFile(Files.readAllBytes(file));
        String model = in.behind("model", 4).string();
        String pre = in.behind("pre", 4).string();
        List<String> tokens = in.behind("tokens", 8).skipNumber().strings();
        in.behind("token_type", 8).skipNumber();
        int[] types = new int[tokens.size()];
        for (int i = 0; i < types.length; i++) {
            types[i] = in.bytes[in.at];
            in.at += 4;
        }
        List<String> merges = in.behind("merges", 8).skipNumber().strings();
        return new GgufVocabulary(model, pre, tokens, null, types, merges, null, null, null, null, null, null);
    }

    /** Goes behind a key and the types that follow it. */
    private VocabularyFile behind(String key, int typeBytes) {
        byte[] wanted = (KEYS + key).getBytes(StandardCharsets.UTF_8);
        for (at = 0; ; at++) {
            if (java.util.Arrays.mismatch(bytes, at, at + wanted.length, wanted, 0, wanted.length) < 0
                    && bytes[at + wanted.length] < 16) { // a type, not the rest of a longer key
                at += wanted.length + typeBytes;
                return this;
            }
        }
    }

    /** Goes behind eight bytes, each of which may have become three. */
    private VocabularyFile skipNumber() {
        for (int i = 0; i < LENGTH_BYTES; i++) {
            at += isReplaced(at) ? 3 : 1;
        }
        return this;
    }

    private List<String> strings() {
        List<String> strings = new ArrayList<>();
        while (isLength(at)) {
            String next = string();
            if (next.startsWith(KEYS)) {
                break; // the next key
            }
            strings.add(next);
        }
        return strings;
    }

    private String string() {
        boolean lost = isReplaced(at);
        int length = (lost ? 128 : bytes[at]) + 256 * bytes[at + (lost ? 3 : 1)];
        skipNumber();
        // Of a lost byte we know that it is 128 to 255: the string ends where the next one begins. If that one is
        // short,
        // our last byte and its length look like a length, too.
        while (lost && (!isLength(at + length) || isLength(at + length + 1))) {
            length++;
        }
        String string = new String(bytes, at, length, StandardCharsets.UTF_8);
        at += length;
        return string;
    }

    /** Whether a string's length could stand here: two bytes, the second small, and six zeros. */
    private boolean isLength(int position) {
        int second = position + (isReplaced(position) ? 3 : 1);
        if (second + LENGTH_BYTES - 1 > bytes.length || bytes[second] < 0 || bytes[second] > 15) {
            return false;
        }
        for (int i = 1; i < LENGTH_BYTES - 1; i++) {
            if (bytes[second + i] != 0) {
                return false;
            }
        }
        return true;
    }

    private boolean isReplaced(int position) {
        return position + 2 < bytes.length
                && bytes[position] == (byte) 0xef
                && bytes[position + 1] == (byte) 0xbf
                && bytes[position + 2] == (byte) 0xbd;
    }
}
