package dev.fathom.learn.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.learn.LearnException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TaskTest {
    static Collection<Task> builtIn() {
        return Tasks.known().values();
    }

    @ParameterizedTest
    @MethodSource("builtIn")
    void keepsThePromisesOfATask(Task task) {
        Tasks.check(task);
    }

    @ParameterizedTest
    @ValueSource(strings = {"multiplication", "addition", "countdown"})
    void everyWorkedSolutionIsRightAndEndsWithItsAnswer(String name) {
        Task task = Tasks.find(name);
        for (int level = 1; level <= task.levels(); level++) {
            for (int i = 0; i < 300; i++) {
                Problem problem = task.make(RandomSource.at(11, 1, i), level);
                Solution solution =
                        task.solve(problem, RandomSource.at(11, 2, i)).orElseThrow();
                assertThat(task.grade(problem, solution.answer())).isTrue();
                assertThat(solution.thinking()).isNotEmpty();
                assertThat(solution.guess()).isEqualTo(new Solution("", solution.answer()));
                if (!(task instanceof Countdown)) {
                    assertThat(solution.thinking()).matches(".*\\b0*" + solution.answer() + "$");
                }
            }
        }
    }

    /** Every written equation of a worked solution holds: {@code 4*7=28+3=31} is two. */
    @ParameterizedTest
    @ValueSource(strings = {"multiplication", "addition"})
    void everyStepOfAWorkedSolutionHolds(String name) {
        Task task = Tasks.find(name);
        for (int level = 1; level <= task.levels(); level++) {
            for (int i = 0; i < 200; i++) {
                Problem problem = task.make(RandomSource.at(12, 1, i), level);
                String thinking = task.solve(problem, RandomSource.at(12, 2, i))
                        .orElseThrow()
                        .thinking();
                for (String group : thinking.split("[ ;:]")) {
                    String[] sides = group.split("=");
                    for (int s = 1; s < sides.length; s++) {
                        assertThat(value(sides[s - 1])).as(group).isEqualTo(Long.parseLong(sides[s].split("\\+")[0]));
                    }
                }
            }
        }
    }

    private static long value(String expression) {
        long sum = 0;
        for (String product : expression.split("\\+")) {
            long value = 1;
            for (String factor : product.split("\\*")) {
                value *= Long.parseLong(factor);
            }
            sum += value;
        }
        return sum;
    }

    @Test
    void theFormatOfLongMultiplication() {
        Task task = new Multiplication();
        Problem problem = Multiplication.problem(607, 67, 3);
        assertThat(problem.prompt()).isEqualTo("607*67=");
        assertThat(task.solve(problem, RandomSource.at(0, 0, 0)))
                .contains(new Solution(
                        "607*7+000:7*7=49+0=49+0=49 0*7=00+4=04+0=04 6*7=42+0=42+0=42 4249;"
                                + "607*6+424:7*6=42+0=42+4=46 0*6=00+4=04+2=06 6*6=36+0=36+4=40 4066;40669",
                        "40669"));
        assertThat(task.solve(Multiplication.problem(27, 2, 1), RandomSource.at(0, 0, 0)))
                .contains(new Solution("027*2+000:7*2=14+0=14+0=14 2*2=04+1=05+0=05 0*2=00+0=00+0=00 0054;0054", "54"));
    }

    @Test
    void theFormatOfColumnAddition() {
        Task task = new Addition();
        Problem problem = Addition.problem(List.of(196L, 599L, 129L, 955L), 3);
        assertThat(problem.prompt()).isEqualTo("196+599+129+955=");
        assertThat(task.solve(problem, RandomSource.at(0, 0, 0)))
                .contains(new Solution(
                        "0955+0129:5+9+0=14 5+2+1=08 9+1+0=10 0+0+1=01 1084;"
                                + "1084+0599:4+9+0=13 8+9+1=18 0+5+1=06 1+0+0=01 1683;"
                                + "1683+0196:3+6+0=09 8+9+0=17 6+1+1=08 1+0+0=01 1879",
                        "1879"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", " 918", "918 ", "+918", "0918", "918.0", "9,18", "９１８", "٩١٨", "918\0", "\0", "1e3", "0x396",
                "-918", "34*27"
            })
    void onlyThePlainNumberIsRight(String answer) {
        Problem problem = Multiplication.problem(34, 27, 2);
        assertThat(new Multiplication().grade(problem, "918")).isTrue();
        assertThat(new Multiplication().grade(problem, answer)).isFalse();
        assertThat(new Addition().grade(Addition.problem(List.of(900L, 18L), 1), answer))
                .isFalse();
    }

    @Test
    void problemsDependOnlyOnSeedStreamAndStep() {
        for (Task task : builtIn()) {
            Problem first = task.make(RandomSource.at(1, 2, 3), 1);
            assertThat(task.make(RandomSource.at(1, 2, 3), 1)).isEqualTo(first);
            assertThat(List.of(task.make(RandomSource.at(2, 2, 3), 1), task.make(RandomSource.at(1, 3, 3), 1)))
                    .isNotEqualTo(List.of(first, first));
        }
    }

    @Test
    void findsBuiltInServiceLoadedAndNamedTasks() {
        assertThat(Tasks.find("multiplication")).isInstanceOf(Multiplication.class);
        assertThat(Tasks.find("reversal")).isInstanceOf(Reversal.class);
        assertThat(Tasks.find(Reversal.class.getName())).isInstanceOf(Reversal.class);
        assertThat(Tasks.alphabet(List.of(new Addition(), new Reversal()))).isEqualTo(" +0123456789:;=>abcdefgh");
    }

    @ParameterizedTest
    @ValueSource(strings = {"multiplikation", "", "java.lang.String", "no.such.Task", "dev.fathom.learn.task.Task"})
    void anUnknownTaskIsAClearError(String name) {
        assertThatThrownBy(() -> Tasks.find(name))
                .isInstanceOf(LearnException.class)
                .message()
                .containsAnyOf("Known tasks: multiplication, addition", name);
    }

    @Test
    void mistakesOfAUsersTaskAreNamed() {
        assertThatThrownBy(() -> Tasks.check(new Constant("what? é")))
                .isInstanceOf(LearnException.class)
                .hasMessageContaining("the character '?', which is not in alphabet()");
        Task throwing = new Constant("abc") {
            @Override
            public boolean grade(Problem problem, String answer) {
                return Integer.parseInt(answer) == 3;
            }
        };
        assertThatThrownBy(() -> Tasks.check(throwing))
                .isInstanceOf(LearnException.class)
                .hasMessageContaining("NumberFormatException")
                .hasMessageContaining("must return false");
        int[] calls = {0};
        Task restless = new Constant("abc") {
            @Override
            public Problem make(RandomSource random, int level) {
                return new Problem("a", "call " + calls[0]++, level, "");
            }
        };
        assertThatThrownBy(() -> Tasks.check(restless)).hasMessageContaining("all randomness from the RandomSource");
    }

    @Test
    void randomNumbersAreUniform() {
        int[] counts = new int[7];
        RandomSource random = RandomSource.at(1, 1, 1);
        for (int i = 0; i < 70_000; i++) {
            counts[random.between(0, 6)]++;
        }
        assertThat(Arrays.stream(counts).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(9_600, 10_400));
        assertThat(random.withDigits(1)).isBetween(1L, 9L);
        assertThat(random.withDigits(18)).isBetween(100_000_000_000_000_000L, 999_999_999_999_999_999L);
    }

    /** A task with one problem only. */
    static class Constant implements Task {
        private final String prompt;

        Constant(String prompt) {
            this.prompt = prompt;
        }

        @Override
        public String name() {
            return "constant";
        }

        @Override
        public int levels() {
            return 1;
        }

        @Override
        public String alphabet() {
            return "abcdefghijklmnopqrstuvwxyz ";
        }

        @Override
        public Problem make(RandomSource random, int level) {
            return new Problem(prompt, prompt, level, "");
        }

        @Override
        public boolean grade(Problem problem, String answer) {
            return false;
        }
    }
}
