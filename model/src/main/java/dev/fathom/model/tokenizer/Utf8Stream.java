package dev.fathom.model.tokenizer;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Bytes to text as they come: a character is given out with its last byte; bytes that are no UTF-8 become U+FFFD. */
final class Utf8Stream {
    /** The beginning of a character takes at most this many bytes. */
    private static final int LONGEST_BEGINNING = 3;

    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] pending = new byte[64];
    private int count;

    /** The text that became certain with these bytes. */
    String add(byte[] bytes, int from, int to) {
        int length = to - from;
        if (count == 0 && isAscii(bytes, from, to)) {
            return new String(bytes, from, length, StandardCharsets.ISO_8859_1);
        }
        if (count + length > pending.length) {
            pending = java.util.Arrays.copyOf(pending, LONGEST_BEGINNING + 2 * length);
        }
        System.arraycopy(bytes, from, pending, count, length);
        count += length;
        return decode(false);
    }

    /** What is left, as one replacement character. */
    String finish() {
        String rest = decode(true);
        decoder.reset();
        return rest;
    }

    private String decode(boolean end) {
        ByteBuffer in = ByteBuffer.wrap(pending, 0, count);
        CharBuffer out = CharBuffer.allocate(count);
        decoder.decode(in, out, end);
        count = in.remaining();
        System.arraycopy(pending, in.position(), pending, 0, count);
        return out.flip().toString();
    }

    private static boolean isAscii(byte[] bytes, int from, int to) {
        for (int i = from; i < to; i++) {
            if (bytes[i] < 0) {
                return false;
            }
        }
        return true;
    }
}
