package dev.fathom.model.tokenizer;

import java.nio.charset.StandardCharsets;

/**
 * The spelling of bytes as visible characters that GPT-2 introduced: byte-level vocabularies are JSON strings, so that every
 * byte needs a character. Printable Latin-1 stands for itself; the other 68 bytes take U+0100 and up in order (a space is
 * {@code Ġ}, a newline {@code Ċ}).
 */
final class ByteAlphabet {
    private static final char[] CHARACTERS = new char[256];
    private static final short[] BYTES = new short[256 + 68];

    static {
        java.util.Arrays.fill(BYTES, (short) -1);
        char next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b > ' ' && b < 0x7f) || (b > 0xa0 && b != 0xad);
            CHARACTERS[b] = printable ? (char) b : next++;
            BYTES[CHARACTERS[b]] = (short) b;
        }
    }

    private ByteAlphabet() {}

    /** The character that stands for a byte (0 to 255). */
    static char character(int b) {
        return CHARACTERS[b];
    }

    /** The byte that a character stands for, or -1. */
    static int byteOf(char character) {
        return character < BYTES.length ? BYTES[character] : -1;
    }

    /** A text as a byte-level vocabulary spells it. */
    static String spell(String text) {
        return spell(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Bytes as a byte-level vocabulary spells them. */
    static String spell(byte[] bytes) {
        char[] spelled = new char[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            spelled[i] = CHARACTERS[bytes[i] & 0xff];
        }
        return new String(spelled);
    }

    /**
     * The bytes that a token's spelling stands for. A token with a character outside the alphabet is no byte-level token; like
     * the Hugging Face decoder we then take the text as it is.
     */
    static byte[] bytes(String token) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            int b = byteOf(token.charAt(i));
            if (b < 0) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) b;
        }
        return bytes;
    }
}
