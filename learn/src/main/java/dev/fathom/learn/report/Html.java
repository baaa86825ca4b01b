package dev.fathom.learn.report;

/** HTML text. */
final class Html {
    private Html() {}

    /**
     * Text for element content and quoted attributes. Control characters, which no document may hold, become U+FFFD.
     */
    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> {
                    boolean allowed =
                            c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f && !(c >= 0xD800 && c < 0xE000));
                    out.appendCodePoint(allowed ? c : 0xFFFD);
                }
            }
        });
        return out.toString();
    }
}
