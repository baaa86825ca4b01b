package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** The schedules at their corners. */
class LearningRateScheduleTest {
    private static final Offset<Float> CLOSE = Offset.offset(1e-9f);

    @Test
    void constant() {
        assertThat(new LearningRateSchedule.Constant(3e-4f).at(1e15)).isEqualTo(3e-4f);
    }

    @Test
    void cosine() {
        var schedule = new LearningRateSchedule.Cosine(1e-3f, 1e-4f, 100, 1100);
        assertThat(schedule.at(0)).isZero();
        assertThat(schedule.at(1)).isCloseTo(1e-5f, CLOSE);
        assertThat(schedule.at(50)).isCloseTo(5e-4f, CLOSE);
        assertThat(schedule.at(100)).isEqualTo(1e-3f);
        assertThat(schedule.at(600)).isCloseTo(5.5e-4f, CLOSE);
        assertThat(schedule.at(1100)).isEqualTo(1e-4f);
        assertThat(schedule.at(1e9)).isEqualTo(1e-4f);
    }

    @Test
    void cosineWithoutWarmup() {
        var schedule = new LearningRateSchedule.Cosine(1, 0, 0, 10);
        assertThat(schedule.at(0)).isEqualTo(1);
        assertThat(schedule.at(5)).isCloseTo(0.5f, Offset.offset(1e-6f));
        assertThat(schedule.at(10)).isZero();
    }

    @Test
    void warmupStableDecay() {
        var schedule = new LearningRateSchedule.WarmupStableDecay(2.2e-4f, 2.2e-5f, 10, 100, 143);
        assertThat(schedule.at(5)).isCloseTo(1.1e-4f, CLOSE);
        assertThat(schedule.at(10)).isEqualTo(2.2e-4f);
        assertThat(schedule.at(100)).isEqualTo(2.2e-4f);
        assertThat(schedule.at(121.5)).isCloseTo(1.21e-4f, CLOSE);
        assertThat(schedule.at(143)).isEqualTo(2.2e-5f);
        assertThat(schedule.at(150)).isEqualTo(2.2e-5f);
    }

    @Test
    void impossibleSchedulesAreErrors() {
        assertThatThrownBy(() -> new LearningRateSchedule.Constant(-1)).hasMessageContaining("-1");
        assertThatThrownBy(() -> new LearningRateSchedule.Cosine(1e-4f, 1e-3f, 0, 10))
                .hasMessageContaining("floor");
        assertThatThrownBy(() -> new LearningRateSchedule.Cosine(1, 0, 11, 10)).hasMessageContaining("11");
        assertThatThrownBy(() -> new LearningRateSchedule.WarmupStableDecay(1, 0, 5, 4, 10))
                .hasMessageContaining("start of decay");
        assertThatThrownBy(() -> new LearningRateSchedule.Constant(Float.NaN)).hasMessageContaining("NaN");
    }
}
