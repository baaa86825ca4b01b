package dev.fathom.model.convert;

import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.BlockEncoder;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A matrix to be written, as rows that are read when their turn comes.
 *
 * @param type what it is stored in, so that it can be kept; null for E4M3 with scales, which no other format has
 * @param row the stored matrix and the row in it that a row is
 */
record Rows(long rows, long columns, @Nullable QuantizedType type, Source row) {
    private static final int BUFFER_ROWS = 64;

    /** One row of a stored matrix. */
    record Place(StoredMatrix matrix, long row) {}

    @FunctionalInterface
    interface Source {
        Place at(long row);
    }

    static Rows of(StoredMatrix matrix) {
        QuantizedType type = matrix instanceof StoredMatrix.Blocks blocks ? blocks.type() : null;
        return new Rows(matrix.rows(), matrix.columns(), type, row -> new Place(matrix, row));
    }

    /** The same rows in another order. @param from where a row of the result is now */
    Rows ordered(LongUnaryOperator from) {
        return new Rows(rows, columns, type, target -> row.at(from.applyAsLong(target)));
    }

    /** Equally tall matrices below each other. */
    static Rows below(List<Rows> parts) {
        Rows first = parts.getFirst();
        return new Rows(
                first.rows * parts.size(),
                first.columns,
                first.type,
                row -> parts.get((int) (row / first.rows)).row.at(row % first.rows));
    }

    /** These rows as another matrix of the same type, computed. */
    Rows as(Tensor computed) {
        StoredMatrix matrix = StoredMatrix.of(computed);
        return new Rows(matrix.rows(), matrix.columns(), type, row -> new Place(matrix, row));
    }

    /** All elements, {@code [rows, columns]} in F32. */
    Tensor decode() {
        Tensor all = Tensor.zeros(DType.F32, rows, columns);
        for (long r = 0; r < rows; r++) {
            Place place = row.at(r);
            place.matrix.decode(place.row, 1, all.rows(r, r + 1));
        }
        return all;
    }

    /** Writes every row in a type; bytes that have it already are copied. */
    void write(FileChannel channel, QuantizedType target) throws IOException {
        BlockEncoder encoder = BlockEncoder.TYPES.contains(target) ? new BlockEncoder(target) : null;
        long rowBytes = target.bytes(columns);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(Math.max(1, BUFFER_ROWS * rowBytes), Memory.ALIGNMENT);
            Tensor floats = Tensor.zeros(DType.F32, 1, columns);
            for (long from = 0; from < rows; from += BUFFER_ROWS) {
                long count = Math.min(BUFFER_ROWS, rows - from);
                for (long r = 0; r < count; r++) {
                    Place place = row.at(from + r);
                    if (place.matrix instanceof StoredMatrix.Blocks blocks && blocks.type() == target) {
                        MemorySegment.copy(blocks.data(), place.row * rowBytes, buffer, r * rowBytes, rowBytes);
                    } else if (encoder == null) {
                        throw new IllegalArgumentException(target + " can be copied, not computed");
                    } else {
                        place.matrix.decode(place.row, 1, floats);
                        encoder.encode(floats.segment(), 0, buffer, r * rowBytes, columns);
                    }
                }
                ByteBuffer bytes = buffer.asSlice(0, count * rowBytes).asByteBuffer();
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            }
        }
    }
}
