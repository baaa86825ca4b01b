package dev.fathom.model.config;

/**
 * YaRN context extension ({@code rope_scaling} of type {@code yarn}) as DeepSeek uses it: rotary pairs that turn rarely over
 * the original length are slowed by {@code factor}, fast ones are left alone, those between are blended; the attention
 * temperature goes into the softmax scale, never into the cosines (DeepSeek-V3 {@code inference/model.py}; report section 4.3).
 *
 * @param factor context extension, 40 in V2 and V3
 * @param originalMaxPositionEmbeddings positions trained before the extension, 4096
 * @param betaFast pairs turning more often than this over the original length keep their frequency, 32
 * @param betaSlow pairs turning less often than this are divided by {@code factor}, 1
 * @param mscale temperature coefficient, 1.0 (0.707 in V2-Lite)
 * @param mscaleAllDim the same on all dimensions; must equal {@code mscale}: their quotient would scale the cosines
 * @param temperatureFactor {@code attn_factor}: what the temperature is multiplied by, 1; 0.878 undoes it in DeepSeek-R1-0528-Qwen3-8B
 */
public record YarnScaling(
        double factor,
        int originalMaxPositionEmbeddings,
        double betaFast,
        double betaSlow,
        double mscale,
        double mscaleAllDim,
        double temperatureFactor)
        implements RopeScaling {
    /** With DeepSeek's own temperature. */
    public YarnScaling(
            double factor,
            int originalMaxPositionEmbeddings,
            double betaFast,
            double betaSlow,
            double mscale,
            double mscaleAllDim) {
        this(factor, originalMaxPositionEmbeddings, betaFast, betaSlow, mscale, mscaleAllDim, 1);
    }

    public YarnScaling {
        DeepseekConfigRules.checkPositive("rope_scaling.attn_factor", temperatureFactor);
        if (!(factor > 1) || Double.isInfinite(factor)) {
            throw ConfigException.of("rope_scaling.factor", factor, "a number above 1");
        }
        if (originalMaxPositionEmbeddings < 1) {
            throw ConfigException.of(
                    "rope_scaling.original_max_position_embeddings",
                    originalMaxPositionEmbeddings,
                    "a positive integer");
        }
        if (!(betaSlow > 0) || !(betaFast > betaSlow) || Double.isInfinite(betaFast)) {
            throw ConfigException.of(
                    "rope_scaling.beta_fast", betaFast + " (beta_slow " + betaSlow + ")", "beta_fast > beta_slow > 0");
        }
        if (!(mscale >= 0) || Double.isInfinite(mscale)) {
            throw ConfigException.of("rope_scaling.mscale", mscale, "a number of at least 0");
        }
        if (mscale != mscaleAllDim) {
            throw ConfigException.of(
                    "rope_scaling.mscale_all_dim",
                    mscaleAllDim,
                    "the value of mscale, " + mscale
                            + " (DeepSeek's code has one coefficient; a quotient of two would scale the cosines)");
        }
    }

    /** The temperature {@code m = (0.1 mscale ln(factor) + 1) temperatureFactor}; attention scores are multiplied by its square. */
    @Override
    public double attentionFactor() {
        return (0.1 * mscale * StrictMath.log(factor) + 1) * temperatureFactor;
    }

    /** Radians per position of each of {@code dim / 2} pairs after scaling. */
    @Override
    public double[] frequencies(int dim, double theta) {
        double low = Math.max(StrictMath.floor(pairTurning(betaFast, dim, theta)), 0);
        double high = Math.min(StrictMath.ceil(pairTurning(betaSlow, dim, theta)), dim - 1);
        if (low == high) {
            high += 0.001; // as DeepSeek's code: a step instead of a division by zero
        }
        double[] frequencies = RopeScaling.plain(dim, theta);
        for (int pair = 0; pair < frequencies.length; pair++) {
            double slowed = Math.clamp((pair - low) / (high - low), 0, 1);
            frequencies[pair] = frequencies[pair] / factor * slowed + frequencies[pair] * (1 - slowed);
        }
        return frequencies;
    }

    /** The (fractional) pair that makes this many full turns over the original length. */
    private double pairTurning(double turns, int dim, double theta) {
        return dim
                * StrictMath.log(originalMaxPositionEmbeddings / (turns * 2 * Math.PI))
                / (2 * StrictMath.log(theta));
    }
}
