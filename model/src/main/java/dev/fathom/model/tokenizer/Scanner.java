package dev.fathom.model.tokenizer;

import static dev.fathom.model.tokenizer.Unicode.LETTER;
import static dev.fathom.model.tokenizer.Unicode.MARK;
import static dev.fathom.model.tokenizer.Unicode.NUMBER;
import static dev.fathom.model.tokenizer.Unicode.PUNCTUATION;
import static dev.fathom.model.tokenizer.Unicode.SPACE;
import static dev.fathom.model.tokenizer.Unicode.SYMBOL;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The split patterns of released models, written out by hand: several times faster than a regular expression, and tested
 * against it ({@link OnigurumaPattern} is the general path).
 */
@FunctionalInterface
interface Scanner {
    /** No match at this position. */
    int NONE = -1;

    /** End of the match that begins at {@code at} in a text that ends at {@code to}, or {@link #NONE}. */
    int end(String text, int at, int to);

    /** GPT-2, and what the pre-tokenizer {@code ByteLevel} splits by. */
    String GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

    /** Llama 3: numbers in groups of up to three digits. */
    String LLAMA3 = cl100k("\\p{N}{1,3}");

    /** Qwen2 and Qwen3: every digit for itself. */
    String QWEN2 = cl100k("\\p{N}");

    /** DeepSeek-V3, first of three: numbers in groups of up to three digits. */
    String DEEPSEEK3_NUMBERS = "\\p{N}{1,3}";

    /** DeepSeek-V3, second of three: Chinese characters and kana. */
    String DEEPSEEK3_HAN = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";

    /** DeepSeek-V3, third of three. */
    String DEEPSEEK3_WORDS = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            + "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            + "| ?[\\p{P}\\p{S}]+[\r\n]*"
            + "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

    private static String cl100k(String numbers) {
        return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + numbers
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    }

    /** Every pattern that has a scanner. The last five are those of DeepSeek LLM, Coder and V2. */
    Map<String, Scanner> KNOWN = Map.of(
            GPT2,
            Scanner::gpt2,
            LLAMA3,
            (text, at, to) -> cl100k(text, at, to, 3),
            QWEN2,
            (text, at, to) -> cl100k(text, at, to, 1),
            DEEPSEEK3_NUMBERS,
            (text, at, to) -> run(text, at, to, NUMBER, 3),
            DEEPSEEK3_HAN,
            Scanner::han,
            DEEPSEEK3_WORDS,
            Scanner::deepseek3,
            "[\r\n]",
            (text, at, to) -> isNewline(text.charAt(at)) ? at + 1 : NONE,
            "\\s?\\p{L}+",
            (text, at, to) -> spaceAndRun(text, at, to, LETTER),
            "\\s?\\p{P}+",
            (text, at, to) -> spaceAndRun(text, at, to, PUNCTUATION),
            "\\p{N}+",
            (text, at, to) -> run(text, at, to, NUMBER, Integer.MAX_VALUE));

    /** The scanner for a pattern, if there is one. */
    static @Nullable Scanner find(String pattern) {
        return KNOWN.get(pattern);
    }

    private static int gpt2(String text, int at, int to) {
        int first = Unicode.codePointAt(text, at, to);
        if (first == '\'') {
            int end = contraction(text, at, to, false);
            if (end != NONE) {
                return end;
            }
        }
        // " ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+": a run of one kind with a space before it.
        int start = first == ' ' && at + 1 < to ? at + 1 : at;
        int classes = Unicode.classes(start == at ? first : Unicode.codePointAt(text, start, to));
        if ((classes & SPACE) == 0) {
            int kind = classes & (LETTER | NUMBER);
            return kind != 0 ? run(text, start, to, kind, Integer.MAX_VALUE) : others(text, start, to);
        }
        return spaces(text, at, to);
    }

    /** The pattern of OpenAI's cl100k vocabulary with its descendants. */
    private static int cl100k(String text, int at, int to, int digits) {
        int first = Unicode.codePointAt(text, at, to);
        if (first == '\'') {
            int end = contraction(text, at, to, true);
            if (end != NONE) {
                return end;
            }
        }
        int classes = Unicode.classes(first);
        if ((classes & LETTER) != 0) {
            return run(text, at, to, LETTER, Integer.MAX_VALUE);
        }
        if ((classes & NUMBER) != 0) {
            return run(text, at, to, NUMBER, digits);
        }
        int second = at + Character.charCount(first);
        if (!isNewline(first)) {
            int end = run(text, second, to, LETTER, Integer.MAX_VALUE);
            if (end != NONE) {
                return end;
            }
        }
        int start = first == ' ' ? second : at;
        int end = others(text, start, to);
        return end != NONE ? newlines(text, end, to) : spacesAfterNewlines(text, at, to);
    }

