package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * The bias of a linear layer, and GELU, which takes it along.
 *
 * <p>GELU's tanh approximation (arXiv 1606.08415 section 2) needs no tanh: {@code (1 + tanh(z)) / 2} is {@code σ(2z)}, so that
 * {@code gelu(u) = u σ(z)} with {@code z = u (A + B u²)}, {@code A = 2 √(2/π)} and {@code B = 0.044715 A}.
 */
final class VectorBias {
    /** An exponential and a division cost about as much as eight plain element operations. */
    private static final int GELU_COST = 8;

    private static final float A = 1.5957691216057308f;
    private static final float B = 0.07135481627260025f;

    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorBias(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    // ---- bias

    void addBias(Tensor y, Tensor bias) {
        long rows = y.rows();
        int width = Math.toIntExact(y.columns());
        Checks.f32("y", y);
        Checks.denseF32("bias", bias, width);
        long grain = Grain.rows(rows, width);
        pool.forBlocks(rows, grain, (from, to, worker) -> rowKernels.addBias(y, bias, from, to, worker));
    }

    static void addBias(Tensor y, Tensor bias, long from, long to) {
        int width = Math.toIntExact(y.columns());
        for (long n = from; n < to; n++) {
            VectorElementwise.add(y.rowAddress(n), bias.address(), y.rowAddress(n), width);
        }
    }

    void addBiasBackward(Tensor dy, Tensor dBias) {
        int width = Math.toIntExact(dy.columns());
        Checks.f32("dy", dy);
        Checks.denseF32("dBias", dBias, width);
        pool.forBlocks(width, Grain.columns(width, dy.rows(), pool.parallelism()), (from, to, worker) -> {
            long column = from;
            for (; column + 4L * Lanes.COUNT <= to; column += 4L * Lanes.COUNT) {
                sumOfColumns4(dy, column, dBias);
            }
            for (; column < to; column += Lanes.COUNT) {
                sumOfColumns(dy, column, SPECIES.indexInRange((int) column, (int) to), dBias);
            }
        });
    }

    /** Four vectors of columns at a time, as in {@link VectorNorm}. */
    private static void sumOfColumns4(Tensor dy, long column, Tensor dBias) {
        long rows = dy.rows();
        long step = 4L * Lanes.COUNT;
        FloatVector sum0 = FloatVector.zero(SPECIES);
        FloatVector sum1 = FloatVector.zero(SPECIES);
        FloatVector sum2 = FloatVector.zero(SPECIES);
        FloatVector sum3 = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            long a = dy.rowAddress(n) + 4 * column;
            sum0 = sum0.add(fromMemorySegment(SPECIES, ALL, a, ORDER));
            sum1 = sum1.add(fromMemorySegment(SPECIES, ALL, a + step, ORDER));
            sum2 = sum2.add(fromMemorySegment(SPECIES, ALL, a + 2 * step, ORDER));
            sum3 = sum3.add(fromMemorySegment(SPECIES, ALL, a + 3 * step, ORDER));
        }
        long out = dBias.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER).add(sum0).intoMemorySegment(ALL, out, ORDER);
        fromMemorySegment(SPECIES, ALL, out + step, ORDER).add(sum1).intoMemorySegment(ALL, out + step, ORDER);
        fromMemorySegment(SPECIES, ALL, out + 2 * step, ORDER).add(sum2).intoMemorySegment(ALL, out + 2 * step, ORDER);
        fromMemorySegment(SPECIES, ALL, out + 3 * step, ORDER).add(sum3).intoMemorySegment(ALL, out + 3 * step, ORDER);
    }

    private static void sumOfColumns(Tensor dy, long column, VectorMask<Float> mask, Tensor dBias) {
        long rows = dy.rows();
        FloatVector sum = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            sum = sum.add(fromMemorySegment(SPECIES, ALL, dy.rowAddress(n) + 4 * column, ORDER, mask));
        }
        long out = dBias.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER, mask).add(sum).intoMemorySegment(ALL, out, ORDER, mask);
    }

    // ---- GELU

    void gelu(Tensor x, @Nullable Tensor bias, Tensor out) {
        long rows = out.rows();
        int width = Math.toIntExact(out.columns());
        RowOutput.require("out", out, rows, width);
        x.require("x", DType.F32, rows, width);
        checkBias(bias, width);
        long zeros = pool.zeros(4L * width);
        pool.forBlocks(rows, Grain.rows(rows, (long) GELU_COST * width), (from, to, worker) -> {
            RowOutput output = new RowOutput(out, pool.scratch(worker, RowOutput.scratchBytes(width)));
            for (long n = from; n < to; n++) {
                gelu(x.rowAddress(n), bias == null ? zeros : bias.address(), output.row(n), width);
                output.written(n);
            }
        });
    }

    private static void gelu(long x, long bias, long out, int width) {
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector u = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .add(fromMemorySegment(SPECIES, ALL, bias + 4L * i, ORDER));
            FloatVector z = u.mul(u)
                    .fma(FloatVector.broadcast(SPECIES, B), FloatVector.broadcast(SPECIES, A))
                    .mul(u);
            u.mul(VectorMath.sigmoid(z)).intoMemorySegment(ALL, out + 4L * i, ORDER);
        }
        for (; i < width; i++) {
            float u = Memory.getFloat(x + 4L * i) + Memory.getFloat(bias + 4L * i);
            float z = Math.fma(u * u, B, A) * u;
            Memory.setFloat(out + 4L * i, u * VectorMath.sigmoid(z));
        }
    }

    /** {@code dx += dOut (σ + u σ (1 - σ) (A + 3 B u²))} with {@code u = x + bias} and {@code σ = σ(z)}. */
    void geluBackward(Tensor dOut, Tensor x, @Nullable Tensor bias, Tensor dx) {
        long rows = dOut.rows();
        int width = Math.toIntExact(dOut.columns());
        Checks.f32("dOut", dOut);
        x.require("x", DType.F32, rows, width);
        dx.require("dx", DType.F32, rows, width);
        checkBias(bias, width);
        pool.forBlocks(rows, Grain.rows(rows, (long) GELU_COST * width), (from, to, worker) -> {
            long biases = bias == null ? zeros(worker, width) : bias.address();
            for (long n = from; n < to; n++) {
                geluBackward(dOut.rowAddress(n), x.rowAddress(n), biases, dx.rowAddress(n), width);
            }
        });
    }

    private static void geluBackward(long dOut, long x, long bias, long dx, int width) {
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector u = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .add(fromMemorySegment(SPECIES, ALL, bias + 4L * i, ORDER));
            FloatVector square = u.mul(u);
            FloatVector a = FloatVector.broadcast(SPECIES, A);
            FloatVector s = VectorMath.sigmoid(
                    square.fma(FloatVector.broadcast(SPECIES, B), a).mul(u));
            FloatVector change = FloatVector.broadcast(SPECIES, 1).sub(s).mul(u.mul(s));
            change.fma(square.fma(FloatVector.broadcast(SPECIES, 3 * B), a), s)
                    .fma(
                            fromMemorySegment(SPECIES, ALL, dOut + 4L * i, ORDER),
                            fromMemorySegment(SPECIES, ALL, dx + 4L * i, ORDER))
                    .intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        for (; i < width; i++) {
            float u = Memory.getFloat(x + 4L * i) + Memory.getFloat(bias + 4L * i);
            float square = u * u;
            float s = VectorMath.sigmoid(Math.fma(square, B, A) * u);
            float change = (1 - s) * (u * s);
            float slope = Math.fma(change, Math.fma(square, 3 * B, A), s);
            Memory.setFloat(dx + 4L * i, Math.fma(slope, Memory.getFloat(dOut + 4L * i), Memory.getFloat(dx + 4L * i)));
        }
    }

    private static void checkBias(@Nullable Tensor bias, int width) {
        if (bias != null) {
            Checks.denseF32("bias", bias, width);
        }
    }

    /** No bias is a row of zeros: one loop for both, and the row stays in the nearest cache. */
    private long zeros(int worker, int width) {
        long zeros = pool.scratch(worker, 4L * width);
        Memory.zero(zeros, 4L * width);
        return zeros;
    }
}
