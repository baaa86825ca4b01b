package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import org.junit.jupiter.api.Test;

class WorkloadTest {
    /** The peer's own count: 37.11 MFLOP a token, 5.795 M parameters. */
    @Test
    void w1HasTheSizeAndTheCostOfThePeers() {
        Workload w1 = Workload.training("w1");

        assertThat(w1.trainingFlopPerToken() * 1e-6).isCloseTo(37.11, within(0.005));
        assertThat(parameters(w1) * 1e-6).isCloseTo(5.795, within(0.0005));
    }

    /** The peer's count, 6 for each of 124.5 M parameters, takes the position table for a matrix and leaves attention out. */
    @Test
    void gpt2CostsWhatThePeersCountSays() {
        assertThat(Workload.training("gpt2").trainingFlopPerToken() / (6 * 124.5e6))
                .isCloseTo(1, within(0.01));
    }

    /** The peer's own count: 34.01 MFLOP a token, 12.596 M parameters. */
    @Test
    void w2HasTheSizeAndTheCostOfThePeers() {
        Workload w2 = Workload.training("w2");

        assertThat(w2.trainingFlopPerToken() * 1e-6).isCloseTo(34.01, within(0.005));
        assertThat(w2.tokens()).isEqualTo(4096);
        assertThat(parameters(w2) * 1e-6).isCloseTo(12.596, within(0.0005));
    }

    /** 7.6 MFLOP a token forward. */
    @Test
    void w3IsW2WithoutItsPredictionModule() {
        Workload w3 = Workload.rollout("w3");

        assertThat(w3.model().samplingFlopPerToken() * 1e-6).isCloseTo(7.6, within(0.05));
        assertThat(w3.sequences()).isEqualTo(256);
        assertThat(w3.length()).isEqualTo(16);
        assertThat(w3.responseLength()).isEqualTo(64);
    }

    @Test
    void nothingInOddIsAPowerOfTwo() {
        Workload odd = Workload.training("odd");

        assertThat(((ModelShape.Deepseek) odd.model()).config().hiddenSize()).isEqualTo(320);
        assertThat(odd.length()).isEqualTo(200);
        assertThat(odd.trainingFlopPerToken())
                .isGreaterThan(Workload.training("w2").trainingFlopPerToken());
    }

    @Test
    void aNameThatIsNoneIsAnsweredWithThoseThereAre() {
        assertThatThrownBy(() -> Workload.training("w9"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"w9\"")
                .hasMessageContaining("w1, w2, odd, gpt2, nanogpt, tiny");
    }

    private static long parameters(Workload workload) {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            return workload.model().create(engine, 1).parameters().list().stream()
                    .filter(parameter -> parameter.trained())
                    .mapToLong(parameter -> parameter.size())
                    .sum();
        }
    }
}
