package dev.fathom.learn.rl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AdvantagesTest {
    @Test
    void advantageIsRewardMinusMean() {
        assertThat(Advantages.of(new double[] {1, 0, 0, 1}, false)).containsExactly(0.5, -0.5, -0.5, 0.5);
        assertThat(Advantages.of(new double[] {1.1, 0.1, 0.1, 0.1}, false))
                .containsExactly(new double[] {0.75, -0.25, -0.25, -0.25}, within(1e-12));
    }

    @Test
    void dividedByStdTheyHaveVarianceOne() {
        double[] advantages = Advantages.of(new double[] {1, 0, 0, 0, 0.1, 1.1}, true);
        assertThat(Arrays.stream(advantages).sum()).isCloseTo(0, within(1e-12));
        assertThat(Arrays.stream(advantages).map(a -> a * a).sum() / 6).isCloseTo(1, within(1e-12));
    }

    /** 0.1 is no binary fraction: the mean of equal rewards need not be that reward, and 0/0 must not become NaN. */
    @Test
    void aDeadGroupHasExactlyZeroAdvantages() {
        for (double reward : new double[] {0, 0.1, 1.1, 1.0 / 3}) {
            double[] rewards = new double[16];
            Arrays.fill(rewards, reward);
            assertThat(Advantages.isDead(rewards)).isTrue();
            assertThat(Advantages.of(rewards, true)).containsOnly(0.0);
            assertThat(Advantages.of(rewards, false)).containsOnly(0.0);
        }
    }
}
