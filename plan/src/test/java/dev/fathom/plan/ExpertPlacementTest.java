package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Philox;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ExpertPlacementTest {
    /** The example of deepseek-ai/EPLB's README: two layers of 12 experts in 16 slots, 4 groups, 2 nodes, 8 devices. */
    @Test
    void thePublishedExample() {
        assertDevices(
                new double[] {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
                new int[] {5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1});
        assertDevices(
                new double[] {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27},
                new int[] {7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1});
    }

    private static void assertDevices(double[] loads, int[] published) {
        ExpertPlacement found = ExpertPlacement.plan(loads, 16, 4, 2, 8);
        // Copies of experts 8 and 9 of the second layer weigh the same, so that who sits beside whom is a tie; who
        // weighs what is not.
        assertThat(found.copies(12)).isEqualTo(new ExpertPlacement(published, 8).copies(12));
        assertThat(weights(found, loads)).containsExactlyElementsOf(weights(new ExpertPlacement(published, 8), loads));
    }

    private static List<Double> weights(ExpertPlacement placement, double[] loads) {
        int[] copies = placement.copies(loads.length);
        return IntStream.range(0, placement.devices())
                .mapToObj(d -> Arrays.stream(placement.device(d))
                        .mapToDouble(e -> loads[e] / copies[e])
                        .sum())
                .sorted()
                .toList();
    }

    @Test
    void everyExpertIsPlacedAndBalanceIsNeverWorseThanNaive() {
        for (int trial = 0; trial < 400; trial++) {
            int nodes = 1 + number(trial, 0, 3);
            int devices = nodes * (1 + number(trial, 1, 4));
            int groups = 1 + number(trial, 2, 6);
            int experts = groups * nodes * devices * (1 + number(trial, 3, 2));
            int slots = experts + devices * nodes * number(trial, 4, 4);
            int seed = trial;
            double[] loads = IntStream.range(0, experts)
                    .mapToDouble(e -> number(seed, 10 + e, 1000) * (e % 5 == 0 ? 20 : 1))
                    .toArray();
            ExpertPlacement placement = ExpertPlacement.plan(loads, slots, groups, nodes, devices);

            assertThat(placement.slots()).hasSize(slots);
            assertThat(Arrays.stream(placement.copies(experts)).min().orElse(0)).isGreaterThanOrEqualTo(1);
            assertThat(placement.imbalance(loads))
                    .isLessThanOrEqualTo(
                            ExpertPlacement.naive(experts, slots, devices).imbalance(loads))
                    .isGreaterThanOrEqualTo(1 - 1e-12);
        }
    }

    private static int number(int trial, int index, int below) {
        return (int) Long.remainderUnsigned(Philox.bits(7, 1, trial, index), below);
    }

    @Test
    void aHotExpertGetsTheFreeSlots() {
        assertThat(ExpertPlacement.replicate(new double[] {10, 1, 1, 1}, 7)).containsExactly(4, 1, 1, 1);
    }

    @Test
    void hierarchicalPlacementKeepsAGroupOnItsNode() {
        double[] loads = IntStream.range(0, 32).mapToDouble(e -> 1 + e % 7).toArray();
        int[] slots = ExpertPlacement.plan(loads, 48, 4, 2, 8).slots();
        for (int group = 0; group < 4; group++) {
            int low = group * 8;
            List<Integer> nodes = IntStream.range(0, slots.length)
                    .filter(s -> slots[s] >= low && slots[s] < low + 8)
                    .map(s -> s / 24)
                    .distinct()
                    .boxed()
                    .toList();
            assertThat(nodes).hasSize(1);
        }
    }

    @Test
    void whatCannotBeIsRefused() {
        double[] loads = new double[12];
        assertThatThrownBy(() -> ExpertPlacement.plan(loads, 13, 1, 1, 4)).hasMessageContaining("nearest is 16");
        assertThatThrownBy(() -> ExpertPlacement.plan(loads, 8, 1, 1, 4)).hasMessageContaining("12 experts");
        assertThatThrownBy(() -> ExpertPlacement.plan(loads, 16, 5, 1, 4)).hasMessageContaining("--groups: found 5");
    }
}
