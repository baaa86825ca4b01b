package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * RMSNorm (arXiv 1910.07467): {@code y = w * x * r} with {@code r = 1 / sqrt(mean(x²) + eps)}, fused with the residual addition before it.
 */
final class VectorNorm {
    private final WorkerPool pool;

    VectorNorm(WorkerPool pool) {
        this.pool = pool;
    }

    void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms) {
        long rows = x.rows();
        int width = Math.toIntExact(x.columns());
        Checks.f32("x", x);
        Checks.denseF32("weight", weight, width);
        Checks.denseF32("inverseRms", inverseRms, rows);
        y.require("y", DType.F32, rows, width);
        if ((residual == null) != (sum == null)) {
            throw new IllegalArgumentException("residual and sum must both be present or both be absent");
        }
        if (residual != null && sum != null) {
            residual.require("residual", DType.F32, rows, width);
            sum.require("sum", DType.F32, rows, width);
        }
        Tensor normed = sum == null ? x : sum;
        pool.forBlocks(rows, Grain.rows(rows, 2L * width), (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            for (long n = from; n < to; n++) {
                long input = normed.rowAddress(n);
                float squares = residual == null
                        ? Lanes.dot(input, input, width, lanes)
                        : addAndSquare(x.rowAddress(n), residual.rowAddress(n), input, width, lanes);
                float inverse = (float) (1 / Math.sqrt((double) squares / width + eps));
                Checks.setFloat(inverseRms, n, inverse);
                scale(input, inverse, weight.address(), y.rowAddress(n), width);
            }
        });
    }

    /** {@code sum[i] = x[i] + residual[i]}; returns {@code Σ sum[i]²}. */
    private static float addAndSquare(long x, long residual, long sum, int width, long lanes) {
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector squares = FloatVector.zero(SPECIES);
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector s = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                        .add(fromMemorySegment(SPECIES, ALL, residual + 4L * i, ORDER));
                s.intoMemorySegment(ALL, sum + 4L * i, ORDER);
                squares = s.fma(s, squares);
            }
            if (i < width) {
                VectorMask<Float> mask = SPECIES.indexInRange(i, width);
                FloatVector s = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                        .add(fromMemorySegment(SPECIES, ALL, residual + 4L * i, ORDER, mask));
                s.intoMemorySegment(ALL, sum + 4L * i, ORDER, mask);
                squares = s.fma(s, squares);
            }
            squares.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        return Lanes.sum(lanes);
    }

    /** {@code y[i] = x[i] * inverse * weight[i]}. */
    static void scale(long x, float inverse, long weight, long y, int width) {
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .mul(inverses)
                    .mul(fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER))
                    .intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector scaled =
                    fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask).mul(inverses);
            scaled.mul(fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask))
                    .intoMemorySegment(ALL, y + 4L * i, ORDER, mask);
        }
    }

    /**
     * With {@code r} the inverse RMS and {@code d} the width, {@code dx[i] += r w[i] dy[i] - x[i] r³/d Σ_j w[j] dy[j] x[j]}, a row by itself;
     * and {@code dWeight[i] += Σ_n dy[n,i] x[n,i] r[n]}, over the rows in order.
     */
    void rmsNormBackward(Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight) {
        long rows = x.rows();
        int width = Math.toIntExact(x.columns());
        Checks.f32("x", x);
        dy.require("dy", DType.F32, rows, width);
        dx.require("dx", DType.F32, rows, width);
        Checks.denseF32("weight", weight, width);
        Checks.denseF32("inverseRms", inverseRms, rows);
        Checks.denseF32("dWeight", dWeight, width);
        pool.forBlocks(rows, Grain.rows(rows, 2L * width), (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            for (long n = from; n < to; n++) {
                float inverse = Checks.floatAt(inverseRms, n);
                float dot = tripleDot(weight.address(), dy.rowAddress(n), x.rowAddress(n), width, lanes);
                float pull = (float) (-(double) dot * inverse * inverse * inverse / width);
                inputGradient(
                        weight.address(), dy.rowAddress(n), x.rowAddress(n), inverse, pull, dx.rowAddress(n), width);
            }
        });
        pool.forBlocks(width, Grain.columns(width, 2 * rows, pool.threads()), (from, to, worker) -> {
            long column = from;
            for (; column + 4L * Lanes.COUNT <= to; column += 4L * Lanes.COUNT) {
                weightGradient4(dy, x, inverseRms, column, dWeight);
            }
            for (; column < to; column += Lanes.COUNT) {
                weightGradient(dy, x, inverseRms, column, SPECIES.indexInRange((int) column, (int) to), dWeight);
            }
        });
    }

    /** {@code Σ w[i] dy[i] x[i]}. */
    static float tripleDot(long weight, long dy, long x, int width, long lanes) {
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector sum = FloatVector.zero(SPECIES);
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                sum = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER)
                        .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER))
                        .fma(fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER), sum);
            }
            if (i < width) {
                VectorMask<Float> mask = SPECIES.indexInRange(i, width);
                FloatVector product = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask)
                        .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER, mask));
                sum = product.fma(fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask), sum);
            }
            sum.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        return Lanes.sum(lanes);
    }

    /** {@code dx[i] += inverse * w[i] * dy[i] + pull * x[i]}. */
    static void inputGradient(long weight, long dy, long x, float inverse, float pull, long dx, int width) {
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        FloatVector pulls = FloatVector.broadcast(SPECIES, pull);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector sum = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .fma(pulls, fromMemorySegment(SPECIES, ALL, dx + 4L * i, ORDER));
            FloatVector product = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER)
                    .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER));
            product.fma(inverses, sum).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector sum = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                    .fma(pulls, fromMemorySegment(SPECIES, ALL, dx + 4L * i, ORDER, mask));
            FloatVector product = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask)
                    .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER, mask));
            product.fma(inverses, sum).intoMemorySegment(ALL, dx + 4L * i, ORDER, mask);
        }
    }

    /** Four vectors of columns at a time: each row's cache lines are read once, and four sums hide the latency of one. */
    private static void weightGradient4(Tensor dy, Tensor x, Tensor inverseRms, long column, Tensor dWeight) {
        long rows = x.rows();
        long step = 4L * Lanes.COUNT;
        FloatVector sum0 = FloatVector.zero(SPECIES);
        FloatVector sum1 = FloatVector.zero(SPECIES);
        FloatVector sum2 = FloatVector.zero(SPECIES);
        FloatVector sum3 = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            FloatVector inverse = FloatVector.broadcast(SPECIES, Checks.floatAt(inverseRms, n));
            long a = dy.rowAddress(n) + 4 * column;
            long b = x.rowAddress(n) + 4 * column;
            sum0 = fromMemorySegment(SPECIES, ALL, b, ORDER)
                    .mul(inverse)
                    .fma(fromMemorySegment(SPECIES, ALL, a, ORDER), sum0);
            sum1 = fromMemorySegment(SPECIES, ALL, b + step, ORDER)
                    .mul(inverse)
                    .fma(fromMemorySegment(SPECIES, ALL, a + step, ORDER), sum1);
            sum2 = fromMemorySegment(SPECIES, ALL, b + 2 * step, ORDER)
                    .mul(inverse)
                    .fma(fromMemorySegment(SPECIES, ALL, a + 2 * step, ORDER), sum2);
            sum3 = fromMemorySegment(SPECIES, ALL, b + 3 * step, ORDER)
                    .mul(inverse)
                    .fma(fromMemorySegment(SPECIES, ALL, a + 3 * step, ORDER), sum3);
        }
        long out = dWeight.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER).add(sum0).intoMemorySegment(ALL, out, ORDER);
        fromMemorySegment(SPECIES, ALL, out + step, ORDER).add(sum1).intoMemorySegment(ALL, out + step, ORDER);
        fromMemorySegment(SPECIES, ALL, out + 2 * step, ORDER).add(sum2).intoMemorySegment(ALL, out + 2 * step, ORDER);
        fromMemorySegment(SPECIES, ALL, out + 3 * step, ORDER).add(sum3).intoMemorySegment(ALL, out + 3 * step, ORDER);
    }

    private static void weightGradient(
            Tensor dy, Tensor x, Tensor inverseRms, long column, VectorMask<Float> mask, Tensor dWeight) {
        long rows = x.rows();
        FloatVector sum = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            FloatVector inverse = FloatVector.broadcast(SPECIES, Checks.floatAt(inverseRms, n));
            FloatVector input = fromMemorySegment(SPECIES, ALL, x.rowAddress(n) + 4 * column, ORDER, mask);
            sum = input.mul(inverse)
                    .fma(fromMemorySegment(SPECIES, ALL, dy.rowAddress(n) + 4 * column, ORDER, mask), sum);
        }
        long out = dWeight.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER, mask).add(sum).intoMemorySegment(ALL, out, ORDER, mask);
    }
}
