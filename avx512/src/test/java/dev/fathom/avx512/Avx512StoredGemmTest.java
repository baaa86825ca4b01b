package dev.fathom.avx512;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Precision;
import dev.fathom.engine.StoredGemm;
import dev.fathom.engine.StoredGemmContract;
import dev.fathom.engine.WorkerPool;
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
