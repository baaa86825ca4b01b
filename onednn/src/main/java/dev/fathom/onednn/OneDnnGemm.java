package dev.fathom.onednn;

import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.DType;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorGemm;
import dev.fathom.engine.WorkerPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products by oneDNN, whose bf16 kernels run at twice the speed of f32 arithmetic where the CPU has such instructions.
 *
 * <p>oneDNN runs single-threaded inside tasks of our {@link WorkerPool}: its results then cannot depend on the number of threads.
 * A task takes some rows of one group, rounds them to bf16 in its scratch memory and multiplies blocks of fixed sizes
 * ({@link OneDnnMatmul}); results more than {@link #MAX_RESULTS} wide are divided into fixed parts. That a row's bits do not
 * depend on the block it falls into is a property of oneDNN's kernels, not a promise: {@link OneDnnProvider} checks it on the machine.
 *
 * <p>Weight gradients in bf16 are {@link OneDnnGradient}'s, those in f32 {@link VectorGemm}'s, which is as fast there.
 */
public final class OneDnnGemm implements Gemm {
    /** Most results per primitive: the weights of one part stay in the second-level cache. */
    private static final int MAX_RESULTS = 512;

    private static final int TASKS_PER_THREAD = 4;

    /** Multiplications worth a task of their own, about 5 microseconds. */
    private static final long TASK_WORK = 1 << 19;

    private record Shape(int length, int results, int stride) {}

    private record GradientShape(int groups, int outputs, int inputs) {}

    private record PackingShape(Shape shape, long rowStride, long columnStride) {}

    private final Precision precision;
    private final WorkerPool pool;
    private final VectorGemm gradients;
    private final int type;
    private final int elementBytes;
    private final long[] streams;
    private final Map<Shape, OneDnnMatmul> matmuls = new ConcurrentHashMap<>();
    private final Map<PackingShape, OneDnnProduct> packings = new ConcurrentHashMap<>();
    private final Map<GradientShape, OneDnnGradient> weightGradients = new HashMap<>();

    OneDnnGemm(Precision precision, WorkerPool pool) {
        this.precision = precision;
        this.pool = pool;
        this.gradients = new VectorGemm(precision, pool);
        this.type = precision == Precision.BF16 ? OneDnnLibrary.BF16 : OneDnnLibrary.F32;
        this.elementBytes = precision == Precision.BF16 ? 2 : 4;
        this.streams = new long[pool.threads()];
        for (int i = 0; i < streams.length; i++) {
            streams[i] = OneDnnLibrary.stream();
        }
    }

    @Override
    public String name() {
        return "oneDNN " + OneDnnLibrary.version() + " " + (precision == Precision.BF16 ? "bf16" : "f32");
    }

    @Override
    public Precision precision() {
        return precision;
    }

    @Override
    public Packed pack(Tensor weights) {
        if (weights.dtype() != DType.F32 || weights.rank() < 2 || weights.rank() > 3 || !weights.isDense()) {
            throw new IllegalArgumentException(
                    "weights must be dense F32 [groups, outputs, inputs] or [outputs, inputs], are " + weights);
        }
        return new PackedWeights(weights);
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
        PackedWeights packed = packed(weights, groups);
        Gemm.requireOperand("x", x, groups.rows(), packed.inputs);
        y.require("y", DType.F32, groups.rows(), packed.outputs);
        multiply(x, groups, packed.forward, y, false);
    }

    @Override
    public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
        PackedWeights packed = packed(weights, groups);
        Gemm.requireOperand("dy", dy, groups.rows(), packed.outputs);
        dx.require("dx", DType.F32, groups.rows(), packed.inputs);
        multiply(dy, groups, packed.backward(), dx, accumulate);
    }

    @Override
    public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        if (precision == Precision.F32) {
            gradients.backwardWeight(dy, x, groups, dw, accumulate);
            return;
        }
        Gemm.requireOperand("dy", dy, groups.rows(), dy.columns());
        Gemm.requireOperand("x", x, groups.rows(), x.columns());
        dw.require("dw", DType.F32, groups.count() * dy.columns(), x.columns());
        if (!dw.isDense()) {
            throw new IllegalArgumentException("dw must be dense, is " + dw);
        }
        if (!accumulate) {
            pool.zero(dw.address(), 4 * dw.size());
        }
        OneDnnLibrary.useOneThread();
        weightGradients
                .computeIfAbsent(
                        new GradientShape(groups.count(), (int) dy.columns(), (int) x.columns()),
                        s -> new OneDnnGradient(s.groups, s.outputs, s.inputs, pool.threads()))
                .accumulate(dy, x, groups, dw, pool, streams);
        Reference.reachabilityFence(dy);
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(dw);
    }

    @Override
    public void close() {
        gradients.close();
        matmuls.values().forEach(OneDnnMatmul::close);
        matmuls.clear();
        packings.values().forEach(OneDnnProduct::close);
        packings.clear();
        weightGradients.values().forEach(OneDnnGradient::close);
        weightGradients.clear();
    }

    private static PackedWeights packed(Packed weights, RowGroups groups) {
        if (!(weights instanceof PackedWeights packed)) {
            throw new IllegalArgumentException(
                    "weights were packed by another Gemm: " + weights.getClass().getSimpleName());
        }
        if (groups.count() != packed.groups) {
            throw new IllegalArgumentException(
                    groups.count() + " groups of rows for " + packed.groups + " weight matrices");
        }
        return packed;
    }

    private void multiply(Tensor x, RowGroups groups, Orientation weights, Tensor y, boolean accumulate) {
        Product product = new Product(x, groups, weights, y, accumulate);
        if (product.tasks > 0) {
            pool.run(product.tasks, product);
        }
        // The tasks know addresses only: without these the collector might free a tensor while it is read.
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(y);
        Reference.reachabilityFence(weights);
    }

    /** One product as tasks: each some rows of one group by one part of the results. */
    private final class Product implements WorkerPool.Task {
        private final Tensor x;
        private final RowGroups groups;
        private final Orientation weights;
        private final Tensor y;
        private final boolean accumulate;
        private final int maxRows;
        private final int parts;
        private final int tasks;

        Product(Tensor x, RowGroups groups, Orientation weights, Tensor y, boolean accumulate) {
            this.x = x;
            this.groups = groups;
            this.weights = weights;
            this.y = y;
            this.accumulate = accumulate;
            this.parts = weights.parts.size();
            int rows = groups.rows();
            long work = (long) weights.length * weights.results * rows / TASK_WORK;
            long wanted = pool.parallelism() == 1
                    ? 1
                    : Math.clamp(work / parts, 1, (long) pool.parallelism() * TASKS_PER_THREAD);
            int height = OneDnnMatmul.MAX_ROWS;
            while (height > 16 && rows < height * (wanted - 1)) {
                height /= 2;
            }
            this.maxRows = height;
            int blocks = 0;
            for (int g = 0; g < groups.count(); g++) {
                blocks += blocksOf(g);
            }
            this.tasks = Math.multiplyExact(blocks, parts);
        }

        private int blocksOf(int group) {
            return (groups.to(group) - groups.from(group) + maxRows - 1) / maxRows;
        }

        @Override
        public void run(int task, int worker) {
            int block = task / parts;
            int group = 0;
            while (block >= blocksOf(group)) {
                block -= blocksOf(group);
                group++;
            }
            int from = groups.from(group) + block * maxRows;
            int to = Math.min(groups.to(group), from + maxRows);
            multiply(group, from, to - from, task % parts, worker);
        }

        private void multiply(int group, int first, int rows, int partIndex, int worker) {
            OneDnnLibrary.useOneThread();
            Part part = weights.parts.get(partIndex);
            long rowBytes = (long) weights.length * elementBytes;
            long targetRowBytes = 4L * weights.results;
            // Blocks may be larger than what is left: room for one whole block more.
            long sourceBytes = Memory.align((rows + OneDnnMatmul.MAX_ROWS) * rowBytes);
            long targetBytes = Memory.align(OneDnnMatmul.MAX_ROWS * targetRowBytes);
            long source = pool.scratch(worker, sourceBytes + targetBytes + part.matmul.scratchBytes());
            long target = source + sourceBytes;
            long scratch = target + targetBytes;
            if (precision == Precision.BF16) {
                long stride = x.rowStride() * x.dtype().bytes();
                Bfloat16.rows(x.dtype(), x.rowAddress(first), stride, rows, weights.length, source, rowBytes);
            } else {
                for (int r = 0; r < rows; r++) {
                    copy(x.dtype(), x.rowAddress(first + r), weights.length, source + r * rowBytes);
                }
            }
            long partWeights = weights.memory.address() + weights.groupBytes * group + part.offset;
            boolean dense = y.rowStride() == weights.results && !accumulate;
            int done = 0;
            while (done < rows) {
                int block = OneDnnMatmul.blockFor(rows - done);
                int multiplied = OneDnnMatmul.BLOCKS[block];
                int valid = Math.min(multiplied, rows - done);
                long yAddress = y.rowAddress(first + done) + 4L * part.first;
                boolean direct = dense && valid == multiplied;
                long sourceBlock = source + done * rowBytes;
                part.matmul.run(
                        block, worker, streams[worker], sourceBlock, partWeights, direct ? yAddress : target, scratch);
                if (!direct) {
                    finish(
                            target,
                            targetRowBytes,
                            valid,
                            part.matmul.results(),
                            yAddress,
                            4 * y.rowStride(),
                            accumulate);
                }
                done += valid;
            }
        }
    }

    private static void copy(DType type, long from, int columns, long to) {
        if (type == DType.BF16) {
            Bfloat16.widen(from, columns, to);
        } else {
            Memory.copy(from, to, 4L * columns);
        }
    }

    private static void finish(
            long from, long fromStride, int rows, int columns, long to, long toStride, boolean accumulate) {
        for (int r = 0; r < rows; r++) {
            if (!accumulate) {
                Memory.copy(from, to, 4L * columns);
            } else {
                for (int i = 0; i < columns; i++) {
                    Memory.setFloat(to + 4L * i, Memory.getFloat(to + 4L * i) + Memory.getFloat(from + 4L * i));
                }
            }
            from += fromStride;
            to += toStride;
        }
    }

    /** A range of results with its own primitives, and where its weights lie in a group's memory. */
    private record Part(OneDnnMatmul matmul, OneDnnProduct packing, int first, long offset) {}

    /** A stack of weight matrices for one direction, {@code [length, results]} each. */
    private final class Orientation {
        private final int groups;
        private final int length;
        private final int results;
        private final long rowStride;
        private final long columnStride;
        private final List<Part> parts = new ArrayList<>();
        private final long groupBytes;
        private final MemorySegment memory;

        Orientation(int groups, int length, int results, long rowStride, long columnStride) {
            this.groups = groups;
            this.length = length;
            this.results = results;
            this.rowStride = rowStride;
            this.columnStride = columnStride;
            OneDnnLibrary.useOneThread();
            int count = (results + MAX_RESULTS - 1) / MAX_RESULTS;
            int width = ((results + count - 1) / count + 63) / 64 * 64;
            long offset = 0;
            for (int first = 0; first < results; first += width) {
                Shape shape = new Shape(length, Math.min(width, results - first), results);
                OneDnnMatmul matmul = matmuls.computeIfAbsent(
                        shape, s -> new OneDnnMatmul(type, s.length, s.results, s.stride, pool.threads()));
                OneDnnProduct packing = packings.computeIfAbsent(
                        new PackingShape(shape, rowStride, columnStride),
                        s -> matmul.packing(s.rowStride, s.columnStride));
                parts.add(new Part(matmul, packing, first, offset));
                offset += matmul.weightsBytes();
            }
            this.groupBytes = offset;
            this.memory = Arena.ofAuto().allocate(groups * groupBytes, Memory.ALIGNMENT);
        }

        /** Rounds and reorders all matrices. */
        void pack(Tensor weights) {
            long matrix = (long) length * results;
            WorkerPool.Task task = (i, worker) -> {
                OneDnnLibrary.useOneThread();
                int group = i / parts.size();
                Part part = parts.get(i % parts.size());
                long from = weights.address() + 4 * matrix * group;
                // The part's own rows if a result is a row of the weights, else all of the matrix.
                boolean resultsAreRows = rowStride == 1 && columnStride == length;
                long skipped = resultsAreRows ? part.first * columnStride : 0;
                long count = resultsAreRows ? part.matmul.results() * columnStride : matrix;
                long source = from + 4 * skipped;
                if (precision == Precision.BF16) {
                    source = pool.scratch(worker, 2 * count);
                    Bfloat16.round(from + 4 * skipped, 4 * count, 1, Math.toIntExact(count), source, 2 * count);
                }
                long first = resultsAreRows ? 0 : part.first * columnStride;
                part.packing.run(
                        worker,
                        streams[worker],
                        source + first * elementBytes,
                        0,
                        memory.address() + groupBytes * group + part.offset,
                        0);
            };
            pool.run(groups * parts.size(), task);
            Reference.reachabilityFence(weights);
            Reference.reachabilityFence(this);
        }
    }

    private final class PackedWeights implements Packed {
        private final Tensor weights;
        private final int groups;
        private final int outputs;
        private final int inputs;
        private final Orientation forward;
        private @Nullable Orientation backward;

        PackedWeights(Tensor weights) {
            this.weights = weights;
            this.groups = weights.rank() == 3 ? Math.toIntExact(weights.dim(0)) : 1;
            this.outputs = Math.toIntExact(weights.dim(weights.rank() - 2));
            this.inputs = Math.toIntExact(weights.columns());
            this.forward = new Orientation(groups, inputs, outputs, 1, inputs);
            forward.pack(weights);
        }

        /** Made when first asked for: inference never needs it. */
        Orientation backward() {
            Orientation orientation = backward;
            if (orientation == null) {
                orientation = new Orientation(groups, outputs, inputs, inputs, 1);
                orientation.pack(weights);
                backward = orientation;
            }
            return orientation;
        }

        @Override
        public int groups() {
            return groups;
        }

        @Override
        public long outputs() {
            return outputs;
        }

        @Override
        public long inputs() {
            return inputs;
        }

        @Override
        public void refresh() {
            forward.pack(weights);
            Orientation orientation = backward;
            if (orientation != null) {
                orientation.pack(weights);
            }
        }
    }
}
