package dev.fathom.model.tokenizer;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * How tokens become text: each stands for some bytes, and the bytes of all of them one after another are UTF-8.
 *
 * @param byteLevel tokens are bytes in the spelling of {@link ByteAlphabet}
 * @param space what stands for a space in tokens ({@code ▁} in vocabularies of SentencePiece), if anything does
 * @param byteFallback tokens such as {@code <0x0A>} are bytes
 * @param strippedSpaces how many spaces at the beginning of a text are left out, because encoding put them there
 */
record TokenDecoder(boolean byteLevel, @Nullable String space, boolean byteFallback, int strippedSpaces) {
    /** Tokens are bytes. */
    static final TokenDecoder BYTE_LEVEL = new TokenDecoder(true, null, false, 0);

    /** The bytes of a token of the model; added tokens are what they are. */
    byte[] bytes(String token) {
        if (byteLevel) {
            return ByteAlphabet.bytes(token);
        }
        if (byteFallback && token.length() == 6 && token.startsWith("<0x") && token.endsWith(">")) {
            int high = Character.digit(token.charAt(3), 16);
            int low = Character.digit(token.charAt(4), 16);
            if (high >= 0 && low >= 0) {
                return new byte[] {(byte) (high << 4 | low)};
            }
        }
        return (space == null ? token : token.replace(space, " ")).getBytes(StandardCharsets.UTF_8);
    }
}
