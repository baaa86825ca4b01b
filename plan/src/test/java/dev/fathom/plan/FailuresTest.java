package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.shape.ModelShapes;
import org.junit.jupiter.api.Test;

class FailuresTest {
    /** Young's interval, sqrt(2 C M), is the limit for checkpoints much shorter than the time between failures. */
    @Test
    void theBestIntervalIsYoungs() {
        Failures best = Failures.best(86400, 2, 300);
        assertThat(best.interval()).isCloseTo(Math.sqrt(2 * 2 * 86400.0), withinPercentage(1));
        for (double other : new double[] {0.5, 0.9, 1.1, 2}) {
            assertThat(Failures.at(best.interval() * other, 86400, 2, 300).goodput())
                    .isLessThan(best.goodput());
        }
    }

    /** Fire-Flyer: a checkpoint every five minutes loses five at most, half of that on average. */
    @Test
    void fireFlyersFiveMinutes() {
        Failures five = Failures.at(300, 24 * 3600, 1, 300);
        assertThat(five.lostPerFailure()).isEqualTo(150);
        assertThat(five.goodput()).isBetween(0.98, 1.0);
    }

    /** The mega-cluster: with V3's batch there are too few sequences long before failures matter, and then failures matter. */
    @Test
    void aMillionDevices() {
        PublishedJob job = PublishedJob.of("deepseek-v3").orElseThrow();
        long start = System.nanoTime();
        Scaling.Result result = Scaling.grow(
                new TrainingPlanner(Calibration.PUBLISHED),
                ModelShapes.find("deepseek-v3"),
                HardwareCatalog.find("h800"),
                job.layout(),
                job.phases().getFirst(),
                1_000_000);
        assertThat((System.nanoTime() - start) * 1e-9).isLessThan(10);
        assertThat(result.points().getLast().devices()).isGreaterThan(990_000);
        assertThat(result.limits().getFirst().what()).isEqualTo("batch");
        assertThat(result.limits()).anyMatch(limit -> limit.what().equals("failures"));
        assertThat(result.points().getLast().goodput()).isLessThan(0.5);
    }
}
