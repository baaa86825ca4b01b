package dev.fathom.model.tokenizer;

import java.text.Normalizer;
import java.util.BitSet;

/**
 * Normalization form C as Hugging Face {@code tokenizers} computes it: with the tables of Unicode 9. Characters that came later
 * are unknown there and keep their place among combining marks; the JDK would reorder or compose them. Everything older is the
 * same in all versions (Unicode's stability policy).
 */
final class UnicodeNormalization {
    /** Characters younger than Unicode 9 that combine with others, in hexadecimal. */
    private static final String YOUNGER =
            "7FD 897-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 105C9 105D2 105DA 105E4 "
                    + "10D24-10D27 10D69-10D6D 10EAB-10EAC 10EFD-10EFF 10F46-10F50 10F82-10F85 11070 1133B 11382-11385 "
                    + "1138B 1138E 11390-11391 113B8 113BB 113C2 113C5 113C7-113C9 113CE-113D0 1145E 11839-1183A 11930 "
                    + "11935 11938 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42 "
                    + "1611E-16129 1612F 16D63 16D67-16D6A 16FF0-16FF1 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF "
                    + "1E5EE-1E5EF";

    private static final BitSet UNKNOWN = new BitSet();

    static {
        for (String range : YOUNGER.split(" ", -1)) {
            int dash = range.indexOf('-');
            int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash), 16);
            int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1), 16);
            UNKNOWN.set(first, last + 1);
        }
    }

    private UnicodeNormalization() {}

    static String nfc(String text) {
        if (isBelowCombiningMarks(text) || Normalizer.isNormalized(text, Normalizer.Form.NFC)) {
            return text;
        }
        StringBuilder result = new StringBuilder(text.length());
        int done = 0;
        for (int at = 0; at < text.length(); ) {
            int codePoint = text.codePointAt(at);
            int next = at + Character.charCount(codePoint);
            if (UNKNOWN.get(codePoint)) {
                result.append(Normalizer.normalize(text.substring(done, at), Normalizer.Form.NFC));
                result.appendCodePoint(codePoint);
                done = next;
            }
            at = next;
        }
        return result.append(Normalizer.normalize(text.substring(done), Normalizer.Form.NFC))
                .toString();
    }

    /** The usual text: nothing below U+0300 changes. */
    private static boolean isBelowCombiningMarks(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) >= 0x300) {
                return false;
            }
        }
        return true;
    }
}
