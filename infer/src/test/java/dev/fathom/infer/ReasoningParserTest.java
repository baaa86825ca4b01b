package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.infer.ReasoningParser.Piece;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ReasoningParserTest {
    static Stream<Arguments> texts() {
        return Stream.of(
                Arguments.of(false, "<think>\nabc\n</think>\n\nYes.", "abc", "Yes."),
                Arguments.of(true, "abc\n\ndef\n</think>\n\nYes.", "abc\n\ndef", "Yes."),
                Arguments.of(true, "</think>Yes", "", "Yes"),
                Arguments.of(false, "<think>\n\n</think>\n\nYes", "", "Yes"),
                Arguments.of(
                        false,
                        "\n <think>a < b </thin k></ /think></think> x</think><think>y",
                        "a < b </thin k></ /think>",
                        "x</think><think>y"),
                Arguments.of(false, " Yes <think>no</think>\n", "", " Yes <think>no</think>\n"),
                Arguments.of(false, "<thin air", "", "<thin air"),
                Arguments.of(false, "  <thi", "", "  <thi"),
                Arguments.of(true, "never done </thi", "never done </thi", ""),
                Arguments.of(true, "never done \n", "never done", ""),
                Arguments.of(true, "a</</think>b", "a</", "b"),
                Arguments.of(true, "\ud83d\ude80</think>\n\ud83d\ude80 ", "\ud83d\ude80", "\ud83d\ude80 "),
                Arguments.of(false, "", "", ""),
                Arguments.of(false, " ", "", " "));
    }

    /** However the text is cut in three, the same comes out, and nothing that has to be taken back. */
    @ParameterizedTest
    @MethodSource("texts")
    void separatesThinkingFromAnswer(boolean startsThinking, String text, String thinking, String answer) {
        for (int first = 0; first <= text.length(); first++) {
            for (int second = first; second <= text.length(); second++) {
                compare(
                        startsThinking,
                        thinking,
                        answer,
                        text.substring(0, first),
                        text.substring(first, second),
                        text.substring(second));
            }
        }
        compare(startsThinking, thinking, answer, text.split(""));
    }

    private static void compare(boolean startsThinking, String thinking, String answer, String... parts) {
        ReasoningParser parser = new ReasoningParser(startsThinking);
        StringBuilder thought = new StringBuilder();
        StringBuilder said = new StringBuilder();
        for (String part : parts) {
            Piece piece = parser.add(part);
            thought.append(piece.thinking());
            said.append(piece.answer());
            if (!thinking.contentEquals(thought) || !answer.contentEquals(said)) {
                assertThat(thinking.startsWith(thought.toString()) && answer.startsWith(said.toString()))
                        .as("after \"%s\": \"%s\" and \"%s\"", part, thought, said)
                        .isTrue();
            }
        }
        Piece last = parser.finish();
        assertThat(thought + last.thinking()).isEqualTo(thinking);
        assertThat(said + last.answer()).isEqualTo(answer);
    }

    @Test
    void givesOutTextAsSoonAsItIsCertain() {
        ReasoningParser parser = new ReasoningParser(true);
        assertThat(parser.add("one ")).isEqualTo(new Piece("one", ""));
        assertThat(parser.add("two <")).isEqualTo(new Piece(" two", ""));
        assertThat(parser.add("b></th")).isEqualTo(new Piece(" <b>", ""));
        assertThat(parser.isThinking()).isTrue();
        assertThat(parser.add("ink>\n")).isEqualTo(new Piece("", ""));
        assertThat(parser.isThinking()).isFalse();
        assertThat(parser.add("\nthree ")).isEqualTo(new Piece("", "three "));
        assertThat(parser.add("</think>")).isEqualTo(new Piece("", "</think>"));
        assertThat(parser.finish()).isEqualTo(new Piece("", ""));
    }
}
