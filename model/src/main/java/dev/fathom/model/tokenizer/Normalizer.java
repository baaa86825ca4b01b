package dev.fathom.model.tokenizer;

import java.util.List;

/** What happens to a text before it is split; the components of {@code tokenizer.json}. */
sealed interface Normalizer {
    /** The normalized text. */
    String apply(String text);

    /** Unicode normalization form C. */
    record Nfc() implements Normalizer {
        @Override
        public String apply(String text) {
            return UnicodeNormalization.nfc(text);
        }
    }

    /** Puts a text in front of every piece that is not empty. */
    record Prepend(String prefix) implements Normalizer {
        @Override
        public String apply(String text) {
            return text.isEmpty() ? text : prefix + text;
        }
    }

    /** Replaces every occurrence of a text. */
    record Replace(String pattern, String content) implements Normalizer {
        @Override
        public String apply(String text) {
            return text.replace(pattern, content);
        }
    }

    /** One after another; none at all leaves the text as it is. */
    record Sequence(List<Normalizer> steps) implements Normalizer {
        public Sequence {
            steps = List.copyOf(steps);
        }

        @Override
        public String apply(String text) {
            String result = text;
            for (Normalizer step : steps) {
                result = step.apply(result);
            }
            return result;
        }
    }
}
