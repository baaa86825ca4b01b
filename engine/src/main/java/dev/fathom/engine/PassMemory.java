package dev.fathom.engine;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the results and gradients of one forward and backward pass live. Memory that no operation will read again serves the next tensor of its size: much
 * of a pass then walks up and down in the same few megabytes, which stay in cache, where fresh memory would be fetched and written back once per
 * tensor.
 */
final class PassMemory {
    private final Workspace workspace;
    private final WorkerPool pool;
    private final Map<Kind, Deque<Tensor>> free = new HashMap<>();

    /** What may take the place of one another. */
    private record Kind(DType type, long size) {}

    PassMemory(Workspace workspace, WorkerPool pool) {
        this.workspace = workspace;
        this.pool = pool;
    }

    /** A dense tensor with undefined contents. */
    Tensor allocate(DType type, long... shape) {
        long size = 1;
        for (long dim : shape) {
            size *= dim;
        }
        Deque<Tensor> released = free.get(new Kind(type, size));
        return released == null || released.isEmpty()
                ? workspace.allocate(type, shape)
                : released.pop().reshape(shape);
    }

    /** A dense F32 tensor of zeros. */
    Tensor zeros(long... shape) {
        Tensor tensor = allocate(DType.F32, shape);
        pool.zero(tensor.address(), tensor.size() * Float.BYTES);
        return tensor;
    }

    /** Fills a dense tensor or columns of one with zeros. */
    void zero(Tensor columns) {
        long bytes = columns.columns() * Float.BYTES;
        pool.forBlocks(columns.rows(), Grain.rows(columns.rows(), columns.columns()), (from, to, worker) -> {
            for (long row = from; row < to; row++) {
                Memory.zero(columns.rowAddress(row), bytes);
            }
        });
    }

    /** Takes back what {@link #allocate} gave: its contents will be overwritten. */
    void release(Tensor tensor) {
        free.computeIfAbsent(new Kind(tensor.dtype(), tensor.size()), kind -> new ArrayDeque<>())
                .push(tensor);
    }
}
