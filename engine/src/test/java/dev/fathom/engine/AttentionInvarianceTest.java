package dev.fathom.engine;

import org.junit.jupiter.api.Test;

/** {@link AttentionInvariance} of {@link VectorAttention}. */
class AttentionInvarianceTest {
    private final AttentionInvariance contract = new AttentionInvariance(VectorAttention::new);

    @Test
    void rowByRowAndInChunksAsInTraining() {
        contract.rowByRowAndInChunksAsInTraining();
    }

    @Test
    void decodingABatch() {
        contract.decodingABatch();
    }

    @Test
    void signOfUnderflowedZeros() {
        contract.signOfUnderflowedZeros();
    }

    @Test
    void forwardAndBackwardDoNotDependOnThreads() {
        contract.forwardAndBackwardDoNotDependOnThreads();
    }

    @Test
    void backwardOfASequenceAlone() {
        contract.backwardOfASequenceAlone();
    }

    @Test
    void anotherOrderOfKeysGivesOtherBits() {
        contract.anotherOrderOfKeysGivesOtherBits();
    }
}
