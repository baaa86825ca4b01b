package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/**
 * A value on the {@link Tape} and, during the backward pass, the gradient of the loss with respect to it.
 *
 * <p>A gradient comes into being when the first consumer (the last one recorded) writes or adds to it, and ends when the operation that made
 * the value has carried it on: its memory then serves other gradients.
 */
public final class Variable {
    private final Tensor value;
    private final @Nullable PassMemory memory;
    private final @Nullable Variable parent;
    private final long fromColumn;
    private @Nullable Tensor gradient;
    private boolean borrowed;
    private boolean released;

    Variable(Tensor value, @Nullable PassMemory memory) {
        this(value, memory, null, 0);
    }

    private Variable(Tensor value, @Nullable PassMemory memory, @Nullable Variable parent, long fromColumn) {
        this.value = value;
        this.memory = memory;
        this.parent = parent;
        this.fromColumn = fromColumn;
    }

    public Tensor value() {
        return value;
    }

    /** Rows {@code from} to {@code to} of a value computed without a tape. */
    public Variable rows(long from, long to) {
        if (memory != null) {
            throw new IllegalStateException("rows have no gradient of their own");
        }
        return new Variable(value.rows(from, to), null);
    }

    /** Columns {@code from} to {@code to} as a variable of their own; its gradient is that part of this one's. */
    public Variable columns(long from, long to) {
        return new Variable(value.columns(from, to), memory, this, from);
    }

    /** Whether an operation must add to the gradient, because there is one already, or writes it as the first. */
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
                existing = memory().zeros(value.shape());
            }
            gradient = existing;
        }
        return existing;
    }

    /** The gradient for an operation that adds to it where {@link #hasGradient()}, and else overwrites it whole: undefined at first. */
    Tensor gradientToWrite() {
        if (parent != null || hasGradient()) {
            return gradient();
        }
        Tensor fresh = memory().allocate(DType.F32, value.shape());
        gradient = fresh;
        return fresh;
    }

    /**
     * The gradient, undefined at first, for the one operation that reads this value; of its type nobody but the operation that made the value
     * needs to know.
     *
     * @throws IllegalStateException if another operation has read the value, too
     */
    Tensor gradientOfOnlyUse(DType type) {
        if (parent != null || hasGradient()) {
            throw new IllegalStateException("a value that only one operation may read is used a second time");
        }
        Tensor fresh = memory().allocate(type, value.shape());
        gradient = fresh;
        return fresh;
    }

    /**
     * Adds the gradient of {@code from} by sharing its tensor where there is none yet. Until this variable's producer has read it, nobody may
     * write to it.
     */
    void borrowGradient(Variable from, Kernels kernels) {
        if (parent != null || hasGradient()) {
            kernels.add(gradient(), from.gradient(), gradient());
        } else {
            gradient = from.gradient();
            borrowed = true;
        }
    }

    /**
     * Adds the gradient of {@code from} by taking its tensor over where there is none yet; {@code from} must not be used again, and whoever
     * else shares the tensor must have read it before this variable's remaining consumers add to it.
     */
    void takeGradient(Variable from, Kernels kernels) {
        boolean wasBorrowed = from.borrowed;
        borrowGradient(from, kernels);
        if (borrowed && gradient == from.gradient) {
            borrowed = wasBorrowed;
            from.borrowed = true;
        }
    }

    /** To be called when nobody will read the value again. */
    void releaseValue() {
        if (parent != null) {
            throw new IllegalStateException("part of a value cannot be given back");
        }
        if (memory != null) {
            memory.release(value);
        }
    }

    /** To be called when nobody will read the gradient again. */
    void releaseGradient() {
        Tensor last = gradient;
        if (parent == null && last != null && !borrowed) {
            memory().release(last);
        }
        gradient = null;
        released = true;
    }

    private PassMemory memory() {
        if (memory == null) {
            throw new IllegalStateException("a value computed without a tape has no gradient");
        }
        if (released) {
            throw new IllegalStateException("the backward pass has carried this gradient on; it is gone");
        }
        return memory;
    }
}
