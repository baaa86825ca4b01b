package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * LayerNorm (arXiv 1607.06450): {@code y = w * x̂ + b} with {@code x̂ = (x - mean) r} and {@code r = 1 / sqrt(var + eps)}, fused with the
 * residual addition before it.
 */
final class VectorLayerNorm {
    private final WorkerPool pool;

    VectorLayerNorm(WorkerPool pool) {
        this.pool = pool;
    }

    void layerNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            @Nullable Tensor bias,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor mean,
            Tensor inverseDeviation) {
        long rows = x.rows();
        int width = Math.toIntExact(x.columns());
        Checks.f32("x", x);
        Checks.denseF32("weight", weight, width);
        Checks.denseF32("mean", mean, rows);
        Checks.denseF32("inverseDeviation", inverseDeviation, rows);
        RowOutput.require("y", y, rows, width);
        if (bias != null) {
            Checks.denseF32("bias", bias, width);
        }
        if ((residual == null) != (sum == null)) {
            throw new IllegalArgumentException("residual and sum must both be present or both be absent");
        }
        if (residual != null && sum != null) {
            residual.require("residual", DType.F32, rows, width);
            sum.require("sum", DType.F32, rows, width);
        }
        Tensor normed = sum == null ? x : sum;
        pool.forBlocks(rows, Grain.rows(rows, 3L * width), (from, to, worker) -> {
            long row = RowOutput.scratchBytes(width);
            long lanes = pool.scratch(worker, Lanes.BYTES + 2 * row);
            long zeros = lanes + Lanes.BYTES; // no bias is a row of zeros
            Memory.zero(zeros, 4L * width);
            RowOutput output = new RowOutput(y, zeros + row);
            long biases = bias == null ? zeros : bias.address();
            for (long n = from; n < to; n++) {
                long input = normed.rowAddress(n);
                float total = residual == null
                        ? Lanes.sumOfRow(input, width, lanes)
                        : addAndSum(x.rowAddress(n), residual.rowAddress(n), input, width, lanes);
                float average = total / width;
                float squares = squaredDeviations(input, average, width, lanes);
                float inverse = (float) (1 / Math.sqrt((double) squares / width + eps));
                Checks.setFloat(mean, n, average);
                Checks.setFloat(inverseDeviation, n, inverse);
                scale(input, average, inverse, weight.address(), biases, output.row(n), width);
                output.written(n);
            }
        });
    }

    /** {@code sum[i] = x[i] + residual[i]}; returns {@code Σ sum[i]}. */
    private static float addAndSum(long x, long residual, long sum, int width, long lanes) {
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector total = FloatVector.zero(SPECIES);
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector s = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                        .add(fromMemorySegment(SPECIES, ALL, residual + 4L * i, ORDER));
                s.intoMemorySegment(ALL, sum + 4L * i, ORDER);
                total = total.add(s);
            }
            if (i < width) {
                VectorMask<Float> mask = SPECIES.indexInRange(i, width);
                FloatVector s = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                        .add(fromMemorySegment(SPECIES, ALL, residual + 4L * i, ORDER, mask));
                s.intoMemorySegment(ALL, sum + 4L * i, ORDER, mask);
                total = total.add(s);
            }
            total.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        return Lanes.sum(lanes);
    }

    /** {@code Σ (x[i] - mean)²}. */
    private static float squaredDeviations(long x, float mean, int width, long lanes) {
        FloatVector means = FloatVector.broadcast(SPECIES, mean);
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector squares = FloatVector.zero(SPECIES);
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector deviation =
                        fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER).sub(means);
                squares = deviation.fma(deviation, squares);
            }
            if (i < width) {
                VectorMask<Float> mask = SPECIES.indexInRange(i, width);
                FloatVector deviation =
                        fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask).sub(means, mask);
                squares = deviation.fma(deviation, squares);
            }
            squares.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
        }
        return Lanes.sum(lanes);
    }

    /** {@code y[i] = (x[i] - mean) * inverse * weight[i] + bias[i]}. */
    private static void scale(long x, float mean, float inverse, long weight, long bias, long y, int width) {
        FloatVector means = FloatVector.broadcast(SPECIES, mean);
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .sub(means)
                    .mul(inverses)
                    .fma(
                            fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER),
                            fromMemorySegment(SPECIES, ALL, bias + 4L * i, ORDER))
                    .intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector scaled = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                    .sub(means)
                    .mul(inverses);
            scaled.fma(
                            fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask),
                            fromMemorySegment(SPECIES, ALL, bias + 4L * i, ORDER, mask))
                    .intoMemorySegment(ALL, y + 4L * i, ORDER, mask);
        }
    }

    /**
     * With {@code g = w dy} and {@code d} the width, {@code dx[i] += r (g[i] - Σ_j g[j] / d - x̂[i] Σ_j g[j] x̂[j] / d)}, a row by itself;
     * {@code dWeight[i] += Σ_n dy[n,i] x̂[n,i]} and {@code dBias[i] += Σ_n dy[n,i]}, over the rows in order.
     */
    void layerNormBackward(
            Tensor dy,
            Tensor x,
            Tensor weight,
            Tensor mean,
            Tensor inverseDeviation,
            Tensor dx,
            Tensor dWeight,
            @Nullable Tensor dBias) {
        long rows = x.rows();
        int width = Math.toIntExact(x.columns());
        Checks.f32("x", x);
        dy.require("dy", DType.F32, rows, width);
        dx.require("dx", DType.F32, rows, width);
        Checks.denseF32("weight", weight, width);
        Checks.denseF32("mean", mean, rows);
        Checks.denseF32("inverseDeviation", inverseDeviation, rows);
        Checks.denseF32("dWeight", dWeight, width);
        if (dBias != null) {
            Checks.denseF32("dBias", dBias, width);
        }
        pool.forBlocks(rows, Grain.rows(rows, 3L * width), (from, to, worker) -> {
            long lanes = pool.scratch(worker, 2 * Lanes.BYTES);
            for (long n = from; n < to; n++) {
                float average = Checks.floatAt(mean, n);
                float inverse = Checks.floatAt(inverseDeviation, n);
                long dOut = dy.rowAddress(n);
                long input = x.rowAddress(n);
                sums(weight.address(), dOut, input, average, inverse, width, lanes);
                float shift = -inverse * (Lanes.sum(lanes) / width);
                float pull = -inverse * (Lanes.sum(lanes + Lanes.BYTES) / width) * inverse;
                inputGradient(weight.address(), dOut, input, average, inverse, shift, pull, dx.rowAddress(n), width);
            }
        });
        pool.forBlocks(width, Grain.columns(width, 2 * rows, pool.parallelism()), (from, to, worker) -> {
            long column = from;
            for (; column + 2L * Lanes.COUNT <= to; column += 2L * Lanes.COUNT) {
                weightGradient2(dy, x, mean, inverseDeviation, column, dWeight, dBias);
            }
            for (; column < to; column += Lanes.COUNT) {
                VectorMask<Float> mask = SPECIES.indexInRange((int) column, (int) to);
                weightGradient(dy, x, mean, inverseDeviation, column, mask, dWeight, dBias);
            }
        });
    }

    /** Lane sums of {@code w[i] dy[i]}, and behind them of {@code w[i] dy[i] x̂[i]}. */
    private static void sums(long weight, long dy, long x, float mean, float inverse, int width, long lanes) {
        FloatVector means = FloatVector.broadcast(SPECIES, mean);
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector plain = FloatVector.zero(SPECIES);
            FloatVector along = FloatVector.zero(SPECIES);
            int i = part;
            for (; i <= width - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector g = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER)
                        .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER));
                plain = plain.add(g);
                along = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                        .sub(means)
                        .mul(inverses)
                        .fma(g, along);
            }
            if (i < width) { // beyond the row g is 0
                VectorMask<Float> mask = SPECIES.indexInRange(i, width);
                FloatVector g = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask)
                        .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER, mask));
                plain = plain.add(g);
                along = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                        .sub(means)
                        .mul(inverses)
                        .fma(g, along);
            }
            plain.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
            along.intoMemorySegment(ALL, lanes + Lanes.BYTES + 4L * part, ORDER);
        }
    }

    /** {@code dx[i] += inverse * w[i] * dy[i] + pull * (x[i] - mean) + shift}. */
    private static void inputGradient(
            long weight, long dy, long x, float mean, float inverse, float shift, float pull, long dx, int width) {
        FloatVector means = FloatVector.broadcast(SPECIES, mean);
        FloatVector inverses = FloatVector.broadcast(SPECIES, inverse);
        FloatVector shifts = FloatVector.broadcast(SPECIES, shift);
        FloatVector pulls = FloatVector.broadcast(SPECIES, pull);
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector pulled = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER)
                    .sub(means)
                    .fma(pulls, shifts);
            FloatVector g = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER)
                    .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER));
            g.fma(inverses, pulled)
                    .add(fromMemorySegment(SPECIES, ALL, dx + 4L * i, ORDER))
                    .intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector pulled = fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER, mask)
                    .sub(means)
                    .fma(pulls, shifts);
            FloatVector g = fromMemorySegment(SPECIES, ALL, weight + 4L * i, ORDER, mask)
                    .mul(fromMemorySegment(SPECIES, ALL, dy + 4L * i, ORDER, mask));
            g.fma(inverses, pulled)
                    .add(fromMemorySegment(SPECIES, ALL, dx + 4L * i, ORDER, mask))
                    .intoMemorySegment(ALL, dx + 4L * i, ORDER, mask);
        }
    }

    /** Two vectors of columns, a weight and a bias sum of each: four chains hide the latency of one. */
    private static void weightGradient2(
            Tensor dy,
            Tensor x,
            Tensor mean,
            Tensor inverseDeviation,
            long column,
            Tensor dWeight,
            @Nullable Tensor dBias) {
        long rows = x.rows();
        long step = 4L * Lanes.COUNT;
        FloatVector weight0 = FloatVector.zero(SPECIES);
        FloatVector weight1 = FloatVector.zero(SPECIES);
        FloatVector bias0 = FloatVector.zero(SPECIES);
        FloatVector bias1 = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            FloatVector average = FloatVector.broadcast(SPECIES, Checks.floatAt(mean, n));
            FloatVector inverse = FloatVector.broadcast(SPECIES, Checks.floatAt(inverseDeviation, n));
            long b = x.rowAddress(n) + 4 * column;
            FloatVector g0 = fromMemorySegment(SPECIES, ALL, dy.rowAddress(n) + 4 * column, ORDER);
            FloatVector g1 = fromMemorySegment(SPECIES, ALL, dy.rowAddress(n) + 4 * column + step, ORDER);
            weight0 = fromMemorySegment(SPECIES, ALL, b, ORDER)
                    .sub(average)
                    .mul(inverse)
                    .fma(g0, weight0);
            weight1 = fromMemorySegment(SPECIES, ALL, b + step, ORDER)
                    .sub(average)
                    .mul(inverse)
                    .fma(g1, weight1);
            bias0 = bias0.add(g0);
            bias1 = bias1.add(g1);
        }
        long out = dWeight.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER).add(weight0).intoMemorySegment(ALL, out, ORDER);
        fromMemorySegment(SPECIES, ALL, out + step, ORDER).add(weight1).intoMemorySegment(ALL, out + step, ORDER);
        if (dBias != null) {
            out = dBias.address() + 4 * column;
            fromMemorySegment(SPECIES, ALL, out, ORDER).add(bias0).intoMemorySegment(ALL, out, ORDER);
            fromMemorySegment(SPECIES, ALL, out + step, ORDER).add(bias1).intoMemorySegment(ALL, out + step, ORDER);
        }
    }

    private static void weightGradient(
            Tensor dy,
            Tensor x,
            Tensor mean,
            Tensor inverseDeviation,
            long column,
            VectorMask<Float> mask,
            Tensor dWeight,
            @Nullable Tensor dBias) {
        long rows = x.rows();
        FloatVector weights = FloatVector.zero(SPECIES);
        FloatVector biases = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            FloatVector average = FloatVector.broadcast(SPECIES, Checks.floatAt(mean, n));
            FloatVector inverse = FloatVector.broadcast(SPECIES, Checks.floatAt(inverseDeviation, n));
            FloatVector g = fromMemorySegment(SPECIES, ALL, dy.rowAddress(n) + 4 * column, ORDER, mask);
            weights = fromMemorySegment(SPECIES, ALL, x.rowAddress(n) + 4 * column, ORDER, mask)
                    .sub(average)
                    .mul(inverse)
                    .fma(g, weights);
            biases = biases.add(g);
        }
        long out = dWeight.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER, mask).add(weights).intoMemorySegment(ALL, out, ORDER, mask);
        if (dBias != null) {
            out = dBias.address() + 4 * column;
            fromMemorySegment(SPECIES, ALL, out, ORDER, mask).add(biases).intoMemorySegment(ALL, out, ORDER, mask);
        }
    }
}
