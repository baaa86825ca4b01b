package dev.fathom.onednn;

import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * oneDNN's {@code target = source x weights} for one reduction length and one number of results, with a handful of row counts.
 *
 * <p>oneDNN generates code per shape, which takes longer than multiplying. Experts get other row counts in every step, so
 * rows are cut into blocks of a few fixed sizes, each with its own primitive, made once. All share one layout of the weights, the
 * one oneDNN prefers for its largest block.
 */
final class OneDnnMatmul implements AutoCloseable {
    /** Row counts with a primitive. No 1: oneDNN multiplies a single row by another kernel, in another order. */
    static final int[] BLOCKS = {2, 4, 8, 16, 32, 64, 128};

    static final int MAX_ROWS = 128;

    private final int type;
    private final int length;
    private final int results;
    private final int targetStride;
    private final long weights;
    private final long weightsBytes;
    private final Execution[][] executions;
    private final long[] primitives = new long[BLOCKS.length];
    private final long[] descriptors = new long[BLOCKS.length];
    private final long scratchBytes;

    /**
     * @param targetStride distance of the target's rows in elements
     * @param workers number of threads that will call {@link #run}
     */
    OneDnnMatmul(int type, int length, int results, int targetStride, int workers) {
        this.type = type;
        this.length = length;
        this.results = results;
        this.targetStride = targetStride;
        this.executions = new Execution[workers][BLOCKS.length];
        int last = BLOCKS.length - 1;
        descriptors[last] = describe(MAX_ROWS, OneDnnLibrary.anyMatrix(type, length, results));
        this.weights = OneDnnLibrary.query(descriptors[last], OneDnnLibrary.QUERY_WEIGHTS);
        this.weightsBytes = Memory.align(OneDnnLibrary.bytes(weights));
        long most = 0;
        for (int i = 0; i < BLOCKS.length; i++) {
            if (i < last) {
                descriptors[i] = describe(BLOCKS[i], weights);
            }
            primitives[i] = OneDnnLibrary.primitive(descriptors[i]);
            most = Math.max(most, scratchpad(i));
        }
        this.scratchBytes = Memory.align(most);
    }

    private long describe(int rows, long weightsDescriptor) {
        long source = OneDnnLibrary.matrix(type, rows, length, length, 1);
        long target = OneDnnLibrary.matrix(OneDnnLibrary.F32, rows, results, targetStride, 1);
        return OneDnnLibrary.matmul(source, weightsDescriptor, target);
    }

    private long scratchpad(int block) {
        long descriptor = OneDnnLibrary.query(descriptors[block], OneDnnLibrary.QUERY_SCRATCHPAD);
        return descriptor == 0 ? 0 : OneDnnLibrary.bytes(descriptor);
    }

    /** Bytes of one packed weight matrix. */
    long weightsBytes() {
        return weightsBytes;
    }

    /** Bytes of scratch memory that {@link #run} needs. */
    long scratchBytes() {
        return scratchBytes;
    }

    int results() {
        return results;
    }

    /** A primitive that brings a strided matrix {@code [length, results]} into the layout of the weights. */
    Reorder packing(long rowStride, long columnStride, int workers) {
        return new Reorder(OneDnnLibrary.matrix(type, length, results, rowStride, columnStride), weights, workers);
    }

    /** Index of the block for so many remaining rows: the next larger if at most a quarter of it is padding. */
    static int blockFor(int rows) {
        int block = BLOCKS.length - 1;
        while (block > 0 && BLOCKS[block] > rows) {
            block--;
        }
        boolean exact = BLOCKS[block] >= rows;
        if (!exact && block + 1 < BLOCKS.length && 3 * BLOCKS[block + 1] <= 4 * rows) {
            block++;
        }
        return block;
    }

    /** Multiplies {@code BLOCKS[block]} rows; all addresses absolute. */
    void run(int block, int worker, long stream, long source, long weightsAddress, long target, long scratch) {
        Execution execution = executions[worker][block];
        if (execution == null) {
            execution = new Execution(block);
            executions[worker][block] = execution;
        }
        execution.run(stream, source, weightsAddress, target, scratch);
    }

