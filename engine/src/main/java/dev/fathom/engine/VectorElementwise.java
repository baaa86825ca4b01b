package dev.fathom.engine;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Embedding, addition and SwiGLU: operations in which every element stands for itself. */
final class VectorElementwise {
    /** An exponential and a division cost about as much as eight plain element operations. */
    private static final int SIGMOID_COST = 8;

    private final WorkerPool pool;

    VectorElementwise(WorkerPool pool) {
        this.pool = pool;
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

    /** A token may occur many times, so tasks divide the columns, and each walks all rows in order. */
    void embeddingBackward(Tensor dOut, Tensor ids, Tensor dTable) {
        long rows = ids.size();
        long width = dTable.columns();
        Checks.f32("dTable", dTable);
        Checks.indices("ids", ids, rows, dTable.rows());
        dOut.require("dOut", DType.F32, rows, width);
        pool.forBlocks(width, Grain.columns(width, rows, pool.threads()), (from, to, worker) -> {
            int columns = (int) (to - from);
            for (long n = 0; n < rows; n++) {
                long sum = dTable.rowAddress(Checks.intAt(ids, n)) + 4 * from;
                add(sum, dOut.rowAddress(n) + 4 * from, sum, columns);
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
    private static void add(long a, long b, long out, int columns) {
        int i = 0;
        for (; i <= columns - Lanes.COUNT; i += Lanes.COUNT) {
            Lanes.store(Lanes.load(a + 4L * i).add(Lanes.load(b + 4L * i)), out + 4L * i);
        }
        if (i < columns) {
            VectorMask<Float> mask = Lanes.tail(i, columns);
            Lanes.store(Lanes.load(a + 4L * i, mask).add(Lanes.load(b + 4L * i, mask)), out + 4L * i, mask);
        }
    }

    void addScaled(Tensor x, float factor, Tensor y) {
        x.require("x", DType.F32, y.rows(), y.columns());
        Checks.f32("y", y);
        int columns = Math.toIntExact(y.columns());
        pool.forBlocks(y.rows(), Grain.rows(y.rows(), columns), (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                addScaled(x.rowAddress(r), factor, y.rowAddress(r), columns);
            }
        });
    }

    /** {@code y[i] += factor * x[i]}, rounded once. */
    static void addScaled(long x, float factor, long y, int columns) {
        FloatVector factors = Lanes.broadcast(factor);
        int i = 0;
        for (; i <= columns - Lanes.COUNT; i += Lanes.COUNT) {
            Lanes.store(Lanes.load(x + 4L * i).fma(factors, Lanes.load(y + 4L * i)), y + 4L * i);
        }
        if (i < columns) {
            VectorMask<Float> mask = Lanes.tail(i, columns);
            Lanes.store(Lanes.load(x + 4L * i, mask).fma(factors, Lanes.load(y + 4L * i, mask)), y + 4L * i, mask);
        }
    }

    // ---- SwiGLU: out = silu(g) * u, silu(g) = g * sigmoid(g)

    void swiGlu(Tensor gateUp, Tensor out) {
        long rows = out.rows();
        int width = Math.toIntExact(out.columns());
        Checks.f32("out", out);
        gateUp.require("gateUp", DType.F32, rows, 2L * width);
        pool.forBlocks(rows, Grain.rows(rows, (long) SIGMOID_COST * width), (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                swiGlu(gateUp.rowAddress(r), out.rowAddress(r), width);
            }
        });
    }

    private static void swiGlu(long gate, long out, int width) {
        long up = gate + 4L * width;
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector g = Lanes.load(gate + 4L * i);
            Lanes.store(g.mul(VectorMath.sigmoid(g)).mul(Lanes.load(up + 4L * i)), out + 4L * i);
        }
        if (i < width) {
            VectorMask<Float> mask = Lanes.tail(i, width);
            FloatVector g = Lanes.load(gate + 4L * i, mask);
            Lanes.store(g.mul(VectorMath.sigmoid(g)).mul(Lanes.load(up + 4L * i, mask)), out + 4L * i, mask);
        }
    }

    /** {@code dg = dOut * u * σ(g) * (1 + g * (1 - σ(g)))} and {@code du = dOut * g * σ(g)}. */
    void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp) {
        long rows = dOut.rows();
        int width = Math.toIntExact(dOut.columns());
        Checks.f32("dOut", dOut);
        gateUp.require("gateUp", DType.F32, rows, 2L * width);
        dGateUp.require("dGateUp", DType.F32, rows, 2L * width);
        pool.forBlocks(rows, Grain.rows(rows, (long) SIGMOID_COST * width), (from, to, worker) -> {
            for (long r = from; r < to; r++) {
                swiGluBackward(dOut.rowAddress(r), gateUp.rowAddress(r), dGateUp.rowAddress(r), width);
            }
        });
    }

    private static void swiGluBackward(long dOut, long gate, long dGate, int width) {
        long up = gate + 4L * width;
        long dUp = dGate + 4L * width;
        FloatVector one = Lanes.broadcast(1);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector d = Lanes.load(dOut + 4L * i);
            FloatVector g = Lanes.load(gate + 4L * i);
            FloatVector u = Lanes.load(up + 4L * i);
            FloatVector s = VectorMath.sigmoid(g);
            FloatVector slope = s.mul(g.fma(one.sub(s), one));
            Lanes.store(d.mul(u).fma(slope, Lanes.load(dGate + 4L * i)), dGate + 4L * i);
            Lanes.store(d.fma(g.mul(s), Lanes.load(dUp + 4L * i)), dUp + 4L * i);
        }
        if (i < width) {
            VectorMask<Float> mask = Lanes.tail(i, width);
            FloatVector d = Lanes.load(dOut + 4L * i, mask);
            FloatVector g = Lanes.load(gate + 4L * i, mask);
            FloatVector u = Lanes.load(up + 4L * i, mask);
            FloatVector s = VectorMath.sigmoid(g);
            FloatVector slope = s.mul(g.fma(one.sub(s), one));
            Lanes.store(d.mul(u).fma(slope, Lanes.load(dGate + 4L * i, mask)), dGate + 4L * i, mask);
            Lanes.store(d.fma(g.mul(s), Lanes.load(dUp + 4L * i, mask)), dUp + 4L * i, mask);
        }
    }
}
