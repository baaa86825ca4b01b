package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import org.junit.jupiter.api.Test;

/** What exactness is measured against computes the same gradients. */
class PartialSumsGemmTest {
    private static final int ROWS = 3 * PartialSumsGemm.ROWS + 7;

    @Test
    void theSumsAreThoseOfTheProduct() {
        assertSame(false);
    }

    @Test
    void theyAreAddedToWhatIsThere() {
        assertSame(true);
    }

    private static void assertSame(boolean accumulate) {
        try (Engine exact = Engine.vector(Precision.F32, 1);
                Engine partial = PartialSumsGemm.of(Engine.vector(Precision.F32, 2))) {
            Tensor dy = Operands.random(1, ROWS, 20);
            Tensor x = Operands.random(2, ROWS, 24);
            Tensor expected = Operands.random(3, 20, 24);
            Tensor found = Operands.random(3, 20, 24);
            // The second product finds the sums of the first.
            for (int product = 0; product < 2; product++) {
                exact.gemm().backwardWeight(dy, x, RowGroups.single(ROWS), expected, accumulate);
                partial.gemm().backwardWeight(dy, x, RowGroups.single(ROWS), found, accumulate);

                for (int row = 0; row < expected.rows(); row++) {
                    for (int column = 0; column < expected.columns(); column++) {
                        assertThat(found.get(row, column)).isCloseTo(expected.get(row, column), within(1e-3f));
                    }
                }
            }
        }
    }
}
