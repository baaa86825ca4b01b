package dev.fathom.learn.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.learn.task.RandomSource;
import org.junit.jupiter.api.Test;

class SteadyPaceTest {
    private static final double STEADY = 0.072;

    @Test
    void withoutACompilerPacesAreMediansOfStepsInARow() {
        SteadyPace pace = SteadyPace.of(new double[] {1, 2, 100, 1, 2, 3, 3, 3}, new double[8]);
        assertThat(pace).isEqualTo(new SteadyPace(2, 3));
        assertThat(pace.seconds()).isCloseTo(2.4, within(1e-12));
        assertThat(SteadyPace.of(new double[] {2}, new double[1])).isEqualTo(new SteadyPace(2, 2));
    }

    /** Whichever pace a run keeps, the error is the same: no other number does better for both. */
    @Test
    void theEstimateIsTheLeastWrong() {
        SteadyPace pace = new SteadyPace(0.07, 0.1);
        double missed = (0.1 - 0.07) / (0.1 + 0.07);
        assertThat(pace.seconds() / pace.fastest() - 1).isCloseTo(missed, within(1e-12));
        assertThat(1 - pace.seconds() / pace.slowest()).isCloseTo(missed, within(1e-12));
    }

    /** Steps as they are ten seconds after the start: most of them compiled beside, all of them scattered upwards. */
    @Test
    void whatTheCompilerTookIsTakenOut() {
        for (int seed = 0; seed < 200; seed++) {
            double[][] measured = measured(seed, 0);
            SteadyPace pace = SteadyPace.of(measured[0], measured[1]);
            assertThat(pace.seconds()).as("seed %d", seed).isCloseTo(1.04 * STEADY, withinPercentage(6));
            assertThat(pace.varies()).as("seed %d", seed).isFalse();
        }
    }

    @Test
    void bothPacesAreSeen() {
        for (int seed = 0; seed < 200; seed++) {
            double[][] measured = measured(seed, 10);
            SteadyPace pace = SteadyPace.of(measured[0], measured[1]);
            assertThat(pace.varies()).as("seed %d", seed).isTrue();
            assertThat(pace.fastest()).as("seed %d", seed).isCloseTo(1.04 * STEADY, withinPercentage(6));
            assertThat(pace.slowest()).as("seed %d", seed).isCloseTo(1.37 * 1.04 * STEADY, withinPercentage(6));
        }
    }

    @Test
    void noStepIsMoreThanHalfTheCompilers() {
        assertThat(SteadyPace.of(new double[] {2}, new double[] {5})).isEqualTo(new SteadyPace(2, 2));
        assertThat(SteadyPace.of(new double[] {1, 2}, new double[] {5, 6}).fastest())
                .isCloseTo((0.5 + 1) / 2, within(1e-12));
    }

    /** 30 steps and the compiler's time in each; {@code slow} of them in a row in the host's slow state. */
    private static double[][] measured(int seed, int slow) {
        RandomSource random = RandomSource.at(seed, 0, 0);
        double[][] rows = new double[2][45];
        for (int i = 0; i < 45; i++) {
            double compiling = 0.001 * (random.chance(0.25) ? random.below(3) : random.below(60));
            double scatter = 1 + 0.08 * random.uniform();
            double state = i >= 10 && i < 10 + slow ? 1.37 : 1;
            rows[0][i] = STEADY * state * scatter + 0.42 * compiling;
            rows[1][i] = compiling;
        }
        return rows;
    }
}
