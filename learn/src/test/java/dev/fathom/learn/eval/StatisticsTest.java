package dev.fathom.learn.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.learn.task.RandomSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StatisticsTest {
    /** Against the definition: the share of all k-subsets of n responses that hold a right one. */
    @Test
    void passAtKCountsSubsets() {
        for (int n = 1; n <= 10; n++) {
            for (int c = 0; c <= n; c++) {
                for (int k = 1; k <= n; k++) {
                    int subsets = 0;
                    int withRight = 0;
                    for (int set = 0; set < 1 << n; set++) {
                        if (Integer.bitCount(set) == k) {
                            subsets++;
                            withRight += (set & ((1 << c) - 1)) != 0 ? 1 : 0;
                        }
                    }
                    assertThat(Statistics.passAtK(n, c, k)).isCloseTo((double) withRight / subsets, within(1e-12));
                }
            }
        }
        assertThatThrownBy(() -> Statistics.passAtK(4, 1, 5)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void wilsonMatchesPublishedValues() {
        // 8 of 10: 0.4902 to 0.9433 (Newcombe 1998); 0 of 20: 0 to 0.1611.
        Statistics.Interval interval = Statistics.wilson(0.8, 10);
        assertThat(interval.low()).isCloseTo(0.4902, within(1e-4));
        assertThat(interval.high()).isCloseTo(0.9433, within(1e-4));
        assertThat(Statistics.wilson(0, 20).low()).isZero();
        assertThat(Statistics.wilson(0, 20).high()).isCloseTo(0.1611, within(1e-4));
        assertThat(Statistics.wilson(1, 20).high()).isEqualTo(1);
    }

    @Test
    void theIntervalCountsProblemsNotResponses() {
        // Always right or always wrong: eight responses say no more than one.
        double[] extreme = new double[100];
        for (int i = 0; i < 50; i++) {
            extreme[i] = 1;
        }
        double clustered = width(Statistics.passAt1Interval(extreme, 8));
        assertThat(clustered).isCloseTo(width(Statistics.wilson(0.5, 100)), within(0.002));
        // All problems alike: every response counts.
        double[] alike = new double[100];
        java.util.Arrays.fill(alike, 0.5);
        alike[0] = 0.625;
        alike[1] = 0.375;
        assertThat(width(Statistics.passAt1Interval(alike, 8)))
                .isCloseTo(width(Statistics.wilson(0.5, 800)), within(1e-3));
    }

    /** The claim of 95 %, checked: problems of different difficulty, eight responses each. */
    @Test
    void theIntervalHoldsTheTruthAsOftenAsItSays() {
        int held = 0;
        for (int trial = 0; trial < 1000; trial++) {
            RandomSource random = RandomSource.at(9, 1, trial);
            double[] shares = new double[60];
            for (int i = 0; i < shares.length; i++) {
                double difficulty = random.uniform();
                for (int s = 0; s < 8; s++) {
                    shares[i] += random.chance(difficulty) ? 0.125 : 0;
                }
            }
            Statistics.Interval interval = Statistics.passAt1Interval(shares, 8);
            held += interval.low() <= 0.5 && 0.5 <= interval.high() ? 1 : 0;
        }
        assertThat(held).isBetween(925, 975);
    }

    private static double width(Statistics.Interval interval) {
        return interval.high() - interval.low();
    }

    @Test
    void resultsAreAggregatedOverAllTheHardestAndEachLevel() {
        List<ProblemResult> results = new ArrayList<>();
        results.add(new ProblemResult("a", 1, 4, 4, 4, 0, 40, true));
        results.add(new ProblemResult("a", 2, 4, 1, 3, 1, 80, false));
        results.add(new ProblemResult("a", 2, 4, 0, 4, 0, 40, true));
        results.add(new ProblemResult("b", 1, 4, 2, 4, 0, 20, false));
        Evaluation evaluation = Evaluation.of(results, 2);

        assertThat(evaluation.overall().passAt1()).isEqualTo(7 / 16.0);
        assertThat(evaluation.overall().passAtK()).isCloseTo((1 + 0.5 + 0 + 5 / 6.0) / 4, within(1e-12));
        assertThat(evaluation.overall().greedy()).isEqualTo(0.5);
        assertThat(evaluation.overall().meanResponseTokens()).isEqualTo(180 / 16.0);
        assertThat(evaluation.overall().truncated()).isEqualTo(1 / 16.0);
        assertThat(evaluation.hardest().problems()).isEqualTo(3);
        assertThat(evaluation.hardest().passAt1()).isEqualTo(3 / 12.0);
        assertThat(evaluation.levels().stream().map(l -> l.task() + l.level())).containsExactly("a1", "a2", "b1");
        assertThat(evaluation.levels().get(1).score().passAt1()).isEqualTo(1 / 8.0);
        assertThat(Evaluation.fromJson(evaluation.toJson())).isEqualTo(evaluation);
        assertThat(evaluation.toJson().propertyNames())
                .contains("passAt1", "passAtK", "k", "greedy", "problems", "meanResponseTokens", "levels");
        assertThat(evaluation.toJson().get("levels").get(0).propertyNames())
                .contains("task", "level", "passAt1", "passAtK", "k", "greedy", "problems", "meanResponseTokens");
    }

    @Test
    void withoutGreedyResponsesThereIsNoGreedyScore() {
        Evaluation evaluation = Evaluation.of(List.of(new ProblemResult("a", 1, 1, 1, 1, 0, 9, null)), 1);
        assertThat(evaluation.overall().greedy()).isNull();
        assertThat(Evaluation.fromJson(evaluation.toJson())).isEqualTo(evaluation);
    }
}
