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
    void theSumsOfTwoStepsAreThoseOfTheProduct() {
        try (Engine exact = Engine.vector(Precision.F32, 1);
                Engine partial = PartialSumsGemm.of(Engine.vector(Precision.F32, 2))) {
            Tensor expected = Operands.random(1, 20, 24);
            Tensor found = Operands.random(1, 20, 24);
            for (int step = 0; step < 2; step++) {
                for (int product = 0; product < 3; product++) {
                    long seed = 10 * step + product;
                    add(exact, seed, expected, product > 0);
                    add(partial, seed, found, product > 0);
                }
                exact.kernels().sumOfSquares(expected);
                partial.kernels().sumOfSquares(found);

                assertClose(found, expected);
            }
        }
    }

    /** Of a tied head: the embedding has written to it before. */
    @Test
    void whatTheGradientHasAlreadyIsKept() {
        try (Engine exact = Engine.vector(Precision.F32, 1);
                Engine partial = PartialSumsGemm.of(Engine.vector(Precision.F32, 2))) {
            Tensor expected = Operands.random(1, 20, 24);
            Tensor found = Operands.random(1, 20, 24);
            add(exact, 2, expected, true);
            add(partial, 2, found, true);
            partial.kernels().sumOfSquares(found);

            assertClose(found, expected);
        }
    }

    private static void add(Engine engine, long seed, Tensor gradient, boolean accumulate) {
        Tensor dy = Operands.random(1000 + seed, ROWS, 20);
        Tensor x = Operands.random(2000 + seed, ROWS, 24);
        engine.gemm().backwardWeight(dy, x, RowGroups.single(ROWS), gradient, accumulate);
    }

    private static void assertClose(Tensor found, Tensor expected) {
        for (int row = 0; row < expected.rows(); row++) {
            for (int column = 0; column < expected.columns(); column++) {
                assertThat(found.get(row, column)).isCloseTo(expected.get(row, column), within(1e-3f));
            }
        }
    }
}
