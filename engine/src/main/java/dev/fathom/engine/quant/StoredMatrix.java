package dev.fathom.engine.quant;

import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A matrix of weights {@code [rows, columns]} in the type a file stores it in, read where it lies: in a memory-mapped file. A row is an output of
 * the linear layer, columns are its inputs.
 */
public sealed interface StoredMatrix {
    long rows();

    long columns();

    /**
     * Expands some rows to binary32.
     *
     * @param target F32 {@code [count, columns]}, may be a column view
     * @throws IndexOutOfBoundsException if there are no such rows
     */
    void decode(long row, long count, Tensor target);

    /**
     * Some of the rows as a matrix of their own, without a copy where the layout allows it.
     *
     * @throws IndexOutOfBoundsException if there are no such rows
     */
    StoredMatrix rows(long from, long count);

    /**
     * Rows of blocks, one after the other without gaps, as GGUF and safetensors files have them.
     *
     * @param data native memory of exactly {@code rows * type.bytes(columns)} bytes; kept alive by this record
     * @param columns a whole number of blocks, at least one
     */
    record Blocks(QuantizedType type, MemorySegment data, long rows, long columns) implements StoredMatrix {
        public Blocks {
            requireShape(rows, columns);
            requireBytes("data", data, Math.multiplyExact(rows, type.bytes(columns)));
        }

        /** Bytes from one row to the next. */
        public long rowBytes() {
            return type.bytes(columns);
        }

        @Override
        public Blocks rows(long from, long count) {
            Objects.checkFromIndexSize(from, count, rows);
            return new Blocks(type, data.asSlice(from * rowBytes(), count * rowBytes()), count, columns);
        }

        @Override
        public void decode(long row, long count, Tensor target) {
            checkTarget(this, row, count, target);
            for (long i = 0; i < count; i++) {
                long to = i * target.rowStride() * Float.BYTES;
                type.decode(data, (row + i) * rowBytes(), target.segment(), to, columns);
            }
        }
    }

    /**
     * E4M3 numbers with one binary32 scale for each block of 128 x 128, as DeepSeek-V3's checkpoints have them ({@link Float8}).
     *
     * @param data native memory of {@code rows * columns} bytes
     * @param scales native memory of {@code [rows / 128, columns / 128]} floats, both rounded up
     */
    record Float8Blocks(MemorySegment data, MemorySegment scales, long rows, long columns) implements StoredMatrix {
        public Float8Blocks {
            requireShape(rows, columns);
            requireBytes("data", data, Math.multiplyExact(rows, columns));
            long blocks = Math.multiplyExact(Float8.blocks(rows), Float8.blocks(columns));
            requireBytes("scales", scales, Math.multiplyExact(blocks, (long) Float.BYTES));
        }

        /** A copy in F32 where the rows do not begin with a block. */
        @Override
        public StoredMatrix rows(long from, long count) {
            Objects.checkFromIndexSize(from, count, rows);
            if (from % Float8.BLOCK != 0) {
                Tensor copy = Tensor.zeros(DType.F32, count, columns);
                decode(from, count, copy);
                return StoredMatrix.of(copy);
            }
            long scaleBytes = Float8.blocks(columns) * Float.BYTES;
            return new Float8Blocks(
                    data.asSlice(from * columns, count * columns),
                    scales.asSlice(from / Float8.BLOCK * scaleBytes, Float8.blocks(count) * scaleBytes),
                    count,
                    columns);
        }

        @Override
        public void decode(long row, long count, Tensor target) {
            checkTarget(this, row, count, target);
            long scaleBytes = Float8.blocks(columns) * Float.BYTES;
            for (long i = 0; i < count; i++) {
                MemorySegment rowScales = scales.asSlice((row + i) / Float8.BLOCK * scaleBytes, scaleBytes);
                long to = i * target.rowStride() * Float.BYTES;
                Float8.decodeRow(data, (row + i) * columns, rowScales, target.segment(), to, Math.toIntExact(columns));
            }
        }
    }

    /** An F32 matrix that was computed and not read, {@code [rows, columns]}; copied. */
    static StoredMatrix of(Tensor matrix) {
        long bytes = Math.multiplyExact(matrix.size(), (long) Float.BYTES);
        MemorySegment data =
                Arena.ofAuto().allocate(Math.max(1, bytes), Memory.ALIGNMENT).asSlice(0, bytes);
        Tensor.of(data, DType.F32, matrix.rows(), matrix.columns()).copyFrom(matrix);
        return new Blocks(QuantizedType.F32, data, matrix.rows(), matrix.columns());
    }

    private static void requireShape(long rows, long columns) {
        if (rows < 0 || columns < 1) {
            throw new IllegalArgumentException(
                    "a stored matrix needs columns, and rows or none, is [" + rows + ", " + columns + "]");
        }
    }

    private static void requireBytes(String role, MemorySegment segment, long bytes) {
        if (!segment.isNative() || segment.byteSize() != bytes) {
            throw new IllegalArgumentException(role + " must be " + bytes + " bytes of native memory, is "
                    + segment.byteSize() + (segment.isNative() ? "" : " of the Java heap"));
        }
    }

    private static void checkTarget(StoredMatrix matrix, long row, long count, Tensor target) {
        Objects.checkFromIndexSize(row, count, matrix.rows());
        target.require("target", DType.F32, count, matrix.columns());
    }
}
