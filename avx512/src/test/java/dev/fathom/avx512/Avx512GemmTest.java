package dev.fathom.avx512;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.DType;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.GemmContract;
import dev.fathom.engine.GemmProvider;
import dev.fathom.engine.GemmTestCase;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.Random;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

/** {@link Avx512Gemm} against the exact chains of {@link VectorGemm}, up to rounding, and against itself, to the bit. */
class Avx512GemmTest {
    private static Gemm open(WorkerPool pool) {
        Avx512Provider provider = new Avx512Provider();
        String reason = provider.unavailable(Precision.BF16);
        assumeTrue(reason.isEmpty(), reason);
        return provider.open(Precision.BF16, pool);
    }

    @Test
    void theServiceLoaderFindsTheProvider() {
        assertThat(ServiceLoader.load(GemmProvider.class))
                .extracting(GemmProvider::name)
                .contains("avx512");
    }

    @Test
    void aRowDoesNotDependOnItsBatch() {
        GemmContract.aRowDoesNotDependOnItsBatch(Precision.BF16, Avx512GemmTest::open);
    }

    @Test
    void resultsDifferFromExactChainsByRoundingOnly() {
        GemmContract.resultsDifferFromExactChainsByRoundingOnly(Precision.BF16, Avx512GemmTest::open);
    }

    @Test
    void aWeightGradientDependsOnlyOnItsGroup() {
        GemmContract.aWeightGradientDependsOnlyOnItsGroup(Precision.BF16, Avx512GemmTest::open);
    }

    @Test
    void operandsMayBeBf16() {
        GemmContract.operandsMayBeBf16(Avx512GemmTest::open);
    }

    @Test
    void productsMayBePartsOfTasks() {
        GemmContract.productsMayBePartsOfTasks(Avx512GemmTest::open);
    }

    @Test
    void refreshSeesNewWeights() {
        GemmContract.refreshSeesNewWeights(Precision.BF16, Avx512GemmTest::open);
    }

    @Test
    void weightsOfAnotherGemmAreRefused() {
        GemmContract.weightsOfAnotherGemmAreRefused(Avx512GemmTest::open);
    }

    @Test
    void aChainContinuesAcrossBlocksOfTheReduction() {
        // 1100 inputs are three blocks; 1024 of them with zero weights must change nothing in the bits of the rest.
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = open(pool)) {
            Tensor weights = Tensor.zeros(DType.F32, 50, 1100);
            Tensor few = Tensor.zeros(DType.F32, 50, 76);
            Tensor x = GemmTestCase.random(new Random(1), 9, 1100);
            Tensor values = GemmTestCase.random(new Random(2), 50, 76);
            for (int n = 0; n < 50; n++) {
                for (int k = 0; k < 76; k++) {
                    weights.set(n, 1024 + k, values.get(n, k));
                    few.set(n, k, values.get(n, k));
                }
            }
            Tensor y = Tensor.zeros(DType.F32, 9, 50);
            Tensor expected = Tensor.zeros(DType.F32, 9, 50);
            gemm.forward(x, RowGroups.single(9), gemm.pack(weights), y);
            gemm.forward(x.columns(1024, 1100), RowGroups.single(9), gemm.pack(few), expected);
            assertThat(y.toFloats()).isEqualTo(expected.toFloats());
        }
    }

    @Test
    void otherPrecisionsAreRefusedWithTheReason() {
        assertThat(new Avx512Provider().unavailable(Precision.F32)).contains("bf16 only");
    }
}
