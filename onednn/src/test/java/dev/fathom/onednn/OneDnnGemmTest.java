package dev.fathom.onednn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Gemm;
import dev.fathom.engine.GemmContract;
import dev.fathom.engine.GemmProvider;
import dev.fathom.engine.Precision;
import dev.fathom.engine.WorkerPool;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@link OneDnnGemm} against the exact chains of {@link VectorGemm}, up to rounding, and against itself, to the bit. */
class OneDnnGemmTest {
    private static Gemm open(Precision precision, WorkerPool pool) {
        OneDnnProvider provider = new OneDnnProvider();
        String reason = provider.unavailable(precision);
        assumeTrue(reason.isEmpty(), reason);
        return provider.open(precision, pool);
    }

    @Test
    void theServiceLoaderFindsTheProvider() {
        assertThat(ServiceLoader.load(GemmProvider.class))
                .extracting(GemmProvider::name)
                .contains("onednn");
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void aRowDoesNotDependOnItsBatch(Precision precision) {
        GemmContract.aRowDoesNotDependOnItsBatch(precision, pool -> open(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void resultsDifferFromExactChainsByRoundingOnly(Precision precision) {
        GemmContract.resultsDifferFromExactChainsByRoundingOnly(precision, pool -> open(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void aWeightGradientDependsOnlyOnItsGroup(Precision precision) {
        GemmContract.aWeightGradientDependsOnlyOnItsGroup(precision, pool -> open(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void operandsMayBeBf16(Precision precision) {
        GemmContract.operandsMayBeBf16(pool -> open(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void productsMayBePartsOfTasks(Precision precision) {
        GemmContract.productsMayBePartsOfTasks(pool -> open(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void refreshSeesNewWeights(Precision precision) {
        GemmContract.refreshSeesNewWeights(precision, pool -> open(precision, pool));
    }

    @Test
    void weightsOfAnotherGemmAreRefused() {
        GemmContract.weightsOfAnotherGemmAreRefused(pool -> open(Precision.BF16, pool));
    }

    @Test
    void blocksCoverAnyNumberOfRowsWithLittlePadding() {
        for (int rows = 1; rows <= 300; rows++) {
            int left = rows;
            int multiplied = 0;
            while (left > 0) {
                int size = OneDnnMatmul.BLOCKS[OneDnnMatmul.blockFor(left)];
                multiplied += size;
                left -= Math.min(size, left);
            }
            assertThat(multiplied).isBetween(rows, Math.max(2, rows * 4 / 3));
        }
    }
}
