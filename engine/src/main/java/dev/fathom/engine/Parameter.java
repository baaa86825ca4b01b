package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/**
 * One named tensor of a model: a view into the flat buffers of its {@link Parameters}.
 *
 * <p>A parameter that is not {@link #trained() trained} (a routing bias, moved by a rule of its own instead of by a gradient) has no
 * gradient and is no business of the optimizer; checkpoints hold it like the others.
 */
public final class Parameter {
    private final Parameters owner;
    private final String name;
    private final Initializer initializer;
    private final boolean trained;
    private final boolean decay;
    private final long offset;
    private final Tensor value;
    private @Nullable Tensor gradient;
    private boolean cleared;

    Parameter(
            Parameters owner,
            String name,
            Initializer initializer,
            boolean trained,
            boolean decay,
            long offset,
            Tensor value) {
        this.owner = owner;
        this.name = name;
        this.initializer = initializer;
        this.trained = trained;
        this.decay = decay;
        this.offset = offset;
        this.value = value;
    }

    /** Unique in the model, such as {@code "layers.3.attention.queryDown"}. */
    public String name() {
        return name;
    }

    Initializer initializer() {
        return initializer;
    }

    /** Whether the optimizer moves it. */
    public boolean trained() {
        return trained;
    }

    /** Whether weight decay applies: to matrices, not to the weights of norms. */
    public boolean decay() {
        return decay;
    }

    /** Where it begins in the flat buffers, in elements; a multiple of 16. */
    public long offset() {
        return offset;
    }

    /** Number of elements. */
    public long size() {
        return value.size();
    }

    /** The values, in the shape given to the builder. */
    public Tensor value() {
        return value;
    }

    /** The gradient to read or add to, in the same shape. The first call for any parameter of a model allocates the gradients of all. */
    public Tensor gradient() {
        Tensor view = viewOfGradient();
        if (cleared) {
            view.zero();
            cleared = false;
        }
        return view;
    }

    /** Whether an operation must add to the gradient, or writes it as the first of a step. */
    boolean hasGradient() {
        return !cleared;
    }

    /** The gradient for an operation that adds to it where {@link #hasGradient()}, and else overwrites it whole: undefined at first. */
    Tensor gradientToWrite() {
        Tensor view = viewOfGradient();
        cleared = false;
        return view;
    }

    /**
     * The gradient is zero from now on. Its memory is filled when somebody asks for it who does not overwrite it: a matrix's gradient is written by a product before
     * anybody adds to it.
     */
    void clearGradient() {
        cleared = trained;
    }

    private Tensor viewOfGradient() {
        Tensor view = gradient;
        if (view == null) {
            view = viewOf(owner.gradientMemory());
            gradient = view;
        }
        return view;
    }

    /** The first moment of this parameter (Adam's m, Muon's momentum), in the same shape. */
    public Tensor firstMoment() {
        return viewOf(owner.firstMoments());
    }

    /** The second moment of this parameter (Adam's v), in the same shape. */
    public Tensor secondMoment() {
        return viewOf(owner.secondMoments());
    }

    private Tensor viewOf(Tensor flat) {
        if (!trained) {
            throw new IllegalStateException(name + " is not trained: it has no gradient and no moments");
        }
        return flat.slice(offset, value.shape());
    }

    @Override
    public String toString() {
        return name + " " + value;
    }
}
