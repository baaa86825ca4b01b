package dev.fathom.model.tokenizer;

import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** How a text is cut into words before byte pairs are merged inside them; the components of {@code tokenizer.json}. */
sealed interface PreTokenizer {
    /** Cuts a range of a text, which is seen as a text of its own: nothing around it matters. */
    void split(String text, int from, int to, Words words);

    /** Every match of a pattern is a piece, and so is every stretch between two matches (behaviour {@code Isolated}). */
    final class Split implements PreTokenizer {
        private final String pattern;
        private final boolean regex;
        private final @Nullable Scanner scanner;
        private final @Nullable Pattern compiled;

        /**
         * @param pattern a regular expression, or the text itself
         * @throws TokenizerException for a regular expression that cannot be translated
         */
        Split(String pattern, boolean regex) {
            this(pattern, regex, regex ? Scanner.find(pattern) : null);
        }

        private Split(String pattern, boolean regex, @Nullable Scanner scanner) {
            this.pattern = pattern;
            this.regex = regex;
            this.scanner = scanner;
            if (scanner != null) {
                this.compiled = null;
            } else {
                this.compiled = regex ? OnigurumaPattern.compile(pattern) : Pattern.compile(pattern, Pattern.LITERAL);
            }
        }

        static Split regex(String pattern) {
            return new Split(pattern, true);
        }

        /** The same without a hand-written scanner. */
        Split withoutScanner() {
            return new Split(pattern, regex, null);
        }

        String pattern() {
            return pattern;
        }

        boolean isRegex() {
            return regex;
        }

        @Override
        public void split(String text, int from, int to, Words words) {
            if (compiled != null) {
                OnigurumaPattern.isolate(compiled, text, from, to, words);
            } else {
                scan(Objects.requireNonNull(scanner), text, from, to, words);
            }
        }

        private static void scan(Scanner scanner, String text, int from, int to, Words words) {
            int done = from;
            int at = from;
            while (at < to) {
                int end = scanner.end(text, at, to);
                if (end == Scanner.NONE) {
                    at += Character.charCount(Unicode.codePointAt(text, at, to));
                    continue;
                }
                if (at > done) {
                    words.accept(text, done, at);
                }
                words.accept(text, at, end);
                done = end;
                at = end;
            }
            if (to > done) {
                words.accept(text, done, to);
            }
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Split that && regex == that.regex && pattern.equals(that.pattern);
        }

        @Override
        public int hashCode() {
            return Objects.hash(pattern, regex);
        }

        @Override
        public String toString() {
            return "Split[" + pattern + "]";
        }
    }

    /**
     * Numbers apart from everything else.
     *
     * @param individual whether every digit is a piece of its own
     */
    record Digits(boolean individual) implements PreTokenizer {
        @Override
        public void split(String text, int from, int to, Words words) {
            int done = from;
            int at = from;
            boolean inNumber = false;
            while (at < to) {
                int codePoint = Unicode.codePointAt(text, at, to);
                boolean number = isNumeric(codePoint);
                if (at > done && (number != inNumber || (number && individual))) {
                    words.accept(text, done, at);
                    done = at;
                }
                inNumber = number;
                at += Character.charCount(codePoint);
            }
            if (to > done) {
                words.accept(text, done, to);
            }
        }

        /** Here the original asks Rust, whose tables are already those of Unicode 17. */
        private static boolean isNumeric(int codePoint) {
            return (Unicode.classes(codePoint) & Unicode.NUMBER) != 0
                    || (codePoint >= 0x11de0 && codePoint <= 0x11de9)
                    || (codePoint >= 0x16ff4 && codePoint <= 0x16ff6);
        }
    }

    /**
     * Bytes are the symbols of the model, not characters. Always the last step, because behind it the original has characters
     * that stand for bytes, which no other step should see.
     *
     * @param addPrefixSpace whether a piece that does not begin with a space gets one
     * @param useRegex whether pieces are split by the pattern of GPT-2
     */
    record ByteLevel(boolean addPrefixSpace, boolean useRegex) implements PreTokenizer {
        private static final Split GPT2 = Split.regex(Scanner.GPT2);

        @Override
        public void split(String text, int from, int to, Words words) {
            if (addPrefixSpace && text.charAt(from) != ' ') {
                String prefixed = " " + text.substring(from, to);
                new ByteLevel(false, useRegex).split(prefixed, 0, prefixed.length(), words);
            } else if (useRegex) {
                GPT2.split(text, from, to, words);
            } else {
                words.accept(text, from, to);
            }
        }
    }

    /** One after another, each on the pieces of the one before. */
    record Sequence(List<PreTokenizer> steps) implements PreTokenizer {
        public Sequence {
            steps = List.copyOf(steps);
        }

        @Override
        public void split(String text, int from, int to, Words words) {
            Words next = words;
            for (PreTokenizer step : steps.reversed()) {
                Words following = next;
                next = (piece, start, end) -> step.split(piece, start, end, following);
            }
            next.accept(text, from, to);
        }
    }

    /** Whether the symbols of the model are bytes. */
    default boolean isByteLevel() {
        return switch (this) {
            case ByteLevel byteLevel -> true;
            case Sequence sequence ->
                !sequence.steps.isEmpty() && sequence.steps.getLast().isByteLevel();
            case Split split -> false;
            case Digits digits -> false;
        };
    }
}