    private static int deepseek3(String text, int at, int to) {
        int first = Unicode.codePointAt(text, at, to);
        int classes = Unicode.classes(first);
        int second = at + Character.charCount(first);
        if (first < 0x80 && (classes & (PUNCTUATION | SYMBOL)) != 0) {
            int end = second;
            while (end < to && isAsciiLetter(text.charAt(end))) {
                end++;
            }
            if (end > second) {
                return end;
            }
        }
        if ((classes & (LETTER | MARK)) != 0) {
            return run(text, at, to, LETTER | MARK, Integer.MAX_VALUE);
        }
        if (!isNewline(first) && (classes & (PUNCTUATION | SYMBOL)) == 0) {
            int end = run(text, second, to, LETTER | MARK, Integer.MAX_VALUE);
            if (end != NONE) {
                return end;
            }
        }
        int end = run(text, first == ' ' ? second : at, to, PUNCTUATION | SYMBOL, Integer.MAX_VALUE);
        if (end != NONE) {
            return newlines(text, end, to);
        }
        // A number or a control character with nothing behind it that it belongs to is no match.
        return (classes & SPACE) != 0 ? spacesAfterNewlines(text, at, to) : NONE;
    }

    private static int han(String text, int at, int to) {
        int end = at;
        while (end < to && isHan(text.charAt(end))) {
            end++;
        }
        return end > at ? end : NONE;
    }

    private static boolean isHan(char c) {
        return (c >= 0x4e00 && c <= 0x9fa5) || (c >= 0x3040 && c <= 0x30ff);
    }

    /** {@code \s?X+} for a class that has no spaces. */
    private static int spaceAndRun(String text, int at, int to, int kind) {
        boolean space = (Unicode.classes(text.charAt(at)) & SPACE) != 0;
        return run(text, space ? at + 1 : at, to, kind, Integer.MAX_VALUE);
    }

    /** {@code X{1,most}}. */
    private static int run(String text, int at, int to, int kind, int most) {
        int end = at;
        for (int count = 0; end < to && count < most; count++) {
            int codePoint = Unicode.codePointAt(text, end, to);
            if ((Unicode.classes(codePoint) & kind) == 0) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end > at ? end : NONE;
    }

    /** {@code [^\s\p{L}\p{N}]+}. */
    private static int others(String text, int at, int to) {
        int end = at;
        while (end < to) {
            int codePoint = Unicode.codePointAt(text, end, to);
            if ((Unicode.classes(codePoint) & (SPACE | LETTER | NUMBER)) != 0) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end > at ? end : NONE;
    }

    /** {@code [\r\n]*}. */
    private static int newlines(String text, int at, int to) {
        int end = at;
        while (end < to && isNewline(text.charAt(end))) {
            end++;
        }
        return end;
    }

    /** {@code \s*[\r\n]+|\s+(?!\S)|\s+}: up to the last line end, if there is one. */
    private static int spacesAfterNewlines(String text, int at, int to) {
        int lastNewline = NONE;
        for (int i = at; i < to && (Unicode.classes(text.charAt(i)) & SPACE) != 0; i++) {
            if (isNewline(text.charAt(i))) {
                lastNewline = i;
            }
        }
        return lastNewline != NONE ? lastNewline + 1 : spaces(text, at, to);
    }

    /** {@code \s+(?!\S)|\s+}: all spaces but the last, which belongs to the word behind them. */
    private static int spaces(String text, int at, int to) {
        int end = at;
        while (end < to && (Unicode.classes(text.charAt(end)) & SPACE) != 0) {
            end++;
        }
        return end < to && end - at > 1 ? end - 1 : end;
    }

    /** {@code 's|'t|'re|'ve|'m|'ll|'d}. Without regard to case, the long s (U+017F) is an s. */
    private static int contraction(String text, int at, int to, boolean anyCase) {
        if (at + 1 >= to) {
            return NONE;
        }
        switch (lower(text.charAt(at + 1), anyCase)) {
            case 's', 't', 'm', 'd' -> {
                return at + 2;
            }
            case 'r', 'v' -> {
                return at + 2 < to && lower(text.charAt(at + 2), anyCase) == 'e' ? at + 3 : NONE;
            }
            case 'l' -> {
                return at + 2 < to && lower(text.charAt(at + 2), anyCase) == 'l' ? at + 3 : NONE;
            }
            default -> {
                return NONE;
            }
        }
    }

    private static char lower(char c, boolean anyCase) {
        if (anyCase && c >= 'A' && c <= 'Z') {
            return (char) (c + ('a' - 'A'));
        }
        return anyCase && c == '\u017f' ? 's' : c;
    }

    private static boolean isNewline(int c) {
        return c == '\n' || c == '\r';
    }

    private static boolean isAsciiLetter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
}
