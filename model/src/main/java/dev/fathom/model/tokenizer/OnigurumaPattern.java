package dev.fathom.model.tokenizer;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression of {@code tokenizer.json} (the syntax of Oniguruma, which Hugging Face {@code tokenizers} is built with)
 * as one of Java's. The two languages look alike and differ in detail, so only constructs known to mean the same in both are
 * taken over; anything else is refused by name:
 *
 * <ul>
 *   <li>{@code \w}, {@code \b}, {@code \h} and other escapes have other members in Java;
 *   <li>{@code {2,3}+} is a repeated interval in Oniguruma and a possessive one in Java;
 *   <li>scripts are {@code \p{Han}} there and {@code \p{IsHan}} here;
 *   <li>{@code $} and {@code ^} are about lines there always, and a line ends with {@code \n} alone.
 * </ul>
 */
final class OnigurumaPattern {
    private static final Set<String> CATEGORIES = Set.of(
            "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps",
            "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co");

    private static final Set<String> SCRIPTS = Set.of(
            "Arabic",
            "Armenian",
            "Bengali",
            "Cyrillic",
            "Devanagari",
            "Georgian",
            "Greek",
            "Han",
            "Hangul",
            "Hebrew",
            "Hiragana",
            "Katakana",
            "Khmer",
            "Lao",
            "Latin",
            "Thai");

    /** Escapes of one letter that mean the same in both. */
    private static final String LETTER_ESCAPES = "sSdDnrtf";

    private final String source;
    private final StringBuilder java = new StringBuilder();
    private int at;

    private OnigurumaPattern(String source) {
        this.source = source;
    }

    /**
     * Translates a pattern.
     *
     * @throws TokenizerException naming the construct that cannot be translated and its position
     */
    static Pattern compile(String source) {
        String translated = new OnigurumaPattern(source).translate();
        try {
            return Pattern.compile(
                    translated, Pattern.UNICODE_CHARACTER_CLASS | Pattern.MULTILINE | Pattern.UNIX_LINES);
        } catch (PatternSyntaxException e) {
            throw new TokenizerException("regular expression \"" + source + "\": " + e.getDescription(), e);
        }
    }

    /** Every match and every stretch between two matches becomes a piece. */
    static void isolate(Pattern pattern, String text, int from, int to, Words words) {
        // Bounds are opaque and anchoring by default: a piece is matched as if it were the whole text.
        Matcher matcher = pattern.matcher(text).region(from, to);
        int end = from;
        while (matcher.find()) {
            if (matcher.start() > end) {
                words.accept(text, end, matcher.start());
            }
            if (matcher.end() > matcher.start()) {
                words.accept(text, matcher.start(), matcher.end());
            }
            end = matcher.end();
        }
        if (end < to) {
            words.accept(text, end, to);
        }
    }

    private String translate() {
        while (at < source.length()) {
            char c = source.charAt(at);
            switch (c) {
                case '\\' -> escape();
                case '[' -> characterClass();
                case '(' -> group();
                case '{' -> interval();
                default -> {
                    java.append(c);
                    at++;
                }
            }
        }
        return java.toString();
    }

    private void escape() {
        if (at + 1 >= source.length()) {
            throw unsupported("a backslash at the end", at);
        }
        char c = source.charAt(at + 1);
        if (c == 'p' || c == 'P') {
            property(c);
        } else if (LETTER_ESCAPES.indexOf(c) >= 0 || !Character.isLetterOrDigit(c)) {
            java.append('\\').append(c);
            at += 2;
        } else {
            throw unsupported("\\" + c, at);
        }
    }

    private void property(char p) {
        int close = source.indexOf('}', at);
        if (!source.startsWith("{", at + 2) || close < 0) {
            throw unsupported("\\" + p + " without {...}", at);
        }
        String name = source.substring(at + 3, close);
        boolean negated = name.startsWith("^");
        String plain = negated ? name.substring(1) : name;
        if (!CATEGORIES.contains(plain) && !SCRIPTS.contains(plain)) {
            throw unsupported("\\" + p + "{" + name + "}", at);
        }
        java.append('\\').append(negated == (p == 'p') ? 'P' : 'p').append('{');
        java.append(SCRIPTS.contains(plain) ? "Is" : "").append(plain).append('}');
        at = close + 1;
    }

    private void characterClass() {
        int open = at;
        java.append('[');
        at++;
        if (at < source.length() && source.charAt(at) == '^') {
            java.append('^');
            at++;
        }
        boolean first = true;
        while (at < source.length()) {
            char c = source.charAt(at);
            if (c == '\\') {
                escape();
            } else if (c == ']' && !first) {
                java.append(c);
                at++;
                return;
            } else if (c == '[' || c == ']' || source.startsWith("&&", at)) {
                throw unsupported("\"" + c + "\" inside [...]", at);
            } else {
                java.append(c);
                at++;
            }
            first = false;
        }
        throw unsupported("[ without ]", open);
    }

    private void group() {
        for (String kind : new String[] {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
            if (source.startsWith(kind, at)) {
                java.append(kind);
                at += kind.length();
                return;
            }
        }
        if (source.startsWith("(?", at)) {
            throw unsupported(source.substring(at, Math.min(at + 3, source.length())), at);
        }
        java.append('(');
        at++;
    }

    private void interval() {
        int close = source.indexOf('}', at);
        String interval = close < 0 ? "{" : source.substring(at, close + 1);
        // {,n} is {0,n} there and an error here; a lone brace is a character there.
        if (!interval.matches("\\{\\d+(,\\d*)?}") || source.startsWith("+", close + 1)) {
            throw unsupported(interval + (source.startsWith("+", close + 1) ? "+" : ""), at);
        }
        java.append(interval);
        at = close + 1;
    }

    private TokenizerException unsupported(String construct, int position) {
        return new TokenizerException("regular expression \"" + source + "\": found " + construct + " at position "
                + position + ", which is not supported");
    }
}
