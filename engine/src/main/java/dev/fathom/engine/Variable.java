package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/**
 * A value on the {@link Tape} and, during the backward pass, the gradient of the loss with respect to it.
 *
 * <p>A gradient comes into being when the first consumer (the last one recorded) adds to it.
 */
public final class Variable {
    private final Tensor value;
    private final @Nullable Workspace workspace;
    private final @Nullable Variable parent;
    private final long fromColumn;
    private @Nullable Tensor gradient;

    Variable(Tensor value, @Nullable Workspace workspace) {
        this(value, workspace, null, 0);
    }

    private Variable(Tensor value, @Nullable Workspace workspace, @Nullable Variable parent, long fromColumn) {
        this.value = value;
        this.workspace = workspace;
        this.parent = parent;
        this.fromColumn = fromColumn;
    }

    public Tensor value() {
        return value;
    }

    /** Columns {@code from} to {@code to} as a variable of their own; its gradient is that part of this one's. */
    public Variable columns(long from, long to) {
        return new Variable(value.columns(from, to), workspace, this, from);
    }

    /** Whether something has been added to the gradient yet. */
    boolean hasGradient() {
        return gradient != null || (parent != null && parent.hasGradient());
    }

    /** The gradient to add to, zero at first. */
    public Tensor gradient() {
        Tensor existing = gradient;
        if (existing == null) {
            if (parent != null) {
                existing = parent.gradient().columns(fromColumn, fromColumn + value.columns());
            } else {
                existing = workspace().zeros(DType.F32, value.shape());
            }
            gradient = existing;
        }
        return existing;
    }

    /** The gradient for an operation that overwrites it whole; only where {@link #hasGradient()} is false. */
    Tensor gradientToOverwrite() {
        if (parent != null) {
            return gradient();
        }
        Tensor fresh = workspace().allocate(DType.F32, value.shape());
        gradient = fresh;
        return fresh;
    }

    /**
     * Adds {@code incoming} to the gradient by taking the tensor over where there is none yet. The caller must not write to it
     * again, and whoever shares it must have read it before this variable's remaining consumers add to it.
     */
    void passGradient(Tensor incoming, Kernels kernels) {
        if (hasGradient() || parent != null) {
            kernels.add(gradient(), incoming, gradient());
        } else {
            gradient = incoming;
        }
    }

    private Workspace workspace() {
        if (workspace == null) {
            throw new IllegalStateException("a value computed without a tape has no gradient");
        }
        return workspace;
    }
}
