package dev.fathom.engine;

import org.junit.jupiter.api.Test;

class VectorStoredGemmTest {
    @Test
    void everyTypeIsNearTheProductInDouble() {
        StoredGemmContract.everyTypeIsNearTheProductInDouble(VectorStoredGemm::new, false);
    }

    @Test
    void aRowDoesNotDependOnItsBatch() {
        StoredGemmContract.aRowDoesNotDependOnItsBatch(VectorStoredGemm::new);
    }

    @Test
    void singleNumbersGiveBackTheWeights() {
        StoredGemmContract.singleNumbersGiveBackTheWeights(VectorStoredGemm::new);
    }

    @Test
    void partsAreBelowEachOther() {
        StoredGemmContract.partsAreBelowEachOther(VectorStoredGemm::new);
    }

    @Test
    void notANumberStaysVisible() {
        StoredGemmContract.notANumberStaysVisible(VectorStoredGemm::new);
    }

    @Test
    void wrongShapesAreRefused() {
        StoredGemmContract.wrongShapesAreRefused(VectorStoredGemm::new);
    }
}