    /** One thread's arguments for one primitive. */
    private final class Execution {
        private final long primitive;
        private final long source;
        private final long weightsMemory;
        private final long target;
        private final long scratchpad;
        private final MemorySegment arguments;

        Execution(int block) {
            primitive = primitives[block];
            source = OneDnnLibrary.memory(OneDnnLibrary.matrix(type, BLOCKS[block], length, length, 1));
            weightsMemory = OneDnnLibrary.memory(weights);
            target = OneDnnLibrary.memory(
                    OneDnnLibrary.matrix(OneDnnLibrary.F32, BLOCKS[block], results, targetStride, 1));
            scratchpad = scratchpad(block) == 0
                    ? 0
                    : OneDnnLibrary.memory(OneDnnLibrary.query(descriptors[block], OneDnnLibrary.QUERY_SCRATCHPAD));
            arguments = arguments(
                    OneDnnLibrary.ARGUMENT_SOURCE,
                    source,
                    OneDnnLibrary.ARGUMENT_WEIGHTS,
                    weightsMemory,
                    OneDnnLibrary.ARGUMENT_TARGET,
                    target,
                    OneDnnLibrary.ARGUMENT_SCRATCHPAD,
                    scratchpad);
        }

        void run(long stream, long sourceAddress, long weightsAddress, long targetAddress, long scratchAddress) {
            OneDnnLibrary.point(source, sourceAddress);
            OneDnnLibrary.point(weightsMemory, weightsAddress);
            OneDnnLibrary.point(target, targetAddress);
            if (scratchpad != 0) {
                OneDnnLibrary.point(scratchpad, scratchAddress);
            }
            OneDnnLibrary.execute(primitive, stream, arguments);
        }

        void close() {
            for (long memory : new long[] {source, weightsMemory, target, scratchpad}) {
                if (memory != 0) {
                    OneDnnLibrary.destroyMemory(memory);
                }
            }
        }
    }

    /** A change of layout. */
    static final class Reorder {
        private final long primitive;
        private final long[] sources;
        private final long[] targets;
        private final MemorySegment[] arguments;

        private Reorder(long source, long target, int workers) {
            primitive = OneDnnLibrary.primitive(OneDnnLibrary.reorder(source, target));
            sources = new long[workers];
            targets = new long[workers];
            arguments = new MemorySegment[workers];
            for (int i = 0; i < workers; i++) {
                sources[i] = OneDnnLibrary.memory(source);
                targets[i] = OneDnnLibrary.memory(target);
                arguments[i] =
                        arguments(OneDnnLibrary.ARGUMENT_SOURCE, sources[i], OneDnnLibrary.ARGUMENT_TARGET, targets[i]);
            }
        }

        void run(int worker, long stream, long source, long target) {
            OneDnnLibrary.point(sources[worker], source);
            OneDnnLibrary.point(targets[worker], target);
            OneDnnLibrary.execute(primitive, stream, arguments[worker]);
        }
    }

    /** {@code dnnl_exec_arg_t[]} of pairs (argument, memory); memories of 0 are left out. */
    private static MemorySegment arguments(long... pairs) {
        List<long[]> present = new ArrayList<>();
        for (int i = 0; i < pairs.length; i += 2) {
            if (pairs[i + 1] != 0) {
                present.add(new long[] {pairs[i], pairs[i + 1]});
            }
        }
        MemorySegment segment = Arena.ofAuto().allocate(16L * present.size(), 16);
        for (int i = 0; i < present.size(); i++) {
            segment.set(ValueLayout.JAVA_INT, 16L * i, (int) present.get(i)[0]);
            segment.set(ValueLayout.JAVA_LONG, 16L * i + 8, present.get(i)[1]);
        }
        return segment;
    }

    @Override
    public void close() {
        for (@Nullable Execution[] ofWorker : executions) {
            for (Execution execution : ofWorker) {
                if (execution != null) {
                    execution.close();
                }
            }
        }
        for (long primitive : primitives) {
            OneDnnLibrary.destroyPrimitive(primitive);
        }
    }
}
