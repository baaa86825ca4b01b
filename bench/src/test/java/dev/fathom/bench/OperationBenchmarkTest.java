package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.bench.OperationBenchmark.Measured;
import dev.fathom.bench.OperationBenchmark.Result;
import dev.fathom.engine.RowGroups;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OperationBenchmarkTest {
    @Test
    void severalForksShowTheMedianAndTheWorst() {
        Result merged = OperationBenchmark.merge(List.of(fork(2e-6, 100), fork(9e-6, 40), fork(1e-6, 110)));

        Measured operation = merged.operations().getFirst();
        assertThat(merged.forks()).isEqualTo(3);
        assertThat(merged.tokensPerSecond()).isEqualTo(100);
        assertThat(operation.seconds()).isEqualTo(2e-6);
        assertThat(operation.worstForkSeconds()).isEqualTo(9e-6);
    }

    private static Result fork(double seconds, double tokensPerSecond) {
        Measured operation = new Measured("rmsNorm 8x8", 1, seconds, seconds, 0, 1, 0, 1);
        return new Result(
                "tiny",
                tokensPerSecond,
                1,
                1,
                "kernels: x",
                "f32",
                1,
                5,
                1,
                new MachinePeak(1, 1, "", 1),
                List.of(operation));
    }

    @Test
    void expertsShareRowsUnevenlyAndOneHasNone() {
        RowGroups groups = ProductShape.parse("100x8x8x4").groups();

        assertThat(groups.count()).isEqualTo(4);
        assertThat(groups.rows()).isEqualTo(100);
        assertThat(groups.to(0)).isEqualTo(55);
        assertThat(groups.to(3) - groups.from(3)).isZero();
    }

    @Test
    void aShapeReadsAsItIsWritten() {
        assertThat(ProductShape.parse("7x8x9").text()).isEqualTo("7x8x9");
        assertThat(ProductShape.parse("7x8x9x2").text()).isEqualTo("7x8x9x2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "7x8", "7x8x9x2x1", "7x8x-9", "0x8x9", "7x8x9x0", "a"})
    void aShapeThatIsNoneIsRefused(String text) {
        assertThatThrownBy(() -> ProductShape.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }
}
