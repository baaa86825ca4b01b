package dev.fathom.avx512;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.BatchInvariance;
import dev.fathom.engine.DType;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.StoredGemm;
import dev.fathom.engine.StoredGemmContract;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.engine.quant.StoredTestWeights;
import dev.fathom.engine.quant.StoredWeights;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Avx512StoredGemmTest {
    private static StoredGemm open(WorkerPool pool) {
        Avx512Provider provider = new Avx512Provider();
        String reason = provider.unavailable(Precision.BF16);
        assumeTrue(reason.isEmpty(), reason);
        assumeTrue(Processor.HAS_BYTE_PRODUCTS, "the processor has no AVX-512 VNNI instructions");
        return provider.stored(Precision.BF16, pool).orElseThrow();
    }

    @Test
    void everyTypeIsNearTheProductInDouble() {
        StoredGemmContract.everyTypeIsNearTheProductInDouble(Avx512StoredGemmTest::open, true);
    }

    @Test
    void aRowDoesNotDependOnItsBatch() {
        StoredGemmContract.aRowDoesNotDependOnItsBatch(Avx512StoredGemmTest::open);
    }

    /** More weights than the second-level cache should hold are turned panel by panel: the same as without panels. */
    @Test
    void severalPanels() {
        Random random = new Random(3);
        int columns = 1024;
        List<StoredMatrix> matrices = List.of(
                StoredTestWeights.random(QuantizedType.F32, 800, columns, random),
                StoredTestWeights.random(QuantizedType.Q4_0, 5_500, columns, random),
                StoredTestWeights.random(QuantizedType.Q2_K, 9_500, columns, random),
                StoredTestWeights.randomFloat8(3_200, columns, random));
        Tensor x = Tensor.zeros(DType.F32, 20, columns);
        for (int i = 0; i < x.size(); i++) {
            x.set(i / columns, i % columns, (float) random.nextGaussian());
        }
        try (WorkerPool pool = new WorkerPool(1)) {
            StoredGemm gemm = open(pool);
            for (StoredMatrix matrix : matrices) {
                StoredGemm.Prepared weights = gemm.prepare(StoredWeights.of(matrix));
                Tensor y = Tensor.zeros(DType.F32, 20, matrix.rows());
                gemm.forward(x, RowGroups.single(20), weights, y);
                Tensor expected = Tensor.zeros(DType.F32, 20, matrix.rows());
                for (int r = 0; r < 20; r += 10) {
                    gemm.forward(x.rows(r, r + 10), RowGroups.single(10), weights, expected.rows(r, r + 10));
                }
                assertThat(BatchInvariance.rows(y)).isEqualTo(BatchInvariance.rows(expected));
            }
        }
    }

    @Test
    void singleNumbersGiveBackTheWeights() {
        StoredGemmContract.singleNumbersGiveBackTheWeights(Avx512StoredGemmTest::open);
    }

    @Test
    void partsAreBelowEachOther() {
        StoredGemmContract.partsAreBelowEachOther(Avx512StoredGemmTest::open);
    }

    @Test
    void notANumberStaysVisible() {
        StoredGemmContract.notANumberStaysVisible(Avx512StoredGemmTest::open);
    }

    @Test
    void wrongShapesAreRefused() {
        StoredGemmContract.wrongShapesAreRefused(Avx512StoredGemmTest::open);
    }

    @Test
    void itIsNamedInTheKernelsLine() {
        try (WorkerPool pool = new WorkerPool(1)) {
            assertThat(open(pool).name()).isEqualTo("AVX-512");
        }
    }
}
