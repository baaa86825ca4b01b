package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** RMSNorm of each head of a row by itself, as Qwen3 norms queries and keys. A head is a short row of {@link VectorNorm}. */
final class VectorHeadNorm {
    private final WorkerPool pool;

    VectorHeadNorm(WorkerPool pool) {
        this.pool = pool;
    }

    void rmsNormHeads(Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms) {
        long rows = x.rows();
        int width = Math.toIntExact(weight.size());
        check(x, heads, weight, inverseRms);
        y.require("y", DType.F32, rows, (long) heads * width);
        pool.forBlocks(rows, Grain.rows(rows, 2L * heads * width), (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            for (long n = from; n < to; n++) {
                for (int h = 0; h < heads; h++) {
                    long at = 4L * h * width;
                    long input = x.rowAddress(n) + at;
                    float squares = Lanes.dot(input, input, width, lanes);
                    float inverse = (float) (1 / Math.sqrt((double) squares / width + eps));
                    Checks.setFloat(inverseRms, n * heads + h, inverse);
                    VectorNorm.scale(input, inverse, weight.address(), y.rowAddress(n) + at, width);
                }
            }
        });
    }

    /** Each head as a row of {@link VectorNorm#rmsNormBackward}. */
    void rmsNormHeadsBackward(
            Tensor dy, Tensor x, int heads, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight) {
        long rows = x.rows();
        int width = Math.toIntExact(weight.size());
        check(x, heads, weight, inverseRms);
        dy.require("dy", DType.F32, rows, (long) heads * width);
        dx.require("dx", DType.F32, rows, (long) heads * width);
        Checks.denseF32("dWeight", dWeight, width);
        pool.forBlocks(rows, Grain.rows(rows, 2L * heads * width), (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            for (long n = from; n < to; n++) {
                for (int h = 0; h < heads; h++) {
                    long at = 4L * h * width;
                    long dOut = dy.rowAddress(n) + at;
                    long input = x.rowAddress(n) + at;
                    float inverse = Checks.floatAt(inverseRms, n * heads + h);
                    float dot = VectorNorm.tripleDot(weight.address(), dOut, input, width, lanes);
                    float pull = (float) (-(double) dot * inverse * inverse * inverse / width);
                    inputGradient(weight.address(), dOut, input, inverse, pull, dx.rowAddress(n) + at, width);
                }
            }
        });
        pool.forBlocks(width, Grain.columns(width, 2 * rows * heads, pool.threads()), (from, to, worker) -> {
            for (long column = from; column < to; column += Lanes.COUNT) {
                VectorMask<Float> mask = SPECIES.indexInRange((int) column, (int) to);
                weightGradient(dy, x, heads, width, inverseRms, column, mask, dWeight);
            }
        });
    }

    private static void check(Tensor x, int heads, Tensor weight, Tensor inverseRms) {
        x.require("x", DType.F32, x.rows(), heads * weight.size());
        Checks.denseF32("weight", weight, weight.size());
        Checks.denseF32("inverseRms", inverseRms, x.rows() * heads);
    }

    /** {@code dx[i] += inverse * w[i] * dy[i] + pull * x[i]}. */
    private static void inputGradient(long weight, long dy, long x, float inverse, float pull, long dx, int width) {
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

    private static void weightGradient(
            Tensor dy,
            Tensor x,
            int heads,
            int width,
            Tensor inverseRms,
            long column,
            VectorMask<Float> mask,
            Tensor dWeight) {
        long rows = x.rows();
        FloatVector sum = FloatVector.zero(SPECIES);
        for (long n = 0; n < rows; n++) {
            long a = dy.rowAddress(n) + 4 * column;
            long b = x.rowAddress(n) + 4 * column;
            for (int h = 0; h < heads; h++) {
                FloatVector inverse = FloatVector.broadcast(SPECIES, Checks.floatAt(inverseRms, n * heads + h));
                sum = fromMemorySegment(SPECIES, ALL, b + 4L * h * width, ORDER, mask)
                        .mul(inverse)
                        .fma(fromMemorySegment(SPECIES, ALL, a + 4L * h * width, ORDER, mask), sum);
            }
        }
        long out = dWeight.address() + 4 * column;
        fromMemorySegment(SPECIES, ALL, out, ORDER, mask).add(sum).intoMemorySegment(ALL, out, ORDER, mask);
    }
}
