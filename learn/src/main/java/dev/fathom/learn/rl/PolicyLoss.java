package dev.fathom.learn.rl;

import org.jspecify.annotations.Nullable;

/**
 * The GRPO loss of one sampled token, and its derivative by the token's log-probability (DeepSeekMath, equations 3 and
 * 4).
 *
 * <pre>{@code
 * ratio     = exp(logProb - oldLogProb)
 * surrogate = min(ratio * A, clip(ratio, 1 - low, 1 + high) * A)
 * kl        = exp(referenceLogProb - logProb) - (referenceLogProb - logProb) - 1   (estimator "k3", never negative)
 * loss      = weight * (-surrogate + klCoefficient * kl)
 * }</pre>
 *
 * <p>On policy, when the token was sampled by the very weights that are being updated, the ratio is exactly 1, clipping
 * changes nothing and the derivative is just {@code -weight * A}: plain policy gradient. Because sampler and trainer
 * agree to the bit, that "exactly" is meant.
 *
 * @param clip null for none
 * @param klCoefficient weight of the penalty for moving away from the reference model; 0 needs no reference
 * @param normalization how tokens share the weight of a batch
 */
public record PolicyLoss(@Nullable Clip clip, double klCoefficient, Normalization normalization) {
    /**
     * The range of ratios, 1-low … 1+high, beyond which a token stops pushing. "Clip-higher" (DAPO) has high above
     * low.
     */
    public record Clip(double low, double high) {}

    /** How tokens share the weight of a batch. */
    public enum Normalization {
        /** Every token of the batch weighs the same, so long responses weigh more (DAPO). */
        TOKEN,
        /** Every response weighs the same, so a token of a long response weighs less (DeepSeekMath, DeepSeek-R1). */
        SEQUENCE
    }

    /**
     * One token's part of the loss.
     *
     * @param loss not yet weighted
     * @param gradient its derivative by the log-probability, not yet weighted
     * @param kl the k3 estimate, 0 without a reference
     * @param clipped true if clipping cut the gradient of the surrogate
     */
    public record Token(double loss, double gradient, double kl, boolean clipped) {}

    /** Plain policy gradient on policy: no clipping, no reference, all tokens alike. */
    public static PolicyLoss plain() {
        return new PolicyLoss(null, 0, Normalization.TOKEN);
    }

    /** A token's loss without a reference model. */
    public Token token(double logProb, double oldLogProb, double advantage) {
        // StrictMath: the same bits on every machine and in every compilation tier.
        double ratio = StrictMath.exp(logProb - oldLogProb);
        if (clip != null) {
            // min() picks the clipped side only where the token would be pushed further out of the range.
            double bound = advantage >= 0 ? 1 + clip.high : 1 - clip.low;
            if (advantage >= 0 ? ratio > bound : ratio < bound) {
                return new Token(-bound * advantage, 0, 0, true);
            }
        }
        return new Token(-ratio * advantage, -ratio * advantage, 0, false);
    }

    /** A token's loss with the penalty for moving away from the reference model. */
    public Token token(double logProb, double oldLogProb, double referenceLogProb, double advantage) {
        Token surrogate = token(logProb, oldLogProb, advantage);
        double difference = referenceLogProb - logProb;
        double inverseRatio = StrictMath.exp(difference);
        double kl = inverseRatio - difference - 1;
        return new Token(
                surrogate.loss + klCoefficient * kl,
                surrogate.gradient + klCoefficient * (1 - inverseRatio),
                kl,
                surrogate.clipped);
    }

    /**
     * The factor for both loss and gradient of a token, so that the sum over a batch is a mean.
     *
     * @param responseTokens sampled tokens (end of sequence included) in this token's response
     * @param batchTokens the same, summed over the batch
     * @param batchResponses responses in the batch
     */
    public double weight(int responseTokens, long batchTokens, int batchResponses) {
        return switch (normalization) {
            case TOKEN -> 1.0 / batchTokens;
            case SEQUENCE -> 1.0 / ((double) batchResponses * responseTokens);
        };
    }
}
