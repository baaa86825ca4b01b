package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Embedding, addition and SwiGLU: operations in which every element stands for itself. */
final class VectorElementwise {
    /** An exponential and a division cost about as much as eight plain element operations. */
    private static final int SIGMOID_COST = 8;

    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorElementwise(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    // ---- embedding

    void embedding(Tensor table, Tensor ids, Tensor out) {
        long rows = ids.size();
        long width = table.columns();
        Checks.f32("table", table);
        Checks.indices("ids", ids, rows, table.rows());
        out.require("out", DType.F32, rows, width);
        pool.forBlocks(rows, Grain.rows(rows, width), (from, to, worker) -> {
            for (long n = from; n < to; n++) {
                Memory.copy(table.rowAddress(Checks.intAt(ids, n)), out.rowAddress(n), 4 * width);
            }
        });
    }

    /**
     * A token may occur many times, so tasks divide the rows of the table: each walks all ids in order and adds those it owns. (Dividing the
     * columns would be as exact, but neighbouring cores then write neighbouring cache lines: six times slower than one thread.)
     */
    void embeddingBackward(Tensor dOut, Tensor ids, Tensor dTable) {
        long rows = ids.size();
        int width = Math.toIntExact(dTable.columns());
        Checks.f32("dTable", dTable);
        Checks.indices("ids", ids, rows, dTable.rows());
        dOut.require("dOut", DType.F32, rows, width);
        int tasks = Grain.rows(rows, width) >= rows ? 1 : 4 * pool.parallelism();
        pool.run(tasks, (task, worker) -> {
            for (long n = 0; n < rows; n++) {
                int id = Checks.intAt(ids, n);
                if (id % tasks == task) {
                    long sum = dTable.rowAddress(id);
                    add(sum, dOut.rowAddress(n), sum, width);
                }
            }
        });
    }

    // ---- addition

    void add(Tensor a, Tensor b, Tensor out) {
        a.require("a", DType.F32, out.rows(), out.columns());
        b.require("b", DType.F32, out.rows(), out.columns());
        Checks.f32("out", out);
        int columns = Math.toIntExact(out.columns());
        pool.forBlocks(out.rows(), Grain.rows(out.rows(), columns), (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                add(a.rowAddress(r), b.rowAddress(r), out.rowAddress(r), columns);
            }
        });
    }

