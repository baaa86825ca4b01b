package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.tokenizer.PreTokenizer.Split;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every hand-written scanner splits as the regular expression that it stands for. */
class ScannerTest {
    static Set<String> patterns() {
        return Scanner.KNOWN.keySet();
    }

    @ParameterizedTest
    @MethodSource("patterns")
    void splitsAsItsPattern(String pattern) {
        Split scanned = Split.regex(pattern);
        Split matched = scanned.withoutScanner();
        SplittableRandom random = new SplittableRandom(41);
        for (int i = 0; i < 2000; i++) {
            String text = SampleText.random(random, List.of());
            // A piece of a text is seen as a text of its own, whatever lies around it.
            int from = text.offsetByCodePoints(0, random.nextInt(text.codePointCount(0, text.length()) + 1));
            int to = text.offsetByCodePoints(from, random.nextInt(text.codePointCount(from, text.length()) + 1));
            assertThat(pieces(scanned, text, from, to)).as(text).isEqualTo(pieces(matched, text, from, to));
            assertThat(String.join("", pieces(scanned, text, from, to))).isEqualTo(text.substring(from, to));
        }
    }

    @ParameterizedTest
    @MethodSource("patterns")
    void splitsEveryCharacterAsItsPattern(String pattern) {
        Split scanned = Split.regex(pattern);
        Split matched = scanned.withoutScanner();
        StringBuilder text = new StringBuilder();
        for (int codePoint = 0; codePoint < 0x33500; codePoint++) {
            if (codePoint >= 0xd800 && codePoint < 0xe000) {
                continue;
            }
            text.append(codePoint % 3 == 0 ? "a" : codePoint % 5 == 0 ? " " : "")
                    .appendCodePoint(codePoint);
            if (text.length() > 2000) {
                String piece = text.toString();
                assertThat(pieces(scanned, piece, 0, piece.length()))
                        .isEqualTo(pieces(matched, piece, 0, piece.length()));
                text.setLength(0);
            }
        }
    }

    private static List<String> pieces(PreTokenizer preTokenizer, String text, int from, int to) {
        List<String> pieces = new ArrayList<>();
        preTokenizer.split(text, from, to, (piece, start, end) -> pieces.add(piece.substring(start, end)));
        return pieces;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\\w+",
                "\\bfoo",
                "\\h",
                "\\x{41}",
                "\\p{Alpha}",
                "\\p{Script=Han}",
                "(?m:a)",
                "(?<n>a)",
                "a{2}+",
                "a{,3}",
                "[a&&b]",
                "[[a]b]",
                "a\\"
            })
    void refusesWhatTheTwoLanguagesReadDifferently(String pattern) {
        assertThatThrownBy(() -> OnigurumaPattern.compile(pattern))
                .isInstanceOf(TokenizerException.class)
                .hasMessageStartingWith("regular expression \"" + pattern + "\": ")
                .hasMessageContaining("not supported");
    }

    @Test
    void aLineEndsWithALineFeedAlone() {
        assertThat(pieces(Split.regex("\\s+$"), "a \r\n b \u2028", 0, 8))
                .containsExactly("a", " \r", "\n b", " \u2028");
    }
}
