package dev.fathom.avx512;

import dev.fathom.avx512.StoredFormat.Operand;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.Set;

/** Rows of x as the kernels want them, in memory that is valid until the pool's next {@link WorkerPool#partials}. */
record StoredOperands(Rows quantized, Rows rounded, Rows floats) {
    /** Elements per task that prepares them. */
    private static final long GRAIN = 1 << 14;

    /** Prepares what is needed and nothing else. */
    static StoredOperands of(Tensor x, Set<Operand> needed, WorkerPool pool) {
        long columns = x.columns();
        long wholeSteps =
                (columns + StoredFormat.F32.elements() - 1) / StoredFormat.F32.elements() * StoredFormat.F32.elements();
        boolean padded = needed.contains(Operand.FLOATS) && wholeSteps != columns;
        long quantizedBytes = needed.contains(Operand.QUANTIZED) ? QuantizedRows.rowBytes(columns) : 0;
        long roundedBytes = needed.contains(Operand.BF16) ? Rounding.rowBytes(Math.toIntExact(columns)) : 0;
        long paddedBytes = padded ? 4 * wholeSteps : 0;
        long memory = pool.partials(x.rows() * (quantizedBytes + roundedBytes + paddedBytes));
        Rows quantized = new Rows(memory, quantizedBytes);
        Rows rounded = new Rows(memory + x.rows() * quantizedBytes, roundedBytes);
        Rows floats = padded
                ? new Rows(rounded.address() + x.rows() * roundedBytes, paddedBytes)
                : new Rows(x.address(), 4 * x.rowStride());
        pool.forBlocks(x.rows(), Math.max(1, GRAIN / columns), (from, to, worker) -> {
            long source = x.rowAddress(from);
            long stride = 4 * x.rowStride();
            if (quantizedBytes > 0) {
                QuantizedRows.quantize(
                        source,
                        stride,
                        to - from,
                        columns,
                        quantized.address() + from * quantizedBytes,
                        quantizedBytes);
            }
            if (roundedBytes > 0) {
                int count = Math.toIntExact(to - from);
                Rounding.rows(
                        source, stride, count, (int) columns, rounded.address() + from * roundedBytes, roundedBytes);
            }
            for (long r = from; padded && r < to; r++) {
                long target = floats.address() + r * paddedBytes;
                Memory.copy(x.rowAddress(r), target, 4 * columns);
                Memory.zero(target + 4 * columns, 4 * (wholeSteps - columns));
            }
        });
        return new StoredOperands(quantized, rounded, floats);
    }

    Rows as(Operand operand) {
        return switch (operand) {
            case QUANTIZED -> quantized;
            case BF16 -> rounded;
            case FLOATS -> floats;
        };
    }
}
