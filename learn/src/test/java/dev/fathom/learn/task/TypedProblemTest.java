package dev.fathom.learn.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What someone types into a chat becomes the problem as the model knows it. */
class TypedProblemTest {
    @ParameterizedTest
    @CsvSource({
        "multiplication, 347*28, 347*28=, 9716",
        "multiplication, 347 * 28 =, 347*28=, 9716",
        "addition, 1+22+333, 1+22+333=, 356",
        "countdown, 22:3 5 7, 22:3 5 7=, 3*5+7"
    })
    void isReadAndGraded(String task, String typed, String prompt, String answer) {
        Problem problem = Tasks.find(task).read(typed).orElseThrow();

        assertThat(problem.prompt()).isEqualTo(prompt);
        assertThat(Tasks.find(task).grade(problem, answer)).isTrue();
        assertThat(Tasks.find(task).grade(problem, answer + "0")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "=", "hello", "3*", "*3", "3+", "1+2*3", "03*4", "3*4=12", "3:", "99999999999*2", "٣*٤"})
    void isReadByNoTaskIfItIsNone(String typed) {
        for (Task task : Tasks.known().values()) {
            assertThat(task.read(typed)).as(task.name()).isEmpty();
        }
    }

    @Test
    void whatATaskMakesItReads() {
        for (Task task : List.of(new Multiplication(), new Addition(), new Countdown())) {
            for (int i = 0; i < 50; i++) {
                Problem made = task.make(RandomSource.at(1, 2, i), task.levels());
                Problem read = task.read(made.prompt()).orElseThrow();
                assertThat(read.prompt()).isEqualTo(made.prompt());
                assertThat(read.canonical()).isEqualTo(made.canonical());
            }
        }
    }
}
