package dev.fathom.engine;

/**
 * AdamW (arXiv 1711.05101) with clipping by the global gradient norm. Weight decay applies to the parameters flagged for it: matrices.
 *
 * @param beta1 of the first moment; DeepSeek-V3: 0.9
 * @param beta2 of the second moment; DeepSeek-V3: 0.95
 * @param eps added to the root of the second moment; above 0, as the padding between parameters has zero moments
 * @param decay decoupled weight decay; DeepSeek-V3: 0.1
 * @param clipNorm largest global norm of the gradients, {@link Double#POSITIVE_INFINITY} for no clipping; DeepSeek-V3: 1
 */
public record AdamW(Kernels kernels, float beta1, float beta2, float eps, float decay, double clipNorm)
        implements Optimizer {
    public AdamW {
        if (!(beta1 >= 0 && beta1 < 1)
                || !(beta2 >= 0 && beta2 < 1)
                || !(eps > 0)
                || !(decay >= 0)
                || !(clipNorm > 0)) {
            throw new IllegalArgumentException(
                    "AdamW needs betas in [0, 1), eps > 0, decay >= 0, clip norm > 0; is beta1=" + beta1 + ", beta2="
                            + beta2 + ", eps=" + eps + ", decay=" + decay + ", clip norm=" + clipNorm);
        }
    }

    @Override
    public double step(Parameters parameters, float learningRate, long step) {
        double norm = gradientNorm(parameters, step);
        float gradScale = gradScale(norm);
        for (Parameters.Span span : parameters.trainedSpans()) {
            kernels.adamW(
                    span.of(parameters.values()),
                    span.of(parameters.gradients()),
                    span.of(parameters.firstMoments()),
                    span.of(parameters.secondMoments()),
                    learningRate,
                    beta1,
                    beta2,
                    eps,
                    span.decay() ? decay : 0,
                    gradScale,
                    step);
        }
        return norm;
    }

    /** The update of a single parameter, with gradients already measured. */
    void step(Parameter parameter, float learningRate, float gradScale, long step) {
        kernels.adamW(
                parameter.value(),
                parameter.gradient(),
                parameter.firstMoment(),
                parameter.secondMoment(),
                learningRate,
                beta1,
                beta2,
                eps,
                parameter.decay() ? decay : 0,
                gradScale,
                step);
    }

    /** The factor that brings gradients of this norm down to the largest allowed. */
    float gradScale(double norm) {
        return norm > clipNorm ? (float) (clipNorm / norm) : 1;
    }

    /** The norm over all trained parameters; the padding between them is zero. */
    double gradientNorm(Parameters parameters, long step) {
        double squares = 0;
        for (Parameters.Span span : parameters.trainedSpans()) {
            squares += kernels.sumOfSquares(span.of(parameters.gradients()));
        }
        double norm = Math.sqrt(squares);
        if (!Double.isFinite(norm)) {
            throw new ArithmeticException("step " + step + ": the gradient norm is " + norm + ", first in "
                    + firstNonFinite(parameters) + "; the parameters were not changed");
        }
        return norm;
    }

    private String firstNonFinite(Parameters parameters) {
        for (Parameter parameter : parameters) {
            if (parameter.trained() && !Double.isFinite(kernels.sumOfSquares(parameter.gradient()))) {
                return parameter.name();
            }
        }
        return "the sum of all";
    }
}
