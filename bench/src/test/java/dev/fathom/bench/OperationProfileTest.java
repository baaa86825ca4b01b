package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.bench.OperationProfile.Share;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import java.util.List;
import org.junit.jupiter.api.Test;

class OperationProfileTest {
    private static final MachinePeak PEAK = new MachinePeak(100, 200, "made up", 10);
    private static final Workload TINY = Workload.training("tiny");

    /** The products seen are those of the formula, to the last multiplication. */
    @Test
    void theFlopOfAllProductsAreThoseOfTheFormula() {
        List<Share> shares = profile(1);

        double products = shares.stream()
                .filter(share -> share.name().matches("(forward|backwardInput|backwardWeight) .*"))
                .mapToDouble(Share::flops)
                .sum();
        assertThat(products).isCloseTo(6 * TINY.model().trainedWeightsPerToken() * TINY.tokens(), within(1.0));
    }

    @Test
    void theSharesAreAllOfAStep() {
        List<Share> shares = profile(2);

        assertThat(shares.stream().mapToDouble(Share::share).sum()).isCloseTo(1, within(1e-9));
        assertThat(shares).isSortedAccordingTo((a, b) -> Double.compare(b.seconds(), a.seconds()));
        Share attention = shares.stream()
                .filter(share -> share.name().equals("attention"))
                .findFirst()
                .orElseThrow();
        assertThat(attention.calls()).isEqualTo(3); // two layers and the prediction module
        assertThat(attention.flops()).isEqualTo(3 * 4 * (24 * 25 / 2) * 2.0 * 2 * (12 + 8));
        assertThat(attention.rooflineFraction())
                .isCloseTo(
                        Math.max(attention.flops() / 100e9, attention.bytes() / 10e9) / attention.seconds(),
                        within(0.01));
    }

    @Test
    void theRooflineIsTheLargerOfArithmeticAndMemory() {
        assertThat(PEAK.seconds(1e9, 1e6, Precision.F32)).isCloseTo(0.01, within(1e-12));
        assertThat(PEAK.seconds(1e9, 1e6, Precision.BF16)).isCloseTo(0.005, within(1e-12));
        assertThat(PEAK.seconds(1e6, 1e9, Precision.F32)).isCloseTo(0.1, within(1e-12));
    }

    private static List<Share> profile(int steps) {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            OperationProfile profile = new OperationProfile(PEAK);
            TrainingLoop loop = TrainingLoop.of(TINY, profile.watch(engine), TINY.sequences());
            for (int step = 0; step < steps; step++) {
                int[][] batch = ChainData.batch(TINY, step);
                profile.step(() -> loop.step(batch));
            }
            return profile.shares();
        }
    }
}
