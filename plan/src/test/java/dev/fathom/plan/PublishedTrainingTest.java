package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.schedule.Slot.Phase;
import dev.fathom.plan.shape.ModelShape;
import dev.fathom.plan.shape.ModelShapes;
import org.junit.jupiter.api.Test;

/** What was published, from the model; docs/plan.md has the same figures with their errors and says which were calibrated on. */
class PublishedTrainingTest {
    private static final TrainingPlan V3 = plan("deepseek-v3");

    private static TrainingPlan plan(String model) {
        PublishedJob job = PublishedJob.of(model).orElseThrow();
        return new TrainingPlanner(Calibration.PUBLISHED)
                .plan(new TrainingJob(
                        ModelShapes.find(model),
                        new Cluster(HardwareCatalog.find(job.gpu()), job.devices()),
                        job.layout(),
                        job.phases()));
    }

    @Test
    void deepseekV3IsCountedExactly() {
        ModelShape shape = ModelShapes.find("deepseek-v3");
        assertThat(shape.parameters()).isEqualTo(671_026_419_200L);
        assertThat(shape.predictionParameters()).isEqualTo(11_610_068_224L);
        assertThat(shape.activeParameters() / 1e9).isBetween(36.6, 36.65);
        assertThat(shape.keyValueBytesPerToken(2)).isEqualTo(70_272);
        assertThat(shape.trainingFlops(4096, true) / 1e9).isBetween(250.4, 250.6);
    }

    @Test
    void deepseekV3CostsWhatWasPublished() {
        assertThat(V3.hoursPerTrillionTokens()).isCloseTo(180e3, withinPercentage(3));
        assertThat(V3.phases().get(0).hours()).isCloseTo(2_664e3, withinPercentage(3));
        // Calibrated on: both extensions together.
        assertThat(V3.phases().get(1).hours() + V3.phases().get(2).hours()).isCloseTo(119e3, withinPercentage(3));
        assertThat(V3.phases().get(3).hours()).isEqualTo(5e3);
        assertThat(V3.hours()).isCloseTo(2_788e3, withinPercentage(3));
        assertThat(V3.dollars()).isCloseTo(5.576e6, withinPercentage(3));
        assertThat(V3.step().seconds()).isCloseTo(19.926, withinPercentage(3));
        assertThat(V3.tokensPerDay()).isCloseTo(272.8e9, withinPercentage(3));
        assertThat(V3.utilisation(false)).isCloseTo(0.437, withinPercentage(3));
        assertThat(V3.utilisation(true)).isCloseTo(0.389, withinPercentage(3));
        assertThat(V3.step().memoryBytes()).isLessThan(80e9);
    }

    /** ISCA 2025 Table 4. Weight and pair are calibrated on; forward, backward, bubble and optimizer are predicted. */
    @Test
    void deepseekV3SplitsItsStepAsMeasured() {
        assertThat(V3.step().phases().get(Phase.FORWARD)).isCloseTo(1.13, withinPercentage(10));
        assertThat(V3.step().bubble()).isCloseTo(2.06, withinPercentage(10));
        assertThat(V3.step().phases().get(Phase.BACKWARD)).isCloseTo(1.99, withinPercentage(10));
        assertThat(V3.step().phases().get(Phase.WEIGHT)).isCloseTo(0.48, withinPercentage(10));
        assertThat(V3.step().phases().get(Phase.PAIR)).isCloseTo(13.95, withinPercentage(10));
        assertThat(V3.step().optimizer()).isCloseTo(0.29, withinPercentage(10));
    }

    /** V3 in 16 stages: four layers each, as in DeepSeek's published profile; the last has one, the MTP module and two heads. */
    @Test
    void deepseekV3IsCutAsPublished() {
        assertThat(V3.step().parts().getFirst()).isEqualTo(new StagePart(3, 1, 0, true, 0));
        assertThat(V3.step().parts().subList(1, 15)).containsOnly(new StagePart(0, 4, 0, false, 0));
        assertThat(V3.step().parts().getLast()).isEqualTo(new StagePart(0, 1, 1, false, 2));
    }

    /** Nothing below was calibrated on. */
    @Test
    void deepseekV2() {
        ModelShape shape = ModelShapes.find("deepseek-v2");
        assertThat(shape.parameters()).isEqualTo(235_741_434_880L);
        assertThat(shape.trainingFlops(4096, true)).isCloseTo(155e9, withinPercentage(1));
        assertThat(plan("deepseek-v2").hoursPerTrillionTokens()).isCloseTo(172.8e3, withinPercentage(15));
    }

    @Test
    void deepseekV2Lite() {
        ModelShape shape = ModelShapes.find("deepseek-v2-lite");
        assertThat(shape.parameters()).isEqualTo(15_706_484_224L);
        assertThat(shape.activeParameters()).isCloseTo(2_400_000_000L, withinPercentage(3));
        // "Deployed on one 40G GPU": its weights in BF16 with room for a cache (DeepSeek-V2 repository).
        assertThat(shape.parameters() * 2.0).isLessThan(40e9);
    }

    @Test
    void llama405b() {
        ModelShape shape = ModelShapes.find("llama-3.1-405b");
        assertThat(shape.parameters()).isEqualTo(405_853_388_800L);
        assertThat(shape.keyValueBytesPerToken(2)).isEqualTo(516_096);
        assertThat(shape.trainingFlops(4096, true)).isCloseTo(2448e9, withinPercentage(2));
        TrainingPlan large = plan("llama-3.1-405b");
        assertThat(large.flopsPerDevice(true)).isCloseTo(400e12, withinPercentage(15));
        TrainingPlan half = new TrainingPlanner(Calibration.PUBLISHED)
                .plan(new TrainingJob(
                        large.job().shape(),
                        new Cluster(HardwareCatalog.find("h100"), 8192),
                        large.job().layout(),
                        large.job().phases()));
        assertThat(half.flopsPerDevice(true)).isCloseTo(430e12, withinPercentage(15));
    }

    @Test
    void gpt3() {
        ModelShape shape = ModelShapes.find("gpt-3-175b");
        assertThat(shape.parameters()).isCloseTo(175_000_000_000L, withinPercentage(1));
        // 3.14e23 FLOPs for 300 billion tokens (Brown et al. 2020, appendix D) leave attention out.
        assertThat(6.0 * shape.parameters() * 300e9).isCloseTo(3.14e23, withinPercentage(1));
        TrainingPlan plan = plan("gpt-3-175b");
        assertThat(plan.days()).isCloseTo(34, withinPercentage(15));
    }
}
