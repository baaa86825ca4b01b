package dev.fathom.model.config;

import java.util.List;

/** How rotary position embeddings reach further than a model was trained for ({@code rope_scaling}). */
public sealed interface RopeScaling permits YarnScaling, RopeScaling.Linear, RopeScaling.Llama3, RopeScaling.Divisors {
    /** Radians per position of each of {@code dim / 2} pairs. */
    double[] frequencies(int dim, double theta);

    /** The temperature m; attention scores are multiplied by its square. */
    default double attentionFactor() {
        return 1;
    }

    /**
     * Positions closer together: every frequency divided by {@code factor} (arXiv 2306.15595).
     *
     * @param factor context extension
     */
    record Linear(double factor) implements RopeScaling {
        public Linear {
            DeepseekConfigRules.checkPositive("rope_scaling.factor", factor);
        }

        @Override
        public double[] frequencies(int dim, double theta) {
            double[] frequencies = plain(dim, theta);
            for (int pair = 0; pair < frequencies.length; pair++) {
                frequencies[pair] /= factor;
            }
            return frequencies;
        }
    }

    /**
     * Llama 3.1's ({@code rope_type} {@code llama3}): waves longer than {@code original / lowFrequencyFactor} positions are slowed by {@code factor}, those
     * shorter than {@code original / highFrequencyFactor} left alone, those between blended.
     *
     * @param factor context extension, 8
     * @param lowFrequencyFactor 1
     * @param highFrequencyFactor 4
     * @param originalMaxPositionEmbeddings positions trained before the extension, 8192
     */
    record Llama3(
            double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalMaxPositionEmbeddings)
            implements RopeScaling {
        public Llama3 {
            DeepseekConfigRules.checkPositive("rope_scaling.factor", factor);
            DeepseekConfigRules.checkPositive("rope_scaling.low_freq_factor", lowFrequencyFactor);
            if (!(highFrequencyFactor > lowFrequencyFactor) || Double.isInfinite(highFrequencyFactor)) {
                throw ConfigException.of(
                        "rope_scaling.high_freq_factor",
                        highFrequencyFactor,
                        "a number above low_freq_factor (" + lowFrequencyFactor + ")");
            }
            if (originalMaxPositionEmbeddings < 1) {
                throw ConfigException.of(
                        "rope_scaling.original_max_position_embeddings",
                        originalMaxPositionEmbeddings,
                        "a positive integer");
            }
        }

        @Override
        public double[] frequencies(int dim, double theta) {
            double[] frequencies = plain(dim, theta);
            for (int pair = 0; pair < frequencies.length; pair++) {
                double waves = originalMaxPositionEmbeddings * frequencies[pair] / (2 * Math.PI);
                double kept =
                        Math.clamp((waves - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor), 0, 1);
                frequencies[pair] = frequencies[pair] * kept + frequencies[pair] / factor * (1 - kept);
            }
            return frequencies;
        }
    }

    /**
     * A divisor for every pair, as GGUF's tensor {@code rope_freqs.weight} has them: how its converter writes {@link Llama3} down.
     *
     * @param factors {@code [dim / 2]}
     */
    record Divisors(List<Float> factors) implements RopeScaling {
        public Divisors {
            factors = List.copyOf(factors);
            for (float factor : factors) {
                DeepseekConfigRules.checkPositive("rope_freqs.weight", factor);
            }
        }

        @Override
        public double[] frequencies(int dim, double theta) {
            double[] frequencies = plain(dim, theta);
            for (int pair = 0; pair < frequencies.length; pair++) {
                frequencies[pair] /= factors.get(pair);
            }
            return frequencies;
        }
    }

    /** {@code theta^(-2p/dim)}: rotary frequencies without any scaling. */
    static double[] plain(int dim, double theta) {
        double[] frequencies = new double[dim / 2];
        for (int pair = 0; pair < frequencies.length; pair++) {
            frequencies[pair] = StrictMath.pow(theta, -2.0 * pair / dim);
        }
        return frequencies;
    }
}
