package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import java.util.List;
import org.junit.jupiter.api.Test;

class MachinePeakTest {
    /** A vector that is left on the heap costs a factor of twenty: then a matrix product would be faster than the peak. */
    @Test
    void noMatrixProductIsFasterThanTheRegisters() {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            MachinePeak peak = MachinePeak.measure(engine);

            assertThat(peak.f32Gflops()).isGreaterThan(0.8 * GemmPeak.gflops(engine));
            assertThat(peak.bf16Gflops()).isGreaterThanOrEqualTo(peak.f32Gflops());
            assertThat(peak.bf16Source()).isNotBlank();
            assertThat(peak.readGigabytesPerSecond()).isGreaterThan(0.1);
        }
    }

    @Test
    void theMedianOfAnEvenNumberIsBetween() {
        assertThat(Timings.median(List.of(3.0, 1.0, 2.0))).isEqualTo(2);
        assertThat(Timings.median(List.of(4.0, 1.0, 2.0, 3.0))).isEqualTo(2.5);
    }
}
