package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.plan.ServingPlanner.ServingPlan;
import dev.fathom.plan.ServingPlanner.Workload;
import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.ModelShapes;
import org.junit.jupiter.api.Test;

class ServingTest {
    private static ServingPlanner planner(String device) {
        return new ServingPlanner(
                ModelShapes.find("deepseek-v3"), HardwareCatalog.find(device), Precision.FP8, Calibration.PUBLISHED);
    }

    /** DeepSeek's 24 hours. The two rates are calibrated on; the nodes and the dollars follow. */
    @Test
    void deepseeksDay() {
        ServingPlan plan = planner("h800").plan(Workload.FEBRUARY_2025);
        assertThat(plan.prefillPerNode()).isCloseTo(73.7e3, withinPercentage(3));
        assertThat(plan.decodePerNode()).isCloseTo(14.8e3, withinPercentage(3));
        assertThat(plan.prefillNodes() + plan.decodeNodes()).isCloseTo(226.75, withinPercentage(3));
        assertThat(plan.dollarsPerDay()).isCloseTo(87_072, withinPercentage(3));
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
        assertThatThrownBy(() -> planner("h800").plan(new Workload(32, 144, 4989, 0.5, 5000, 1, 1e9, 1e9)))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("--tokens-per-second: found 5000.0, expected at most");
    }

    /** R1-Zero's hours are calibrated on; R1's first stage has a number of steps that is inferred from the hours. */
    @Test
    void reinforcementLearning() {
        Cluster cluster = new Cluster(HardwareCatalog.find("h800"), 512);
        ReinforcementPlanner planner = new ReinforcementPlanner(Calibration.PUBLISHED);
        double perToken = 19.93 * 2048 / (15360.0 * 4096);
        var shape = ModelShapes.find("deepseek-v3");
        assertThat(planner.plan(shape, cluster, Precision.FP8, perToken, ReinforcementPlanner.r1Zero())
                        .hours())
                .isCloseTo(101e3, withinPercentage(3));
        assertThat(planner.plan(shape, cluster, Precision.FP8, perToken, ReinforcementPlanner.r1())
                        .hours())
                .isCloseTo(147e3, withinPercentage(3));
    }
}
