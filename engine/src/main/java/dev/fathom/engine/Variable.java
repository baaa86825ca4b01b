package dev.fathom.engine;

import java.util.BitSet;
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

    /** Columns of the gradient that are defined while it is being written part by part; null when all are. */
    private @Nullable BitSet begun;

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
        return new Variable(value.columns(from, to), memory, whole(), fromColumn + from);
    }

    private Variable whole() {
        return parent == null ? this : parent;
    }

    /** Whether an operation must add to the gradient, because there is something in it already, or writes it as the first. */
    boolean hasGradient() {
        return parent == null ? gradient != null : parent.hasBegun(fromColumn, fromColumn + value.columns());
    }

    /** Of the whole: whether any of these columns of the gradient has been written. */
    private boolean hasBegun(long from, long to) {
        if (gradient == null || begun == null) {
            return gradient != null;
        }
        int next = begun.nextSetBit((int) from);
        return next >= 0 && next < to;
    }

    /** The gradient to add to, zero at first. */
    public Tensor gradient() {
        if (parent != null) {
            return parent.gradientOfColumns(fromColumn, fromColumn + value.columns(), true);
        }
        Tensor existing = gradient;
        if (existing == null) {
            existing = memory().zeros(value.shape());
            gradient = existing;
        } else if (begun != null) {
            zeroTheRest(existing, begun, 0, value.columns());
            begun = null;
        }
        return existing;
    }

    /** The gradient for an operation that adds to it where {@link #hasGradient()}, and else overwrites it whole: undefined at first. */
    Tensor gradientToWrite() {
        if (hasGradient()) {
            return gradient();
        }
        if (parent != null) {
            return parent.gradientOfColumns(fromColumn, fromColumn + value.columns(), false);
        }
        Tensor fresh = memory().allocate(DType.F32, value.shape());
        gradient = fresh;
        return fresh;
    }

    /**
     * The gradient, undefined at first, for the one operation that reads these columns of the value and overwrites their gradient. What no operation writes is
     * zero in the end.
     *
     * @param columns {@code width} columns from {@code offset} on, and as many after each {@code stride} (0: the same once more), {@code parts} times
     * @throws IllegalStateException if another operation has read one of them, too
     */
    Tensor gradientOfOnlyUse(Columns columns) {
        Variable whole = whole();
        Tensor all = whole.undefined();
        for (int part = 0; part < (columns.stride == 0 ? 1 : columns.parts); part++) {
            long from = fromColumn + columns.offset + (long) part * columns.stride;
            if (whole.hasBegun(from, from + columns.width)) {
                throw new IllegalStateException("a value that only one operation may read is used a second time");
            }
            whole.begin(from, from + columns.width);
        }
        return parent == null ? all : all.columns(fromColumn, fromColumn + value.columns());
    }

    /** Some columns of each part of a row, such as its heads. */
    record Columns(long offset, long width, long stride, int parts) {}

    /** Of the whole: these columns of the gradient, filled with zeros where they were undefined, or left so. */
    private Tensor gradientOfColumns(long from, long to, boolean fill) {
        Tensor all = undefined();
        if (fill && begun != null) {
            zeroTheRest(all, begun, from, to);
        }
        begin(from, to);
        return all.columns(from, to);
    }

    /** Of the whole: memory for the gradient in which nothing is defined, unless there is one. */
    private Tensor undefined() {
        Tensor existing = gradient;
        if (existing == null) {
            existing = memory().allocate(DType.F32, value.shape());
            gradient = existing;
            begun = new BitSet();
        }
        return existing;
    }

    private void begin(long from, long to) {
        if (begun != null) {
            begun.set((int) from, (int) to);
        }
    }

    private void zeroTheRest(Tensor all, BitSet defined, long from, long to) {
        for (int first = defined.nextClearBit((int) from); first < to; ) {
            int next = defined.nextSetBit(first);
            int last = (int) (next < 0 ? to : Math.min(to, next));
            memory().zero(all.columns(first, last));
            first = defined.nextClearBit(last);
        }
    }

    /**
     * The gradient, undefined at first, for the one operation that reads this value and overwrites its gradient; of its type nobody but the operation that made
     * the value needs to know.
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
        begun = null;
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
