package dev.fathom.model.tokenizer;

/**
 * The character classes of split patterns: Unicode general categories and White_Space. The JDK and the regular-expression
 * library of Hugging Face {@code tokenizers} (Oniguruma) both have Unicode 16, and agree on every code point.
 */
final class Unicode {
    static final int LETTER = 1;
    static final int NUMBER = 2;
    static final int PUNCTUATION = 4;
    static final int SYMBOL = 8;
    static final int MARK = 16;
    static final int SPACE = 32;

    private static final byte[] BASIC_PLANE = new byte[1 << 16];

    static {
        for (int codePoint = 0; codePoint < BASIC_PLANE.length; codePoint++) {
            BASIC_PLANE[codePoint] =
                    (byte) (ofCategory(Character.getType(codePoint)) | (isSpace(codePoint) ? SPACE : 0));
        }
    }

    private Unicode() {}

    /** The classes that a code point belongs to, as a union of the constants; 0 for control characters and the like. */
    static int classes(int codePoint) {
        return codePoint < BASIC_PLANE.length ? BASIC_PLANE[codePoint] : ofCategory(Character.getType(codePoint));
    }

    /** Like {@link String#codePointAt}, in a range of a text: a surrogate pair cut by the end is no pair. */
    static int codePointAt(String text, int at, int to) {
        char high = text.charAt(at);
        if (Character.isHighSurrogate(high) && at + 1 < to) {
            char low = text.charAt(at + 1);
            if (Character.isLowSurrogate(low)) {
                return Character.toCodePoint(high, low);
            }
        }
        return high;
    }

    private static int ofCategory(int category) {
        return switch (category) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> PUNCTUATION;
            case Character.MATH_SYMBOL, Character.CURRENCY_SYMBOL, Character.MODIFIER_SYMBOL, Character.OTHER_SYMBOL ->
                SYMBOL;
            case Character.NON_SPACING_MARK, Character.ENCLOSING_MARK, Character.COMBINING_SPACING_MARK -> MARK;
            default -> 0;
        };
    }

    /** White_Space: what {@code \s} is. All of it lies in the basic plane. */
    private static boolean isSpace(int codePoint) {
        return (codePoint >= '\t' && codePoint <= '\r')
                || codePoint == ' '
                || codePoint == 0x85
                || codePoint == 0xa0
                || codePoint == 0x1680
                || (codePoint >= 0x2000 && codePoint <= 0x200a)
                || codePoint == 0x2028
                || codePoint == 0x2029
                || codePoint == 0x202f
                || codePoint == 0x205f
                || codePoint == 0x3000;
    }
}
