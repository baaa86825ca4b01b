package dev.fathom.learn.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CountdownTest {
    private static boolean reaches(String answer, int target) {
        return CountdownExpression.reaches(answer, List.of(3, 5, 7), target);
    }

    @ParameterizedTest
    @CsvSource({"3*5+7,22", "7+5*3,22", "(3+5)*7,56", "7-5-3,-1", "7-(5-3),5", "((((7)))-5)*3,6", "7/5*5/3,0"})
    void valuesFollowTheRulesOfArithmetic(String answer, int target) {
        boolean eachNumberOnce = !answer.equals("7/5*5/3");
        assertThat(reaches(answer, target)).isEqualTo(eachNumberOnce);
    }

    @Test
    void fractionsAreExact() {
        assertThat(CountdownExpression.reaches("8/(3-8/3)", List.of(8, 3, 8, 3), 24))
                .isTrue();
        assertThat(CountdownExpression.reaches("1/3*3", List.of(1, 3, 3), 1)).isTrue();
        assertThat(CountdownExpression.reaches("7/2", List.of(7, 2), 3)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "22",
                "3*5",
                "3*5+7+0",
                "3*5+7=22",
                " 3*5+7",
                "3*5+ 7",
                "+3*5+7",
                "3*5--7",
                "3*5+7)",
                "(3*5+7",
                "()3*5+7",
                "3*5+07",
                "3*5+７",
                "3**5+7",
                "3*5+7;",
                "3*5+7\0",
                "7+3*5*1",
                "35-7-6",
                "3*5+7//",
                "7/(3-3)",
                "Runtime.getRuntime()",
                "3*(5"
            })
    void everythingElseIsWrong(String answer) {
        assertThat(reaches(answer, 22)).isFalse();
    }

    @Test
    void divisionByZeroIsWrongAndNotAnError() {
        assertThat(CountdownExpression.reaches("3/(5-5)", List.of(3, 5, 5), 0)).isFalse();
    }

    @Test
    void hugeAnswersAreRefusedBeforeTheyAreRead() {
        assertThat(reaches("(".repeat(1_000_000) + "3", 3)).isFalse();
        assertThat(reaches("9".repeat(1_000_000), 22)).isFalse();
    }

    @Test
    void everyProblemHasASolution() {
        Countdown task = new Countdown();
        for (int level = 1; level <= task.levels(); level++) {
            for (int i = 0; i < 2000; i++) {
                Problem problem = task.make(RandomSource.at(4, 1, i), level);
                Countdown.Numbers data = problem.data(Countdown.Numbers.class);
                assertThat(task.grade(problem, data.expression()))
                        .as(problem.prompt() + data.expression())
                        .isTrue();
            }
        }
    }
}
