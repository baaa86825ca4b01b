package dev.fathom.model.gguf;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * One tensor of a mapped file.
 *
 * @param file where it is
 * @param shape dimensions, the last one contiguous; empty for a scalar. (Files and ggml write them the other way round.)
 * @param data its blocks in the mapping, row after row; stays valid as long as it is reachable
 */
public record GgufTensor(Path file, String name, QuantizedType type, List<Long> shape, MemorySegment data) {
    /** Number of elements. */
    public long size() {
        return data.byteSize() / type.blockBytes() * type.blockSize();
    }

    /** Dimensions as the engine takes them; a scalar has one element in one dimension. */
    public long[] dimensions() {
        return shape.isEmpty()
                ? new long[] {1}
                : shape.stream().mapToLong(Long::longValue).toArray();
    }

    /**
     * The file's own memory as a read-only tensor, without a copy.
     *
     * @throws CheckpointException if the engine does not compute with this type
     */
    public Tensor view() {
        DType dtype = switch (type) {
            case F32 -> DType.F32;
            case BF16 -> DType.BF16;
            default -> throw CheckpointException.of(file, name, "type", type, "F32 or BF16");
        };
        return Tensor.of(data, dtype, dimensions());
    }

    /**
     * Some of the rows as weights to multiply by, where they lie.
     *
     * @param row the first of them, over all dimensions but the last
     * @param columns the last dimension
     */
    public StoredMatrix matrix(long row, long rows, long columns) {
        long rowBytes = type.bytes(columns);
        return new StoredMatrix.Blocks(type, data.asSlice(row * rowBytes, rows * rowBytes), rows, columns);
    }

    /** A copy as F32. */
    public Tensor toFloats() {
        Tensor copy = Tensor.zeros(DType.F32, dimensions());
        copyTo(copy);
        return copy;
    }

    /**
     * Copies into existing F32 memory of the same shape.
     *
     * @throws CheckpointException naming file and tensor if the shape does not fit
     */
    public void copyTo(Tensor target) {
        if (!Arrays.equals(dimensions(), target.shape())) {
            throw CheckpointException.of(file, name, "shape", shape, Arrays.toString(target.shape()));
        }
        if (target.dtype() != DType.F32) {
            throw new IllegalArgumentException("a tensor of a GGUF file is copied to F32, not to " + target);
        }
        long width = target.isDense() ? target.size() : target.columns(); // a dense tensor is one long row
        long rows = width == 0 ? 0 : target.size() / width;
        for (long row = 0; row < rows; row++) {
            type.decode(data, row * type.bytes(width), target.segment(), row * target.rowStride() * Float.BYTES, width);
        }
    }
}
