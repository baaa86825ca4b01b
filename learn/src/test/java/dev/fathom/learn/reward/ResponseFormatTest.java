package dev.fathom.learn.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.reward.ResponseFormat.Flaw;
import dev.fathom.learn.reward.ResponseFormat.Parsed;
import dev.fathom.learn.task.Multiplication;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ResponseFormatTest {
    static final Task TASK = new Multiplication();
    static final Problem PROBLEM = TASK.make(RandomSource.at(1, 1, 1), 2);
    static final String RIGHT =
            TASK.solve(PROBLEM, RandomSource.at(1, 1, 1)).orElseThrow().answer();

    @Test
    void readsThinkingAndAnswer() {
        assertThat(ResponseFormat.parse("<think>4*7=28</think><answer>28</answer>"))
                .isEqualTo(new Parsed.WellFormed("4*7=28", "28"));
        assertThat(ResponseFormat.parse(ResponseFormat.format("", ""))).isEqualTo(new Parsed.WellFormed("", ""));
        assertThat(ResponseFormat.parse("<think>\n\0é < > </ think></think><answer>\0</answer>"))
                .isEqualTo(new Parsed.WellFormed("\n\0é < > </ think>", "\0"));
    }

    static Stream<Arguments> hostile() {
        String good = ResponseFormat.format("1", "2");
        return Stream.of(
                Arguments.of("", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("2", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("\0", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of(" " + good, Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("\uFEFF" + good, Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("<answer>2</answer>", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("<answer>2</answer>".repeat(1000), Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("<THINK>1</THINK><answer>2</answer>", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("＜think＞1＜/think＞<answer>2</answer>", Flaw.DOES_NOT_START_WITH_THINK),
                Arguments.of("<think>", Flaw.THINK_NOT_CLOSED),
                Arguments.of("<think>1", Flaw.THINK_NOT_CLOSED),
                Arguments.of("<think>1<answer>2</answer>", Flaw.THINK_NOT_CLOSED),
                Arguments.of("<think>1</think>", Flaw.NO_ANSWER_AFTER_THINK),
                Arguments.of("<think>1</think>2", Flaw.NO_ANSWER_AFTER_THINK),
                Arguments.of("<think>1</think> <answer>2</answer>", Flaw.NO_ANSWER_AFTER_THINK),
                Arguments.of("<think>1</think></think><answer>2</answer>", Flaw.NO_ANSWER_AFTER_THINK),
                Arguments.of("<think>1</think><think>1</think><answer>2</answer>", Flaw.NO_ANSWER_AFTER_THINK),
                Arguments.of("<think>1</think><answer>", Flaw.ANSWER_NOT_CLOSED),
                Arguments.of("<think>1</think><answer>2", Flaw.ANSWER_NOT_CLOSED),
                Arguments.of("<think>1</think><answer>2<answer>", Flaw.ANSWER_NOT_CLOSED),
                Arguments.of("<think>1</think><answer>" + "2".repeat(1001) + "</answer>", Flaw.ANSWER_TOO_LONG),
                Arguments.of(good + "<answer>3</answer>", Flaw.TEXT_AFTER_ANSWER),
                Arguments.of(good + good, Flaw.TEXT_AFTER_ANSWER),
                Arguments.of(good + "</answer>", Flaw.TEXT_AFTER_ANSWER),
                Arguments.of(good + "\n", Flaw.TEXT_AFTER_ANSWER),
                Arguments.of(good + "\0", Flaw.TEXT_AFTER_ANSWER),
                Arguments.of("<think>1</think>" + "<answer>2</answer>".repeat(50_000), Flaw.TEXT_AFTER_ANSWER),
                Arguments.of("<think><think>1</think><answer>2</answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think><answer>2</answer></think><answer>2</answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think></answer></think><answer>2</answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think>1</think><answer><answer>2</answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think>1</think><answer>2</think></answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think>1</think><answer><think>2</answer>", Flaw.TAG_INSIDE_BLOCK),
                Arguments.of("<think>" + "1".repeat(1 << 20) + "</think><answer>2</answer>", Flaw.TOO_LONG));
    }

    @ParameterizedTest
    @MethodSource("hostile")
    void everythingElseIsMalformedAndEarnsNothing(String response, Flaw flaw) {
        assertThat(ResponseFormat.parse(response)).isEqualTo(new Parsed.Malformed(flaw));
        // Even when every number in it is the right answer.
        String withRightAnswer = response.replace("2", RIGHT);
        assertThat(new Grader().grade(TASK, PROBLEM, withRightAnswer)).isEqualTo(new Reward(0, false, false));
    }

    @Test
    void accuracyIsWorthMoreThanFormat() {
        Grader grader = new Grader();
        assertThat(grader.grade(TASK, PROBLEM, ResponseFormat.format("", RIGHT)))
                .isEqualTo(new Reward(1.1, true, true));
        assertThat(grader.grade(TASK, PROBLEM, ResponseFormat.format(RIGHT, "7")))
                .isEqualTo(new Reward(0.1, false, true));
        assertThat(grader.grade(TASK, PROBLEM, RIGHT)).isEqualTo(new Reward(0, false, false));
        assertThat(new Grader(0)
                        .grade(TASK, PROBLEM, ResponseFormat.format("", RIGHT))
                        .total())
                .isEqualTo(1);
    }

    @Test
    void everyAnswerButTheNumberItselfIsWrong() {
        for (String answer : List.of(
                "0" + RIGHT, "+" + RIGHT, " " + RIGHT, RIGHT + " ", RIGHT + "\0", RIGHT + ".0", RIGHT + "," + RIGHT)) {
            assertThat(new Grader().grade(TASK, PROBLEM, ResponseFormat.format("", answer)))
                    .as(answer)
                    .isEqualTo(new Reward(0.1, false, true));
        }
    }

    @Test
    void theFormatWeightIsLimited() {
        for (double weight : new double[] {-0.1, 1.1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> new Grader(weight)).isInstanceOf(LearnException.class);
        }
    }
}
