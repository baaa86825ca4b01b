package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.ModelShape;
import dev.fathom.plan.shape.ModelShapes;
import org.junit.jupiter.api.Test;

/** Engines that were measured at full load with balanced experts; nothing was calibrated on these figures. */
class InferenceModelTest {
    private static final ModelShape V3 = ModelShapes.find("deepseek-v3");

    private static InferenceModel model(String device, int devices, int redundant) {
        return new InferenceModel(
                V3, HardwareCatalog.find(device), Precision.FP8, InferenceCalibration.PUBLISHED, devices, redundant);
    }

    /** DeepSeek profile-data, decode.json: EP128, 128 requests of 4K with a draft each; zdszero.github.io reads 87.3 ms for its 61 layers. */
    @Test
    void deepseeksDecodingProfile() {
        assertThat(61 * 2 * model("h800", 128, 0).overlapped(64, 2, 4096)).isCloseTo(87.3e-3, withinPercentage(10));
    }

    /** DeepSeek profile-data, prefill.json: EP32, prompts of 4K, 16K tokens per device; LMSYS reads 62,713 tokens/s and node. */
    @Test
    void deepseeksPromptProfile() {
        assertThat(8 * 16384 / model("h800", 32, 0).promptSeconds(16384, 2048, 0))
                .isCloseTo(62_713, withinPercentage(10));
    }

    /** SGLang on 72 H100 without drafts, 256 sequences of 2,000 tokens (LMSYS, 5 May 2025); its experts were not perfectly balanced. */
    @Test
    void sglangDecoding() {
        double measured = 22_282;
        double predicted = 8 * 256 / model("h100", 72, 32).stepSeconds(256, 1, 2000);
        double balance = InferenceCalibration.PUBLISHED.balance().value();
        assertThat(predicted).isGreaterThan(measured);
        assertThat(predicted * balance).isLessThan(measured);
    }

    /** Low-latency all-to-all of 128 tokens over 128 devices, released with DeepEP: 192 and 369 us; two micro-batches pay off from there on. */
    @Test
    void twoMicroBatchesPayOffWhenTokensAreMany() {
        InferenceModel model = model("h800", 128, 0);
        assertThat(model.stepSeconds(256, 1, 4096)).isLessThan(1.9 * model.stepSeconds(128, 1, 4096));
        assertThat(model.stepSeconds(2, 1, 4096))
                .as("weights are read once, not twice")
                .isLessThan(61 * 2 * model.overlapped(1, 1, 4096));
    }

    /** 256 and 32 experts on 144 devices, 2 each; on 32 devices, 9 each (DeepSeek inference overview). */
    @Test
    void heldExperts() {
        double one = 59.0 * V3.expertParameters(); // 58 layers and the module that drafts, a byte each
        double none = model("h800", 288, 32).weightBytes() - one;
        assertThat((model("h800", 144, 32).weightBytes() - none) / one).isCloseTo(2, withinPercentage(1e-6));
        assertThat((model("h800", 32, 32).weightBytes() - none) / one).isCloseTo(9, withinPercentage(1e-6));
        assertThat((model("h800", 1, 32).weightBytes() - none) / one).isCloseTo(256, withinPercentage(1e-6));
    }

    /** A draft is nearly free while weights are what a step waits for, and costs attention when sequences are many. */
    @Test
    void drafts() {
        InferenceModel model = model("h800", 144, 32);
        assertThat(model.stepSeconds(1, 2, 1000)).isLessThan(1.1 * model.stepSeconds(1, 1, 1000));
        assertThat(model.stepSeconds(128, 2, 5000)).isGreaterThan(1.6 * model.stepSeconds(128, 1, 5000));
    }
}
