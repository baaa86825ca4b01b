package dev.fathom.onednn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * One oneDNN primitive for one shape, {@code target = source x weights} or a change of layout, with the arguments of each thread.
 *
 * <p>oneDNN passes operands as memory objects. Each worker has its own and points them at addresses before a call; the
 * generated code is shared.
 */
final class OneDnnProduct implements AutoCloseable {
    private final long primitive;
    private final long source;
    private final long weights;
    private final long target;
    private final long scratchpad;
    private final @Nullable Arguments[] arguments;

    private OneDnnProduct(long descriptor, long source, long weights, long target, int workers) {
        this.primitive = OneDnnLibrary.primitive(descriptor);
        this.source = source;
        this.weights = weights;
        this.target = target;
        this.scratchpad = OneDnnLibrary.query(descriptor, OneDnnLibrary.QUERY_SCRATCHPAD);
        this.arguments = new Arguments[workers];
    }

    /**
     * A product of matrices with these descriptors.
     *
     * @param weights may leave the layout open; {@link #weights} tells which one oneDNN chose
     * @param add whether the product is added to the target
     */
    static OneDnnProduct multiply(long source, long weights, long target, boolean add, int workers) {
        long descriptor = OneDnnLibrary.matmul(source, weights, target, add);
        long chosen = OneDnnLibrary.query(descriptor, OneDnnLibrary.QUERY_WEIGHTS);
        return new OneDnnProduct(descriptor, source, chosen, target, workers);
    }

    /** A copy from one layout to another. */
    static OneDnnProduct reorder(long source, long target, int workers) {
        return new OneDnnProduct(OneDnnLibrary.reorder(source, target), source, 0, target, workers);
    }

    /** Descriptor of the weights. */
    long weights() {
        return weights;
    }

    /** Bytes of scratch memory that {@link #run} needs. */
    long scratchBytes() {
        return scratchpad == 0 ? 0 : OneDnnLibrary.bytes(scratchpad);
    }

    /** Runs on the calling thread; all addresses absolute. */
    void run(int worker, long stream, long sourceAddress, long weightsAddress, long targetAddress, long scratch) {
        Arguments own = arguments[worker];
        if (own == null) {
            own = new Arguments();
            arguments[worker] = own;
        }
        OneDnnLibrary.point(own.source, sourceAddress);
        OneDnnLibrary.point(own.target, targetAddress);
        if (own.weights != 0) {
            OneDnnLibrary.point(own.weights, weightsAddress);
        }
        if (own.scratchpad != 0) {
            OneDnnLibrary.point(own.scratchpad, scratch);
        }
        OneDnnLibrary.execute(primitive, stream, own.list);
    }

    @Override
    public void close() {
        for (Arguments ofWorker : arguments) {
            if (ofWorker != null) {
                ofWorker.close();
            }
        }
        OneDnnLibrary.destroyPrimitive(primitive);
    }

    /** One thread's memory objects and the {@code dnnl_exec_arg_t[]} that names them. */
    private final class Arguments {
        private final long source = OneDnnLibrary.memory(OneDnnProduct.this.source);
        private final long target = OneDnnLibrary.memory(OneDnnProduct.this.target);
        private final long weights = optional(OneDnnProduct.this.weights);
        private final long scratchpad = optional(OneDnnProduct.this.scratchpad);
        private final MemorySegment list;

        Arguments() {
            int count = 2 + (weights == 0 ? 0 : 1) + (scratchpad == 0 ? 0 : 1);
            list = Arena.ofAuto().allocate(16L * count, 16);
            set(0, OneDnnLibrary.ARGUMENT_SOURCE, source);
            set(1, OneDnnLibrary.ARGUMENT_TARGET, target);
            int next = 2;
            if (weights != 0) {
                set(next++, OneDnnLibrary.ARGUMENT_WEIGHTS, weights);
            }
            if (scratchpad != 0) {
                set(next, OneDnnLibrary.ARGUMENT_SCRATCHPAD, scratchpad);
            }
        }

        private static long optional(long descriptor) {
            return descriptor == 0 || OneDnnLibrary.bytes(descriptor) == 0 ? 0 : OneDnnLibrary.memory(descriptor);
        }

        private void set(int index, int argument, long memory) {
            list.set(ValueLayout.JAVA_INT, 16L * index, argument);
            list.set(ValueLayout.JAVA_LONG, 16L * index + 8, memory);
        }

        void close() {
            for (long memory : new long[] {source, target, weights, scratchpad}) {
                if (memory != 0) {
                    OneDnnLibrary.destroyMemory(memory);
                }
            }
        }
    }
}
