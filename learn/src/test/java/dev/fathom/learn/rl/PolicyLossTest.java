package dev.fathom.learn.rl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.learn.rl.PolicyLoss.Clip;
import dev.fathom.learn.rl.PolicyLoss.Normalization;
import dev.fathom.learn.rl.PolicyLoss.Token;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyLossTest {
    private static final Clip CLIP = new Clip(0.2, 0.28);

    @ParameterizedTest
    @ValueSource(doubles = {-20, -3.25, -0.001, 0})
    void onPolicyItIsPlainPolicyGradientExactly(double logProb) {
        for (double advantage : new double[] {1, -0.5, 0.0625, 0}) {
            for (PolicyLoss loss :
                    new PolicyLoss[] {PolicyLoss.plain(), new PolicyLoss(CLIP, 0, Normalization.TOKEN)}) {
                Token token = loss.token(logProb, logProb, advantage);
                assertThat(token).isEqualTo(new Token(-advantage, -advantage, 0, false));
            }
        }
    }

    @Test
    void theGradientIsTheDerivativeOfTheLoss() {
        PolicyLoss[] losses = {
            PolicyLoss.plain(),
            new PolicyLoss(null, 0.05, Normalization.TOKEN),
            new PolicyLoss(CLIP, 0, Normalization.TOKEN),
            new PolicyLoss(CLIP, 0.5, Normalization.SEQUENCE)
        };
        double h = 1e-6;
        for (PolicyLoss loss : losses) {
            // Ratios from 0.14 to 2.7, none within h of the clipping points.
            for (double logProb = -3.03; logProb < 0; logProb += 0.1) {
                for (double advantage : new double[] {0.7, -1.3}) {
                    double at = logProb;
                    double above = loss.token(at + h, -1.0, -1.5, advantage).loss();
                    double below = loss.token(at - h, -1.0, -1.5, advantage).loss();
                    assertThat(loss.token(at, -1.0, -1.5, advantage).gradient())
                            .isCloseTo((above - below) / (2 * h), within(1e-7));
                }
            }
        }
    }

    @Test
    void clippingStopsOnlyTheSideThatPushesFurtherOut() {
        PolicyLoss loss = new PolicyLoss(CLIP, 0, Normalization.TOKEN);
        double farUp = Math.log(1.5);
        double farDown = Math.log(0.5);
        assertThat(loss.token(farUp, 0, 2)).isEqualTo(new Token(-1.28 * 2, 0, 0, true));
        assertThat(loss.token(farDown, 0, -2)).isEqualTo(new Token(0.8 * 2, 0, 0, true));
        // Back towards the range there is no clipping.
        assertThat(loss.token(farDown, 0, 2).gradient()).isCloseTo(-1.0, within(1e-12));
        assertThat(loss.token(farUp, 0, -2).gradient()).isCloseTo(3.0, within(1e-12));
    }

    @Test
    void klIsZeroAtTheReferenceAndPositiveElsewhere() {
        PolicyLoss loss = new PolicyLoss(null, 0.1, Normalization.TOKEN);
        assertThat(loss.token(-1, -1, -1, 0.5)).isEqualTo(new Token(-0.5, -0.5, 0, false));
        Token above = loss.token(-1, -1, -2, 0);
        assertThat(above.kl()).isCloseTo(Math.exp(-1) + 1 - 1, within(1e-12));
        assertThat(above.loss()).isCloseTo(0.1 * above.kl(), within(1e-12));
        assertThat(above.gradient()).isPositive(); // descending brings the log-probability back down to the reference
        Token below = loss.token(-2, -2, -1, 0);
        assertThat(below.kl()).isCloseTo(Math.E - 2, within(1e-12));
        assertThat(below.gradient()).isNegative();
    }

    @Test
    void weightsSumToOneOverABatch() {
        int[] lengths = {3, 17, 1, 59};
        for (Normalization normalization : Normalization.values()) {
            PolicyLoss loss = new PolicyLoss(null, 0, normalization);
            double sum = 0;
            for (int length : lengths) {
                sum += length * loss.weight(length, 80, lengths.length);
            }
            assertThat(sum).isCloseTo(1, within(1e-12));
        }
        assertThat(new PolicyLoss(null, 0, Normalization.TOKEN).weight(3, 80, 4))
                .isEqualTo(1 / 80.0);
        assertThat(new PolicyLoss(null, 0, Normalization.SEQUENCE).weight(3, 80, 4))
                .isEqualTo(1 / 12.0);
    }
}
