package dev.fathom.model.safetensors;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * One tensor of a mapped file.
 *
 * @param file where it is
 * @param shape dimensions; empty for a scalar
 * @param data its bytes in the mapping, little-endian, row-major; stays valid as long as it is reachable
 */
public record StoredTensor(Path file, String name, StoredType type, List<Long> shape, MemorySegment data) {
    /** Number of elements. */
    public long size() {
        return data.byteSize() / type.bytes();
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
            case I32 -> DType.I32;
            default -> throw unsupported("F32, BF16 or I32");
        };
        return Tensor.of(data, dtype, dimensions());
    }

    /** A copy as F32; F32, F16 and BF16 convert exactly. */
    public Tensor toFloats() {
        Tensor copy = Tensor.zeros(DType.F32, dimensions());
        copyTo(copy);
        return copy;
    }

    /**
     * Copies into existing memory: F32, F16 or BF16 into F32 (exact), or equal types.
     *
     * @throws CheckpointException naming file and tensor if shape or type do not fit
     */
    public void copyTo(Tensor target) {
        if (!Arrays.equals(dimensions(), target.shape())) {
            throw CheckpointException.of(file, name, "shape", shape, Arrays.toString(target.shape()));
        }
        requireConvertible(target.dtype());
        boolean convert = type != StoredType.of(target.dtype());
        long columns = target.columns();
        long rows = target.isDense() ? 1 : target.rows(); // a dense tensor is one long row
        long width = target.isDense() ? target.size() : columns;
        for (long row = 0; row < rows; row++) {
            MemorySegment from = data.asSlice(row * width * type.bytes(), width * type.bytes());
            MemorySegment to = target.segment()
                    .asSlice(
                            row * target.rowStride() * target.dtype().bytes(),
                            width * target.dtype().bytes());
            if (convert) {
                FloatConversion.toFloats(type, from, to, width);
            } else {
                to.copyFrom(from);
            }
        }
    }

    /** Whether {@link #copyTo} can fill a tensor of this engine type. */
    boolean isConvertibleTo(DType target) {
        return type == StoredType.of(target)
                || (target == DType.F32 && (type == StoredType.F16 || type == StoredType.BF16));
    }

    private void requireConvertible(DType target) {
        if (!isConvertibleTo(target)) {
            throw unsupported(target == DType.F32 ? "F32, F16 or BF16" : target.name());
        }
    }

    private CheckpointException unsupported(String expected) {
        return CheckpointException.of(file, name, "dtype", type, expected);
    }
}
