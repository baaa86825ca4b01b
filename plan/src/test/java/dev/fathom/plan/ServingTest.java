package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.plan.ReinforcementPlanner.ReinforcementPlan;
import dev.fathom.plan.ReinforcementPlanner.StageCost;
import dev.fathom.plan.ServingPlanner.ServingPlan;
import dev.fathom.plan.ServingPlanner.Workload;
import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.ModelShapes;
import org.junit.jupiter.api.Test;

class ServingTest {
    private static ServingPlanner planner(String device) {
        return new ServingPlanner(
                ModelShapes.find("deepseek-v3"),
                HardwareCatalog.find(device),
                Precision.FP8,
                InferenceCalibration.PUBLISHED);
    }

    /** The published average of 226.75 nodes is what the two published rates ask for: nodes and dollars follow from the rates alone. */
    @Test
    void nodesAndDollarsFollowFromTheRates() {
        assertThat(608e9 / 86400 / 73.7e3 + 168e9 / 86400 / 14.8e3).isCloseTo(226.75, withinPercentage(0.1));
        ServingPlan plan = planner("h800").plan(Workload.FEBRUARY_2025);
        double seconds = 86400;
        assertThat(plan.prefillPerNode() * plan.prefillNodes() * seconds).isCloseTo(608e9, withinPercentage(1e-6));
        assertThat(plan.decodePerNode() * plan.decodeNodes() * seconds).isCloseTo(168e9, withinPercentage(1e-6));
        assertThat(plan.dollarsPerDay())
                .isCloseTo((plan.prefillNodes() + plan.decodeNodes()) * 8 * 2 * 24, withinPercentage(1e-6));
        assertThat(608e3 * plan.dollarsPerMillionInput() + 168e3 * plan.dollarsPerMillionOutput())
                .isCloseTo(plan.dollarsPerDay(), withinPercentage(1e-6));
    }

    /** Where time is what limits, users get the speed that was asked for, and a faster answer costs throughput. */
    @Test
    void speedIsPaidForWithThroughput() {
        ServingPlan plan = planner("h800").plan(Workload.FEBRUARY_2025);
        assertThat(plan.bound()).isEqualTo("time per output token");
        assertThat(1 / plan.secondsPerToken()).isCloseTo(21, withinPercentage(0.01));
        assertThat(plan.decodePerNode()).isCloseTo(8 * plan.batch() * 21, withinPercentage(0.01));
        assertThat(plan.memoryBytes()).isLessThan(80e9);
        ServingPlan fast = planner("h800").plan(new Workload(32, 144, 4989, 0.563, 30, 32, 608e9, 168e9));
        assertThat(fast.decodePerNode()).isLessThan(plan.decodePerNode());
        assertThat(fast.batch()).isLessThan(plan.batch());
        ServingPlan slow = planner("h800").plan(new Workload(32, 144, 4989, 0.563, 1, 32, 608e9, 168e9));
        assertThat(slow.bound()).isEqualTo("memory");
        assertThat(slow.memoryBytes()).isCloseTo(80e9, withinPercentage(1e-6));
    }

    @Test
    void cachedPromptsCostLittle() {
        ServingPlan none = planner("h800").plan(new Workload(32, 144, 4989, 0, 21, 32, 608e9, 168e9));
        ServingPlan half = planner("h800").plan(new Workload(32, 144, 4989, 0.5, 21, 32, 608e9, 168e9));
        // Twice as many but for attention, which sees three quarters of the prompt instead of half of it, and for
        // latents that become keys and
        // values.
        assertThat(half.prefillPerNode() / none.prefillPerNode()).isBetween(1.7, 2.0);
    }

    /** The paper computes with a width of 7K, 2.4 % below the model's 7,168. */
    @Test
    void boundsOnTheTimePerToken() {
        assertThat(planner("h800").bound(32, 50e9)).isCloseTo(14.76e-3, withinPercentage(3));
        assertThat(planner("gb200-nvl72").bound(32, 900e9)).isCloseTo(0.82e-3, withinPercentage(3));
        assertThat(planner("h800").bound(32, 50e9) * 7000 / 7168).isCloseTo(14.76e-3, withinPercentage(0.1));
    }

    @Test
    void aUserCannotBeServedFasterThanASequenceAlone() {
        assertThatThrownBy(() -> planner("h800").plan(new Workload(32, 144, 4989, 0.5, 5000, 32, 1e9, 1e9)))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("--tokens-per-second: found 5000.0, expected at most");
    }

    @Test
    void reinforcementLearningGrowsWithItsSteps() {
        Cluster cluster = new Cluster(HardwareCatalog.find("h800"), 512);
        double perToken = 19.93 * 2048 / (15360.0 * 4096);
        ReinforcementPlanner planner = new ReinforcementPlanner(InferenceCalibration.PUBLISHED);
        ReinforcementPlan few = planner.plan(
                ModelShapes.find("deepseek-v3"), cluster, Precision.FP8, perToken, ReinforcementPlanner.r1(1000));
        ReinforcementPlan many = planner.plan(
                ModelShapes.find("deepseek-v3"), cluster, Precision.FP8, perToken, ReinforcementPlanner.r1(3000));
        assertThat(few.stages().get(3).hours() * 3)
                .isCloseTo(many.stages().get(3).hours(), withinPercentage(1e-6));
        assertThat(many.hours() - few.hours()).isCloseTo(many.stages().get(3).hours() * 2 / 3, withinPercentage(1e-6));
        // A rollout waits for its longest response; what the others do in the meantime hardly matters.
        for (StageCost cost : many.stages()) {
            if (cost.stage().givenHours() == 0) {
                assertThat(cost.rollout()).isGreaterThan(cost.scoring() + cost.training());
                assertThat(cost.hours())
                        .isCloseTo(
                                (cost.rollout() + cost.scoring() + cost.training()) * 512 / 3600,
                                withinPercentage(1e-6));
            }
        }
    }
}
