package dev.fathom.model;

import dev.fathom.model.config.RopeScaling;
import dev.fathom.model.config.YarnScaling;
import org.jspecify.annotations.Nullable;

/** Radians per position of rotary pairs, plain and scaled, after transformers' {@code modeling_rope_utils.py} and DeepSeek's {@code inference/model.py}. */
final class ReferenceRope {
    private ReferenceRope() {}

    /** Of each of {@code dim / 2} pairs: {@code theta^(-2p/dim)}, scaled. */
    static double[] frequencies(int dim, double theta, @Nullable RopeScaling scaling) {
        double[] frequencies = new double[dim / 2];
        for (int pair = 0; pair < frequencies.length; pair++) {
            frequencies[pair] = scaled(Math.pow(theta, -2.0 * pair / dim), pair, dim, theta, scaling);
        }
        return frequencies;
    }

    private static double scaled(double plain, int pair, int dim, double theta, @Nullable RopeScaling scaling) {
        return switch (scaling) {
            case null -> plain;
            case RopeScaling.Linear linear -> plain / linear.factor();
            case RopeScaling.Llama3 llama -> {
                double wavelength = 2 * Math.PI / plain;
                double low = llama.originalMaxPositionEmbeddings() / llama.lowFrequencyFactor();
                double high = llama.originalMaxPositionEmbeddings() / llama.highFrequencyFactor();
                if (wavelength > low) {
                    yield plain / llama.factor();
                }
                if (wavelength < high) {
                    yield plain;
                }
                double smooth = (llama.originalMaxPositionEmbeddings() / wavelength - llama.lowFrequencyFactor())
                        / (llama.highFrequencyFactor() - llama.lowFrequencyFactor());
                yield (1 - smooth) * plain / llama.factor() + smooth * plain;
            }
            // Slow pairs are divided by the factor, those between slow and fast blended.
            case YarnScaling yarn -> {
                double low = Math.max(Math.floor(pairTurning(yarn.betaFast(), yarn, dim, theta)), 0);
                double high = Math.min(Math.ceil(pairTurning(yarn.betaSlow(), yarn, dim, theta)), dim - 1);
                double kept = 1 - Math.min(Math.max((pair - low) / (high - low), 0), 1);
                yield plain / yarn.factor() * (1 - kept) + plain * kept;
            }
            case RopeScaling.Divisors divisors -> plain / divisors.factors().get(pair);
        };
    }

    /** The pair, maybe between two, that turns so often over the positions trained first. */
    private static double pairTurning(double turns, YarnScaling yarn, int dim, double theta) {
        return dim * Math.log(yarn.originalMaxPositionEmbeddings() / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
    }
}
