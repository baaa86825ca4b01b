package dev.fathom.learn.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.learn.LearnException;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SplitTest {
    static Collection<Task> builtIn() {
        return Tasks.known().values();
    }

    @ParameterizedTest
    @MethodSource("builtIn")
    void trainingAndHeldOutProblemsNeverMeet(Task task) {
        Problems problems = new Problems(task);
        for (int level = 1; level <= task.levels(); level++) {
            Set<String> train = new HashSet<>();
            Set<String> heldOut = new HashSet<>();
            for (int i = 0; i < 20_000; i++) {
                train.add(problems.train(RandomSource.at(1, 1, i), level).canonical());
            }
            for (int i = 0; i < 4_000; i++) {
                // The same seed and stream on purpose: the split must not rely on different random numbers.
                heldOut.add(problems.heldOut(RandomSource.at(1, 1, i), level).canonical());
            }
            assertThat(heldOut).hasSizeGreaterThan(10).doesNotContainAnyElementsOf(train);
        }
    }

    @Test
    void commutedProblemsAreTheSameProblem() {
        for (int i = 0; i < 1000; i++) {
            RandomSource random = RandomSource.at(3, 1, i);
            long a = random.withDigits(3);
            long b = random.withDigits(2);
            long c = random.withDigits(3);
            assertThat(Multiplication.problem(a, b, 1).canonical())
                    .isEqualTo(Multiplication.problem(b, a, 1).canonical());
            assertThat(Addition.problem(List.of(a, b, c), 1).canonical())
                    .isEqualTo(Addition.problem(List.of(c, a, b), 1).canonical());
        }
    }

    @Test
    void aTenthIsHeldOut() {
        long heldOut = IntStream.range(0, 100_000)
                .filter(i -> Split.isHeldOut(i + "*" + (i + 7)))
                .count();
        assertThat(heldOut).isBetween(9_700L, 10_300L);
    }

    /** The side of a problem may never change: reports of different versions would no longer compare. */
    @Test
    void theSplitIsFixedForEver() {
        assertThat(IntStream.range(10, 100)
                        .mapToObj(i -> "7*" + i)
                        .filter(Split::isHeldOut)
                        .toList())
                .containsExactly("7*28", "7*33", "7*57", "7*63", "7*75", "7*78", "7*86", "7*96");
    }

    @Test
    void distinctHeldOutProblemsAreDistinctAndReproducible() {
        Problems problems = new Problems(new Multiplication());
        List<Problem> first = problems.distinctHeldOut(RandomSource.at(5, 2, 0), 3, 600);
        List<Problem> second = problems.distinctHeldOut(RandomSource.at(5, 2, 0), 3, 600);
        assertThat(first).hasSize(600).isEqualTo(second).allMatch(Split::isHeldOut);
        assertThat(first.stream().map(Problem::canonical)).doesNotHaveDuplicates();
    }

    @Test
    void aLevelThatRunsOutGivesWhatItHas() {
        // 90 * 9 problems of 2x1 digits, about a tenth of them held out.
        List<Problem> all = new Problems(new OneDigit()).distinctHeldOut(RandomSource.at(5, 2, 0), 1, 5000);
        assertThat(all).hasSizeBetween(50, 130);
    }

    @Test
    void aLevelWithoutHeldOutProblemsIsAnError() {
        Task single = new TaskTest.Constant("always the same");
        assertThatThrownBy(() -> {
                    Problems problems = new Problems(single);
                    problems.train(RandomSource.at(0, 0, 0), 1);
                    problems.heldOut(RandomSource.at(0, 0, 0), 1);
                })
                .isInstanceOf(LearnException.class)
                .hasMessageContaining("constant, level 1")
                .hasMessageContaining("too few different problems");
    }

    @Test
    void anUnknownLevelIsAnError() {
        assertThatThrownBy(() -> new Problems(new Addition()).train(RandomSource.at(0, 0, 0), 99))
                .isInstanceOf(LearnException.class)
                .hasMessageContaining("no level 99");
    }

    /** 2x1 digit products, whatever the built-in levels are. */
    private static final class OneDigit extends TaskTest.Constant {
        OneDigit() {
            super("");
        }

        @Override
        public Problem make(RandomSource random, int level) {
            return Multiplication.problem(random.withDigits(2), random.withDigits(1), level);
        }
    }
}
