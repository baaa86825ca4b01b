package dev.fathom.avx512;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.AttentionAccuracy;
import dev.fathom.engine.AttentionInvariance;
import dev.fathom.engine.AttentionKernels;
import dev.fathom.engine.Precision;
import dev.fathom.engine.WorkerPool;
import org.junit.jupiter.api.Test;

/** {@link Avx512Attention} against the reference in double, up to the rounding of weights to bf16, and against itself, to the bit. */
class Avx512AttentionTest {
    private final AttentionAccuracy accuracy = new AttentionAccuracy(Avx512AttentionTest::open, 6e-3);
    private final AttentionInvariance invariance = new AttentionInvariance(Avx512AttentionTest::open);

    private static AttentionKernels open(WorkerPool pool) {
        Avx512Provider provider = new Avx512Provider();
        String reason = provider.unavailable(Precision.BF16);
        assumeTrue(reason.isEmpty(), reason);
        return provider.attention(Precision.BF16, pool).orElseThrow();
    }

    @Test
    void forwardIsTheReference() {
        accuracy.forwardIsTheReference();
    }

    @Test
    void backwardAddsTheReference() {
        accuracy.backwardAddsTheReference();
    }

    @Test
    void largeScoresStayFinite() {
        accuracy.largeScoresStayFinite();
    }

    @Test
    void refusesWhatDoesNotFit() {
        accuracy.refusesWhatDoesNotFit();
    }

    @Test
    void rowByRowAndInChunksAsInTraining() {
        invariance.rowByRowAndInChunksAsInTraining();
    }

    @Test
    void decodingABatch() {
        invariance.decodingABatch();
    }

    @Test
    void signOfUnderflowedZeros() {
        invariance.signOfUnderflowedZeros();
    }

    @Test
    void forwardAndBackwardDoNotDependOnThreads() {
        invariance.forwardAndBackwardDoNotDependOnThreads();
    }

    @Test
    void backwardOfASequenceAlone() {
        invariance.backwardOfASequenceAlone();
    }

    @Test
    void anotherOrderOfKeysGivesOtherBits() {
        invariance.anotherOrderOfKeysGivesOtherBits();
    }
}
