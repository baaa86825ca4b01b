package dev.fathom.model.tokenizer;

/** How errors about a character of a text describe it. */
final class TextPosition {
    private TextPosition() {}

    /** The character at a position, the position, and the text around it. */
    static String describe(String text, int at) {
        int codePoint = text.codePointAt(at);
        String number = String.format("U+%04X", codePoint);
        String character = Character.isISOControl(codePoint)
                ? number
                : "\"" + Character.toString(codePoint) + "\" (" + number + ")";
        return character + " at position " + at + " of " + excerpt(text, at);
    }

    /** Half a character: text that no file could hold. */
    static TokenizerException halfSurrogatePair(String text, int at) {
        return new TokenizerException("cannot encode half a surrogate pair ("
                + String.format("U+%04X", (int) text.charAt(at)) + ") at position " + at
                + ": the text is not valid Unicode");
    }

    private static String excerpt(String text, int at) {
        int from = Math.max(0, at - 20);
        int to = Math.min(text.length(), at + 20);
        String part = text.substring(from, to).replace("\n", "\\n");
        return "\"" + (from > 0 ? "..." : "") + part + (to < text.length() ? "..." : "") + "\"";
    }
}
