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
    /** Rows whose share of dWeight is summed before it is added to that of other rows. */
    static final int BLOCK = 32;

    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorNorm(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
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
        RowOutput.require("y", y, rows, width);
        if ((residual == null) != (sum == null)) {
            throw new IllegalArgumentException("residual and sum must both be present or both be absent");
        }
        if (residual != null && sum != null) {
            residual.require("residual", DType.F32, rows, width);
            sum.require("sum", DType.F32, rows, width);
        }
        pool.forBlocks(
                rows,
                Grain.rows(rows, 2L * width),
                (from, to, worker) ->
                        rowKernels.rmsNorm(x, residual, weight, eps, sum, y, inverseRms, from, to, worker));
    }

    static long scratchBytes(long width) {
        return Lanes.BYTES + RowOutput.scratchBytes(width);
    }

    static void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            long lanes) {
        int width = Math.toIntExact(x.columns());
        Tensor normed = sum == null ? x : sum;
        RowOutput output = new RowOutput(y, lanes + Lanes.BYTES);
        for (long n = from; n < to; n++) {
            long input = normed.rowAddress(n);
            float squares = residual == null
                    ? Lanes.dot(input, input, width, lanes)
                    : addAndSquare(x.rowAddress(n), residual.rowAddress(n), input, width, lanes);
            float inverse = (float) (1 / Math.sqrt((double) squares / width + eps));
            Checks.setFloat(inverseRms, n, inverse);
            scale(input, inverse, weight.address(), output.row(n), width);
            output.written(n);
        }
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
     * With {@code r} the inverse RMS and {@code d} the width, {@code dx[i] = r w[i] dy[i] - x[i] r³/d Σ_j w[j] dy[j] x[j]}, a row by itself;
     * and {@code dWeight[i] += Σ_n dy[n,i] x[n,i] r[n]}: over the rows of each block in order, then over the blocks in order, so that one pass
     * over memory serves both and threads do not show.
     */
    void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor dx, boolean accumulate, Tensor dWeight) {
        long rows = x.rows();
        int width = Math.toIntExact(x.columns());
        Checks.f32("x", x);
        dy.require("dy", DType.F32, rows, width);
        dx.require("dx", DType.F32, rows, width);
        Checks.denseF32("weight", weight, width);
        Checks.denseF32("inverseRms", inverseRms, rows);
        Checks.denseF32("dWeight", dWeight, width);
        long zeros = pool.zeros(4L * width);
        long partial = Memory.align(4L * width);
        long blocks = (rows + BLOCK - 1) / BLOCK;
        long partials = pool.partials(blocks * partial);
        pool.forBlocks(rows, BLOCK, (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            long sums = partials + from / BLOCK * partial;
            Memory.zero(sums, 4L * width);
            for (long n = from; n < to; n++) {
                long a = dy.rowAddress(n);
                long b = x.rowAddress(n);
                long c = dx.rowAddress(n);
                float inverse = Checks.floatAt(inverseRms, n);
                float dot = tripleDot(weight.address(), a, b, width, lanes);
                float pull = (float) (-(double) dot * inverse * inverse * inverse / width);
                gradients(weight.address(), a, b, inverse, pull, accumulate ? c : zeros, c, sums, width);
            }
        });
        for (long block = 0; block < blocks; block++) {
            VectorElementwise.add(dWeight.address(), partials + block * partial, dWeight.address(), width);
        }
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

    /** {@code dx[i] = before[i] + inverse * w[i] * dy[i] + pull * x[i]} and {@code dWeight[i] += inverse * x[i] * dy[i]}. */
    static void gradients(
            long weight, long dy, long x, float inverse, float pull, long before, long dx, long dWeight, int width) {
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        FloatVector pulls = FloatVector.broadcast(SPECIES, pull);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector input = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER);
            FloatVector output = fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER);
            FloatVector sum = input.fma(pulls, fromMemorySegment(SPECIES, ALL, before + 4L * i, ORDER));
            fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER)
                    .mul(output)
                    .fma(inverses, sum)
                    .intoMemorySegment(ALL, dx + 4L * i, ORDER);
            input.mul(inverses)
                    .fma(output, fromMemorySegment(SPECIES, ALL, dWeight + 4L * i, ORDER))
                    .intoMemorySegment(ALL, dWeight + 4L * i, ORDER);
        }
        for (; i < width; i++) {
            float input = Memory.getFloat(x + 4L * i);
            float output = Memory.getFloat(dy + 4L * i);
            float sum = Math.fma(input, pull, Memory.getFloat(before + 4L * i));
            Memory.setFloat(dx + 4L * i, Math.fma(Memory.getFloat(weight + 4L * i) * output, inverse, sum));
            float total = Math.fma(input * inverse, output, Memory.getFloat(dWeight + 4L * i));
            Memory.setFloat(dWeight + 4L * i, total);
        }
    }
}
