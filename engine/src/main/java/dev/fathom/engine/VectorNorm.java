package dev.fathom.engine;

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
            FloatVector squares = Lanes.zero();
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector s = Lanes.load(x + 4L * i).add(Lanes.load(residual + 4L * i));
                Lanes.store(s, sum + 4L * i);
                squares = s.fma(s, squares);
            }
            if (i < width) {
                VectorMask<Float> mask = Lanes.tail(i, width);
                FloatVector s = Lanes.load(x + 4L * i, mask).add(Lanes.load(residual + 4L * i, mask));
                Lanes.store(s, sum + 4L * i, mask);
                squares = s.fma(s, squares);
            }
            Lanes.store(squares, lanes + 4L * part);
        }
        return Lanes.sum(lanes);
    }

    /** {@code y[i] = x[i] * inverse * weight[i]}. */
    private static void scale(long x, float inverse, long weight, long y, int width) {
        FloatVector inverses = Lanes.broadcast(inverse);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            Lanes.store(Lanes.load(x + 4L * i).mul(inverses).mul(Lanes.load(weight + 4L * i)), y + 4L * i);
        }
        if (i < width) {
            VectorMask<Float> mask = Lanes.tail(i, width);
            FloatVector scaled = Lanes.load(x + 4L * i, mask).mul(inverses);
            Lanes.store(scaled.mul(Lanes.load(weight + 4L * i, mask)), y + 4L * i, mask);
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
                weightGradient(dy, x, inverseRms, column, Lanes.tail((int) column, (int) to), dWeight);
            }
        });
    }

    /** {@code Σ w[i] dy[i] x[i]}. */
    private static float tripleDot(long weight, long dy, long x, int width, long lanes) {
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector sum = Lanes.zero();
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                sum = Lanes.load(weight + 4L * i).mul(Lanes.load(dy + 4L * i)).fma(Lanes.load(x + 4L * i), sum);
            }
            if (i < width) {
                VectorMask<Float> mask = Lanes.tail(i, width);
                FloatVector product = Lanes.load(weight + 4L * i, mask).mul(Lanes.load(dy + 4L * i, mask));
                sum = product.fma(Lanes.load(x + 4L * i, mask), sum);
            }
            Lanes.store(sum, lanes + 4L * part);
        }
        return Lanes.sum(lanes);
    }

    /** {@code dx[i] += inverse * w[i] * dy[i] + pull * x[i]}. */
    private static void inputGradient(long weight, long dy, long x, float inverse, float pull, long dx, int width) {
        FloatVector inverses = Lanes.broadcast(inverse);
        FloatVector pulls = Lanes.broadcast(pull);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector sum = Lanes.load(x + 4L * i).fma(pulls, Lanes.load(dx + 4L * i));
            FloatVector product = Lanes.load(weight + 4L * i).mul(Lanes.load(dy + 4L * i));
            Lanes.store(product.fma(inverses, sum), dx + 4L * i);
        }
        if (i < width) {
            VectorMask<Float> mask = Lanes.tail(i, width);
            FloatVector sum = Lanes.load(x + 4L * i, mask).fma(pulls, Lanes.load(dx + 4L * i, mask));
            FloatVector product = Lanes.load(weight + 4L * i, mask).mul(Lanes.load(dy + 4L * i, mask));
            Lanes.store(product.fma(inverses, sum), dx + 4L * i, mask);
        }
    }

    /** Four vectors of columns at a time: each row's cache lines are read once, and four sums hide the latency of one. */
    private static void weightGradient4(Tensor dy, Tensor x, Tensor inverseRms, long column, Tensor dWeight) {
        long rows = x.rows();
        long step = 4L * Lanes.COUNT;
        FloatVector sum0 = Lanes.zero();
        FloatVector sum1 = Lanes.zero();
        FloatVector sum2 = Lanes.zero();
        FloatVector sum3 = Lanes.zero();
        for (long n = 0; n < rows; n++) {
            FloatVector inverse = Lanes.broadcast(Checks.floatAt(inverseRms, n));
            long a = dy.rowAddress(n) + 4 * column;
            long b = x.rowAddress(n) + 4 * column;
            sum0 = Lanes.load(b).mul(inverse).fma(Lanes.load(a), sum0);
            sum1 = Lanes.load(b + step).mul(inverse).fma(Lanes.load(a + step), sum1);
            sum2 = Lanes.load(b + 2 * step).mul(inverse).fma(Lanes.load(a + 2 * step), sum2);
            sum3 = Lanes.load(b + 3 * step).mul(inverse).fma(Lanes.load(a + 3 * step), sum3);
        }
        long out = dWeight.address() + 4 * column;
        Lanes.store(Lanes.load(out).add(sum0), out);
        Lanes.store(Lanes.load(out + step).add(sum1), out + step);
        Lanes.store(Lanes.load(out + 2 * step).add(sum2), out + 2 * step);
        Lanes.store(Lanes.load(out + 3 * step).add(sum3), out + 3 * step);
    }

    private static void weightGradient(
            Tensor dy, Tensor x, Tensor inverseRms, long column, VectorMask<Float> mask, Tensor dWeight) {
        long rows = x.rows();
        FloatVector sum = Lanes.zero();
        for (long n = 0; n < rows; n++) {
            FloatVector inverse = Lanes.broadcast(Checks.floatAt(inverseRms, n));
            FloatVector input = Lanes.load(x.rowAddress(n) + 4 * column, mask);
            sum = input.mul(inverse).fma(Lanes.load(dy.rowAddress(n) + 4 * column, mask), sum);
        }
        long out = dWeight.address() + 4 * column;
        Lanes.store(Lanes.load(out, mask).add(sum), out, mask);
    }
}
