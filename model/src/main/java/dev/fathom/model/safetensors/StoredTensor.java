package dev.fathom.model.safetensors;

import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.Float8;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One tensor of a mapped file.
 *
 * @param file where it is
 * @param shape dimensions; empty for a scalar
 * @param data its bytes in the mapping, little-endian, row-major; stays valid as long as it is reachable
 * @param scales of an F8_E4M3 matrix {@code [rows, columns]}, its scales {@code [rows / 128, columns / 128]} (rounded up), F32 or F8_E8M0; the file
 *     has them under the same name with {@value #SCALES} behind it
 */
public record StoredTensor(
        Path file,
        String name,
        StoredType type,
        List<Long> shape,
        MemorySegment data,
        @Nullable StoredTensor scales) {
    /** What a scale tensor's name has more than that of its matrix: {@code weight_scale_inv}. (It is multiplied by, whatever its name says.) */
    static final String SCALES = "_scale_inv";

    StoredTensor(Path file, String name, StoredType type, List<Long> shape, MemorySegment data) {
        this(file, name, type, shape, data, null);
    }

    /**
     * This matrix with its scales.
     *
     * @throws CheckpointException if they do not fit
     */
    StoredTensor withScales(StoredTensor found) {
        if (shape.size() != 2) {
            throw CheckpointException.of(file, name, "shape", shape, "[rows, columns] for " + type + " with scales");
        }
        List<Long> blocks = shape.stream().map(Float8::blocks).toList();
        if (!found.shape.equals(blocks)) {
            throw CheckpointException.of(
                    found.file, found.name, "shape", found.shape, blocks + ", one scale per 128 x 128 of " + shape);
        }
        if (found.type != StoredType.F32 && found.type != StoredType.F8_E8M0) {
            throw CheckpointException.of(found.file, found.name, "dtype", found.type, "F32 or F8_E8M0");
        }
        return new StoredTensor(file, name, type, shape, data, found);
    }

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

    /**
     * This tensor {@code [rows, columns]} as weights to multiply by, where they lie.
     *
     * @throws CheckpointException if the engine does not compute with this type or the tensor is no matrix
     */
    public StoredMatrix matrix() {
        if (shape.size() != 2) {
            throw CheckpointException.of(file, name, "shape", shape, "[rows, columns]");
        }
        requireConvertible(DType.F32);
        long rows = shape.getFirst();
        long columns = shape.getLast();
        if (scales != null) {
            return new StoredMatrix.Float8Blocks(data, scales.floats(), rows, columns);
        }
        QuantizedType plain = switch (type) {
            case F32 -> QuantizedType.F32;
            case F16 -> QuantizedType.F16;
            default -> QuantizedType.BF16;
        };
        return new StoredMatrix.Blocks(plain, data, rows, columns);
    }

    /** The elements of a scale tensor as F32: its own memory, or a copy of UE8M0 ones. */
    private MemorySegment floats() {
        if (type == StoredType.F32) {
            return data;
        }
        long rows = shape.getFirst();
        long rowBytes = Float.BYTES * shape.getLast();
        MemorySegment copy = Arena.ofAuto()
                .allocate(Math.max(1, rows * rowBytes), Float.BYTES)
                .asSlice(0, rows * rowBytes);
        for (long row = 0; row < rows; row++) {
            scaleRow(row, copy.asSlice(row * rowBytes, rowBytes));
        }
        return copy;
    }

    /** A copy as F32; F32, F16 and BF16 convert exactly, F8_E4M3 times its scale rounds once. */
    public Tensor toFloats() {
        Tensor copy = Tensor.zeros(DType.F32, dimensions());
        copyTo(copy);
        return copy;
    }

    /**
     * Copies into existing memory: F32, F16, BF16 or F8_E4M3 with scales into F32, or equal types.
     *
     * @throws CheckpointException naming file and tensor if shape or type do not fit
     */
    public void copyTo(Tensor target) {
        if (!Arrays.equals(dimensions(), target.shape())) {
            throw CheckpointException.of(file, name, "shape", shape, Arrays.toString(target.shape()));
        }
        requireConvertible(target.dtype());
        if (scales != null) {
            copyScaled(target, scales);
            return;
        }
        long width = target.isDense() ? target.size() : target.columns(); // a dense tensor is one long row
        long rows = width == 0 ? 0 : target.size() / width;
        long targetStride = target.rowStride() * target.dtype().bytes();
        for (long row = 0; row < rows; row++) {
            long from = row * width * type.bytes();
            if (type == StoredType.of(target.dtype())) {
                MemorySegment.copy(data, from, target.segment(), row * targetStride, width * type.bytes());
            } else {
                QuantizedType half = type == StoredType.BF16 ? QuantizedType.BF16 : QuantizedType.F16;
                half.decode(data, from, target.segment(), row * targetStride, width);
            }
        }
    }

    private void copyScaled(Tensor target, StoredTensor scales) {
        int columns = Math.toIntExact(target.columns());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rowScales = arena.allocate(Math.max(1, Float.BYTES * Float8.blocks(columns)), Float.BYTES);
            for (long row = 0; row < target.rows(); row++) {
                if (row % Float8.BLOCK == 0) {
                    scales.scaleRow(row / Float8.BLOCK, rowScales);
                }
                long to = row * target.rowStride() * Float.BYTES;
                Float8.decodeRow(data, row * columns, rowScales, target.segment(), to, columns);
            }
        }
    }

    /** A row of this scale tensor as F32. */
    private void scaleRow(long row, MemorySegment target) {
        long columns = shape.getLast();
        for (long i = 0; i < columns; i++) {
            long at = row * columns + i;
            float scale = type == StoredType.F32
                    ? data.get(Memory.FLOAT, Float.BYTES * at)
                    : Float8.fromE8m0(data.get(ValueLayout.JAVA_BYTE, at));
            target.set(Memory.FLOAT, Float.BYTES * i, scale);
        }
    }

    /** Whether {@link #copyTo} can fill a tensor of this engine type. */
    boolean isConvertibleTo(DType target) {
        return type == StoredType.of(target)
                || (target == DType.F32 && (type == StoredType.F16 || type == StoredType.BF16 || scales != null));
    }

    private void requireConvertible(DType target) {
        if (!isConvertibleTo(target)) {
            boolean missing = type == StoredType.F8_E4M3 && target == DType.F32;
            if (missing) {
                throw CheckpointException.of(file, name + SCALES, "entry", "nothing", "the scales of " + name);
            }
            throw unsupported(target == DType.F32 ? "F32, F16, BF16 or F8_E4M3" : target.name());
        }
    }

    private CheckpointException unsupported(String expected) {
        return CheckpointException.of(file, name, "dtype", type, expected);
    }
}