    /** {@code out[i] = a[i] + b[i]}. */
    static void add(long a, long b, long out, int columns) {
        int i = 0;
        for (; i <= columns - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, a + 4L * i, ORDER)
                    .add(fromMemorySegment(SPECIES, ALL, b + 4L * i, ORDER))
                    .intoMemorySegment(ALL, out + 4L * i, ORDER);
        }
        if (i < columns) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, columns);
            fromMemorySegment(SPECIES, ALL, a + 4L * i, ORDER, mask)
                    .add(fromMemorySegment(SPECIES, ALL, b + 4L * i, ORDER, mask))
                    .intoMemorySegment(ALL, out + 4L * i, ORDER, mask);
        }
    }

    void addScaled(Tensor x, float factor, Tensor y) {
        x.require("x", DType.F32, y.rows(), y.columns());
        Checks.f32("y", y);
        int columns = Math.toIntExact(y.columns());
        pool.forBlocks(y.rows(), Grain.rows(y.rows(), columns), (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                addScaled(y.rowAddress(r), x.rowAddress(r), factor, y.rowAddress(r), columns);
            }
        });
    }

    /** {@code out[i] = y[i] + factor * x[i]}, rounded once. */
    static void addScaled(long y, long x, float factor, long out, int columns) {
        FloatVector factors = FloatVector.broadcast(SPECIES, factor);
        int i = 0;
        for (; i <= columns - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .fma(factors, fromMemorySegment(SPECIES, ALL, y + 4L * i, ORDER))
                    .intoMemorySegment(ALL, out + 4L * i, ORDER);
        }
        if (i < columns) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, columns);
            fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                    .fma(factors, fromMemorySegment(SPECIES, ALL, y + 4L * i, ORDER, mask))
                    .intoMemorySegment(ALL, out + 4L * i, ORDER, mask);
        }
    }

    void scaleRows(Tensor x, Tensor factors, Tensor out) {
        long rows = out.rows();
        int columns = Math.toIntExact(out.columns());
        RowOutput.require("x", x, rows, columns);
        RowOutput.require("out", out, rows, columns);
        Checks.denseF32("factors", factors, rows);
        long row = RowOutput.scratchBytes(columns);
        pool.forBlocks(rows, Grain.rows(rows, columns), (from, to, worker) -> {
            RowInput input = new RowInput(x, pool.scratch(worker, 2 * row));
            RowOutput output = new RowOutput(out, input.scratch() + row);
            for (long r = from; r < to; r++) {
                scale(input.row(r), Checks.floatAt(factors, r), output.row(r), columns);
                output.written(r);
            }
        });
    }

    /** {@code out[i] = factor * x[i]}. */
    static void scale(long x, float factor, long out, int columns) {
        FloatVector factors = FloatVector.broadcast(SPECIES, factor);
        int i = 0;
        for (; i <= columns - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER).mul(factors).intoMemorySegment(ALL, out + 4L * i, ORDER);
        }
        for (; i < columns; i++) {
            Memory.setFloat(out + 4L * i, Memory.getFloat(x + 4L * i) * factor);
        }
    }

    // ---- SwiGLU: out = silu(g) * u, silu(g) = g * sigmoid(g)

    void swiGlu(Tensor gateUp, Tensor out) {
        long rows = out.rows();
        int width = Math.toIntExact(out.columns());
        RowOutput.require("out", out, rows, width);
        RowOutput.require("gateUp", gateUp, rows, 2L * width);
        long grain = Grain.rows(rows, (long) SIGMOID_COST * width);
        pool.forBlocks(rows, grain, (from, to, worker) -> rowKernels.swiGlu(gateUp, out, from, to, worker));
    }

    static long swiGluScratchBytes(long width) {
        return 2 * RowOutput.scratchBytes(2 * width);
    }

    static void swiGlu(Tensor gateUp, Tensor out, long from, long to, long scratch) {
        int width = Math.toIntExact(out.columns());
        RowInput input = new RowInput(gateUp, scratch);
        RowOutput output = new RowOutput(out, scratch + RowOutput.scratchBytes(2L * width));
        for (long r = from; r < to; r++) {
            swiGlu(input.row(r), output.row(r), width);
            output.written(r);
        }
    }

    private static void swiGlu(long gate, long out, int width) {
        long up = gate + 4L * width;
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector g = fromMemorySegment(SPECIES, ALL, gate + 4L * i, ORDER);
            FloatVector u = fromMemorySegment(SPECIES, ALL, up + 4L * i, ORDER);
            g.mul(VectorMath.sigmoid(g)).mul(u).intoMemorySegment(ALL, out + 4L * i, ORDER);
        }
        for (; i < width; i++) {
            float g = Memory.getFloat(gate + 4L * i);
            Memory.setFloat(out + 4L * i, g * VectorMath.sigmoid(g) * Memory.getFloat(up + 4L * i));
        }
    }

    /** {@code dg = dOut * u * σ(g) * (1 + g * (1 - σ(g)))} and {@code du = dOut * g * σ(g)}. */
    void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp) {
        long rows = dOut.rows();
        int width = Math.toIntExact(dOut.columns());
        Checks.f32("dOut", dOut);
        RowOutput.require("gateUp", gateUp, rows, 2L * width);
        RowOutput.require("dGateUp", dGateUp, rows, 2L * width);
        long grain = Grain.rows(rows, (long) SIGMOID_COST * width);
        pool.forBlocks(
                rows, grain, (from, to, worker) -> rowKernels.swiGluBackward(dOut, gateUp, dGateUp, from, to, worker));
    }

    static void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp, long from, long to, long scratch) {
        int width = Math.toIntExact(dOut.columns());
        RowInput input = new RowInput(gateUp, scratch);
        RowOutput output = new RowOutput(dGateUp, scratch + RowOutput.scratchBytes(2L * width));
        for (long r = from; r < to; r++) {
            swiGluBackward(dOut.rowAddress(r), input.row(r), output.row(r), width);
            output.written(r);
        }
    }

    private static void swiGluBackward(long dOut, long gate, long dGate, int width) {
        long up = gate + 4L * width;
        long dUp = dGate + 4L * width;
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector g = fromMemorySegment(SPECIES, ALL, gate + 4L * i, ORDER);
            FloatVector s = VectorMath.sigmoid(g);
            FloatVector d = fromMemorySegment(SPECIES, ALL, dOut + 4L * i, ORDER);
            FloatVector du = fromMemorySegment(SPECIES, ALL, up + 4L * i, ORDER).mul(d);
            FloatVector one = FloatVector.broadcast(SPECIES, 1);
            FloatVector slope = one.sub(s).fma(g, one).mul(s);
            du.mul(slope).intoMemorySegment(ALL, dGate + 4L * i, ORDER);
            g.mul(s).mul(d).intoMemorySegment(ALL, dUp + 4L * i, ORDER);
        }
        for (; i < width; i++) {
            float g = Memory.getFloat(gate + 4L * i);
            float s = VectorMath.sigmoid(g);
            float d = Memory.getFloat(dOut + 4L * i);
            float du = Memory.getFloat(up + 4L * i) * d;
            float slope = Math.fma(1 - s, g, 1) * s;
            Memory.setFloat(dGate + 4L * i, du * slope);
            Memory.setFloat(dUp + 4L * i, g * s * d);
        }
    }
}
