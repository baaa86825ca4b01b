package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link VectorAttention} against {@link ReferenceAttention}, and that against finite differences. */
class VectorAttentionTest {
    private final AttentionAccuracy contract = new AttentionAccuracy(VectorAttention::new, 3.4e-6);

    @Test
    void forwardIsTheReference() {
        contract.forwardIsTheReference();
    }

    @Test
    void backwardIsTheReference() {
        contract.backwardIsTheReference();
    }

    @Test
    void largeScoresStayFinite() {
        contract.largeScoresStayFinite();
    }

    @Test
    void refusesWhatDoesNotFit() {
        contract.refusesWhatDoesNotFit();
    }

    /** The reference's own gradients against central differences of its forward pass. */
    @Test
    void referenceBackwardIsTheDerivative() {
        Random random = new Random(5);
        AttentionCase c = AttentionCase.random(VectorAttention::new, random, new int[] {5, 18}, 4, 2, 3, 4);
        Tensor weights = AttentionCase.gaussian(random, c.out().rows(), c.out().columns());
        Tensor dq = Tensor.zeros(DType.F32, c.q().rows(), c.q().columns());
        KeyValueStore dStore = c.emptyStore();
        ReferenceAttention.attentionBackward(
                weights, c.q(), c.out(), c.logSumExp(), c.heads(), c.scale(), c.segments(), c.store(), dq, dStore);
        for (int i = 0; i < 40; i++) {
            long row = random.nextInt(Math.toIntExact(c.q().rows()));
            long column = random.nextInt(Math.toIntExact(c.q().columns()));
            assertThat((double) dq.get(row, column))
                    .isCloseTo(difference(c, weights, c.q(), row, column), within(2e-3));
            long slot = c.segments().slot()[1] + random.nextInt(18);
            int head = random.nextInt(2);
            long key = ReferenceAttention.keyColumn(c.store(), slot, head, random.nextInt(3));
            long value = ReferenceAttention.valueColumn(c.store(), slot, head, random.nextInt(4));
            for (long at : new long[] {key, value}) {
                assertThat((double) dStore.data().get(slot / 16, at))
                        .isCloseTo(difference(c, weights, c.store().data(), slot / 16, at), within(2e-3));
            }
        }
    }

    private static double difference(AttentionCase c, Tensor weights, Tensor variable, long row, long column) {
        float x = variable.get(row, column);
        double h = 1e-2;
        double[] loss = new double[2];
        double[] at = new double[2];
        for (int side = 0; side < 2; side++) {
            float moved = (float) (side == 0 ? x - h : x + h);
            variable.set(row, column, moved);
            at[side] = moved;
            ReferenceAttention.attention(c.q(), c.heads(), c.scale(), c.segments(), c.store(), c.out(), c.logSumExp());
            for (long r = 0; r < weights.rows(); r++) {
                for (long k = 0; k < weights.columns(); k++) {
                    loss[side] += (double) weights.get(r, k) * c.out().get(r, k);
                }
            }
        }
        variable.set(row, column, x);
        return (loss[1] - loss[0]) / (at[1] - at[0]);
    }
}
