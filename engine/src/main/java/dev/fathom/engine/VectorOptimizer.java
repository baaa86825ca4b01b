package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;

/** Passes over the flat buffers of {@link Parameters}: the gradient norm and AdamW. Both are bound by memory bandwidth. */
final class VectorOptimizer {
    /** Elements whose squares are summed in float lanes before double takes over. */
    private static final int BLOCK = 4096;

    /** Blocks of one task. Part of the order of summation, so a constant. */
    private static final int TASK_BLOCKS = 32;

    private static final long TASK = (long) BLOCK * TASK_BLOCKS;

    private final WorkerPool pool;

    VectorOptimizer(WorkerPool pool) {
        this.pool = pool;
    }

    double sumOfSquares(Tensor x) {
        long size = x.size();
        Checks.denseF32("x", x, size);
        double[] sums = new double[Math.toIntExact((size + TASK - 1) / TASK)];
        pool.run(sums.length, (task, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES);
            double sum = 0;
            long end = Math.min(size, (task + 1) * TASK);
            for (long i = task * TASK; i < end; i += BLOCK) {
                long block = x.address() + 4 * i;
                sum += Lanes.dot(block, block, (int) Math.min(BLOCK, end - i), lanes);
            }
            sums[task] = sum;
        });
        double total = 0;
        for (double sum : sums) {
            total += sum;
        }
        return total;
    }

    /**
     * With {@code g = gradScale * gradient}: {@code m = β1 m + (1-β1) g}, {@code v = β2 v + (1-β2) g²}, and
     * {@code p -= lr decay p + lr (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + eps)}.
     */
    void adamW(
            Tensor parameters,
            Tensor gradients,
            Tensor firstMoments,
            Tensor secondMoments,
            float learningRate,
            float beta1,
            float beta2,
            float eps,
            float decay,
            float gradScale,
            long step) {
        long size = parameters.size();
        Checks.denseF32("parameters", parameters, size);
        Checks.denseF32("gradients", gradients, size);
        Checks.denseF32("firstMoments", firstMoments, size);
        Checks.denseF32("secondMoments", secondMoments, size);
        if (step < 1) {
            throw new IllegalArgumentException("AdamW counts steps from 1, is " + step);
        }
        // Both bias corrections in double; the step size takes up the first.
        float rate = (float) (learningRate / (1 - StrictMath.pow(beta1, step)));
        float correction = (float) (1 / (1 - StrictMath.pow(beta2, step)));
        float keep = (float) (1 - (double) learningRate * decay);
        long p = parameters.address();
        long g = gradients.address();
        long m = firstMoments.address();
        long v = secondMoments.address();
        pool.forBlocks(size, Grain.rows(size, 4), (from, to, worker) -> {
            long skip = 4 * from;
            int count = (int) (to - from);
            adamW(p + skip, g + skip, m + skip, v + skip, rate, correction, keep, beta1, beta2, eps, gradScale, count);
        });
    }

    private static void adamW(
            long p,
            long g,
            long m,
            long v,
            float rate,
            float correction,
            float keep,
            float beta1,
            float beta2,
            float eps,
            float gradScale,
            int count) {
        FloatVector rates = FloatVector.broadcast(SPECIES, rate);
        FloatVector corrections = FloatVector.broadcast(SPECIES, correction);
        FloatVector keeps = FloatVector.broadcast(SPECIES, keep);
        FloatVector betas1 = FloatVector.broadcast(SPECIES, beta1);
        FloatVector betas2 = FloatVector.broadcast(SPECIES, beta2);
        FloatVector rest1 = FloatVector.broadcast(SPECIES, (float) (1 - (double) beta1));
        FloatVector rest2 = FloatVector.broadcast(SPECIES, (float) (1 - (double) beta2));
        FloatVector epsilons = FloatVector.broadcast(SPECIES, eps);
        FloatVector scales = FloatVector.broadcast(SPECIES, gradScale);
        int i = 0;
        for (; i <= count - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector gradient =
                    fromMemorySegment(SPECIES, ALL, g + 4L * i, ORDER).mul(scales);
            FloatVector first =
                    fromMemorySegment(SPECIES, ALL, m + 4L * i, ORDER).fma(betas1, gradient.mul(rest1));
            FloatVector second = fromMemorySegment(SPECIES, ALL, v + 4L * i, ORDER)
                    .fma(betas2, gradient.mul(gradient).mul(rest2));
            FloatVector update = first.div(second.mul(corrections).sqrt().add(epsilons));
            fromMemorySegment(SPECIES, ALL, p + 4L * i, ORDER)
                    .mul(keeps)
                    .sub(update.mul(rates))
                    .intoMemorySegment(ALL, p + 4L * i, ORDER);
            first.intoMemorySegment(ALL, m + 4L * i, ORDER);
            second.intoMemorySegment(ALL, v + 4L * i, ORDER);
        }
        // Element by element, in the same operations. A masked copy of the loop would make this method so large that
        // the JVM's first
        // compiler gives up on it ("out of virtual registers") and never hands it to the second: 30 times slower for
        // good.
        for (; i < count; i++) {
            long at = 4L * i;
            float gradient = Memory.getFloat(g + at) * gradScale;
            float first = Math.fma(Memory.getFloat(m + at), beta1, gradient * (float) (1 - (double) beta1));
            float second = Math.fma(Memory.getFloat(v + at), beta2, gradient * gradient * (float) (1 - (double) beta2));
            float update = first / ((float) Math.sqrt(second * correction) + eps);
            Memory.setFloat(p + at, Memory.getFloat(p + at) * keep - update * rate);
            Memory.setFloat(m + at, first);
            Memory.setFloat(v + at, second);
        }
    }
}
