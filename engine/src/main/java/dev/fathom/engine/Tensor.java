package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A row-major array off the Java heap, 64-byte aligned when allocated here.
 *
 * <p>Kernels see a tensor as a matrix: {@link #rows()} rows (all dimensions but the last) of {@link #columns()} elements,
 * {@link #rowStride()} elements apart. The stride differs from the width only in a {@link #columns(long, long) column
 * view}. Sizes and offsets are {@code long}: a fused expert tensor of V3 has more than 2^31 elements.
 *
 * <p>The tensor holds its memory segment, so the memory lives as long as the tensor or any view of it is reachable.
 */
public final class Tensor {
    private final MemorySegment segment;
    private final DType dtype;
    private final long[] shape;
    private final long rowStride;
    private final long rows;

    private Tensor(MemorySegment segment, DType dtype, long rowStride, long... shape) {
        this.segment = segment;
        this.dtype = dtype;
        this.shape = shape;
        this.rowStride = rowStride;
        long count = 1;
        for (int i = 0; i < shape.length - 1; i++) {
            count = Math.multiplyExact(count, shape[i]);
        }
        this.rows = count;
    }

    /** A zero-filled tensor whose memory is freed when it is no longer reachable. */
    public static Tensor zeros(DType dtype, long... shape) {
        return of(HugePages.allocate(Math.max(1, bytesOf(dtype, shape))), dtype, shape);
    }

    /**
     * As {@link #zeros}, for a tensor of which perhaps little will be used: its memory is taken as it is touched.
     *
     * @param large whether in large pages, because all of it may well be used
     */
    static Tensor reserve(DType dtype, boolean large, long... shape) {
        return of(HugePages.reserve(Math.max(1, bytesOf(dtype, shape)), large), dtype, shape);
    }

    /** A tensor over existing native memory, dense; the segment must be at least as large as the shape asks. */
    public static Tensor of(MemorySegment segment, DType dtype, long... shape) {
        if (shape.length == 0) {
            throw new IllegalArgumentException("a tensor needs at least one dimension");
        }
        long bytes = bytesOf(dtype, shape);
        if (!segment.isNative() || segment.byteSize() < bytes) {
            throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " of " + dtype + " needs " + bytes
                    + " bytes of native memory, the segment has " + segment.byteSize());
        }
        return new Tensor(segment, dtype, shape[shape.length - 1], shape.clone());
    }

    /** A float tensor with these values. */
    public static Tensor of(float[] values, long... shape) {
        Tensor tensor = zeros(DType.F32, shape);
        tensor.set(values);
        return tensor;
    }

    /** An int tensor with these values. */
    public static Tensor of(int[] values) {
        Tensor tensor = zeros(DType.I32, values.length);
        MemorySegment.copy(values, 0, tensor.segment, Memory.INT, 0, values.length);
        return tensor;
    }

    private static long bytesOf(DType dtype, long... shape) {
        long count = dtype.bytes();
        for (long dim : shape) {
            if (dim < 0) {
                throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
            }
            count = Math.multiplyExact(count, dim);
        }
        return count;
    }

    /** Absolute address of the first element. */
    public long address() {
        return segment.address();
    }

    /** Absolute address of the first element of a row. */
    public long rowAddress(long row) {
        return segment.address() + row * rowStride * dtype.bytes();
    }

    /** The memory behind this tensor, from its first element on. */
    public MemorySegment segment() {
        return segment;
    }

    public DType dtype() {
        return dtype;
    }

    public int rank() {
        return shape.length;
    }

    /** Size of one dimension. */
    public long dim(int axis) {
        return shape[axis];
    }

    public long[] shape() {
        return shape.clone();
    }

    /** Number of elements. */
    public long size() {
        return rows * columns();
    }

    /** Number of rows of the matrix view: the product of all dimensions but the last. */
    public long rows() {
        return rows;
    }

    /** Size of the last dimension. */
    public long columns() {
        return shape[shape.length - 1];
    }

    /** Distance between rows in elements. */
    public long rowStride() {
        return rowStride;
    }

    /** Whether the rows follow each other without a gap. */
    public boolean isDense() {
        return rowStride == columns() || rows <= 1;
    }

    /** The same elements under another shape; dense tensors only. */
    public Tensor reshape(long... newShape) {
        if (!isDense() || bytesOf(dtype, newShape) != size() * dtype.bytes()) {
            throw new IllegalArgumentException(
                    "cannot reshape " + this + " to " + Arrays.toString(newShape) + " (dense: " + isDense() + ")");
        }
        return new Tensor(segment, dtype, newShape[newShape.length - 1], newShape.clone());
    }

    /** Rows {@code from} (inclusive) to {@code to} (exclusive) of the matrix view, as {@code [to - from, columns]}. */
    public Tensor rows(long from, long to) {
        if (from < 0 || to < from || to > rows) {
            throw new IndexOutOfBoundsException("rows " + from + ".." + to + " of " + this);
        }
        return new Tensor(
                segment.asSlice(from == to ? 0 : from * rowStride * dtype.bytes()),
                dtype,
                rowStride,
                to - from,
                columns());
    }

    /** Columns {@code from} (inclusive) to {@code to} (exclusive) of the matrix view, as {@code [rows, to - from]}. */
    public Tensor columns(long from, long to) {
        if (from < 0 || to < from || to > columns()) {
            throw new IndexOutOfBoundsException("columns " + from + ".." + to + " of " + this);
        }
        return new Tensor(segment.asSlice(rows == 0 ? 0 : from * dtype.bytes()), dtype, rowStride, rows, to - from);
    }

    /** A dense part of a dense tensor, counted in elements from its start. */
    public Tensor slice(long offset, long... newShape) {
        if (!isDense()) {
            throw new IllegalArgumentException("cannot slice a column view: " + this);
        }
        return of(segment.asSlice(offset * dtype.bytes(), bytesOf(dtype, newShape)), dtype, newShape);
    }

    public float get(long row, long column) {
        check(row, column);
        long offset = row * rowStride + column;
        return switch (dtype) {
            case F32 -> segment.get(Memory.FLOAT, offset * 4);
            case BF16 -> Memory.fromBf16(segment.get(Memory.SHORT, offset * 2));
            case I32 -> segment.get(Memory.INT, offset * 4);
            case I8 -> segment.get(Memory.BYTE, offset);
        };
    }

    public int getInt(long row, long column) {
        check(row, column);
        return segment.get(Memory.INT, (row * rowStride + column) * 4);
    }

    public void set(long row, long column, float value) {
        check(row, column);
        long offset = row * rowStride + column;
        switch (dtype) {
            case F32 -> segment.set(Memory.FLOAT, offset * 4, value);
            case BF16 -> segment.set(Memory.SHORT, offset * 2, Memory.toBf16(value));
            case I32 -> segment.set(Memory.INT, offset * 4, (int) value);
            case I8 -> segment.set(Memory.BYTE, offset, (byte) value);
        }
    }

    public void setInt(long row, long column, int value) {
        check(row, column);
        segment.set(Memory.INT, (row * rowStride + column) * 4, value);
    }

    private void check(long row, long column) {
        if (row < 0 || row >= rows || column < 0 || column >= columns()) {
            throw new IndexOutOfBoundsException("[" + row + ", " + column + "] of " + this);
        }
    }

    /** Overwrites a dense F32 tensor. */
    public void set(float[] values) {
        requireDense(DType.F32);
        if (values.length != size()) {
            throw new IllegalArgumentException(values.length + " values for " + this);
        }
        MemorySegment.copy(values, 0, segment, Memory.FLOAT, 0, values.length);
    }

    /** The elements of an F32 tensor as an array, for tests and small results. */
    public float[] toFloats() {
        float[] values = new float[Math.toIntExact(size())];
        int i = 0;
        for (long r = 0; r < rows; r++) {
            for (long c = 0; c < columns(); c++) {
                values[i++] = get(r, c);
            }
        }
        return values;
    }

    /** The elements of a dense I32 tensor as an array. */
    public int[] toInts() {
        requireDense(DType.I32);
        int[] values = new int[Math.toIntExact(size())];
        MemorySegment.copy(segment, Memory.INT, 0, values, 0, values.length);
        return values;
    }

    /** Copies all elements from a tensor of the same type and matrix shape. */
    public void copyFrom(Tensor source) {
        if (source.dtype != dtype || source.rows != rows || source.columns() != columns()) {
            throw new IllegalArgumentException("cannot copy " + source + " to " + this);
        }
        long bytes = columns() * dtype.bytes();
        if (isDense() && source.isDense()) {
            Memory.copy(source.address(), address(), rows * bytes);
            return;
        }
        for (long r = 0; r < rows; r++) {
            Memory.copy(source.rowAddress(r), rowAddress(r), bytes);
        }
    }

    /** Sets every element to zero. */
    public void zero() {
        if (isDense()) {
            Memory.zero(address(), size() * dtype.bytes());
            return;
        }
        for (long r = 0; r < rows; r++) {
            Memory.zero(rowAddress(r), columns() * dtype.bytes());
        }
    }

    /** Checks the matrix shape and type an operation expects and says what it found instead. */
    public Tensor require(String role, DType type, long expectedRows, long expectedColumns) {
        if (dtype != type || rows != expectedRows || columns() != expectedColumns) {
            throw new IllegalArgumentException(
                    role + " must be " + type + " [" + expectedRows + ", " + expectedColumns + "], is " + this);
        }
        return this;
    }

    private void requireDense(DType type) {
        if (dtype != type || !isDense()) {
            throw new IllegalArgumentException("needs a dense " + type + " tensor, is " + this);
        }
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape) + (isDense() ? "" : " stride " + rowStride);
    }
}
