package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Where logits become probabilities: the log-probability of given tokens, its gradient, and sampling.
 *
 * <p>All three form {@code z_i = l_i / T - m} with {@code m} the largest scaled logit, and {@code Z = Σ exp(z_i)} in the sixteen lanes, by
 * the same operations. So a sampled token's log-probability is, to the bit, the one that training computes for it later.
 */
final class VectorLogProbs {
    /** Here and below, exp is 0 in float. Moved here, a logit of minus infinity does no harm in the products {@code p log p}. */
    private static final float FLOOR = VectorMath.EXP_LOWEST;

    /** An exponential and its neighbourhood, in plain element operations. */
    private static final int EXP_COST = 8;

    /** Elements that are summed as one when sampling looks for the place of a uniform number. */
    private static final int BLOCK = 256;

    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorLogProbs(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    // ---- log-probabilities

    /**
     * {@code logProb = z_target - log Z} rather than the difference of two large numbers; {@code logSumExp = m + log Z};
     * {@code entropy = log Z - Σ exp(z_i) z_i / Z}.
     */
    void logProbs(
            Tensor logits,
            Tensor targets,
            float inverseTemperature,
            Tensor logProbs,
            @Nullable Tensor entropy,
            @Nullable Tensor slopes,
            @Nullable Tensor slopeScales) {
        long rows = logits.rows();
        int vocabulary = Math.toIntExact(logits.columns());
        Checks.f32("logits", logits);
        checkTargets(targets, rows, vocabulary);
        checkInverseTemperature(inverseTemperature);
        Checks.denseF32("logProbs", logProbs, rows);
        if (entropy != null) {
            Checks.denseF32("entropy", entropy, rows);
        }
        if ((slopes == null) != (slopeScales == null)) {
            throw new IllegalArgumentException("slopes and slopeScales must both be present or both be absent");
        }
        if (slopes != null && slopeScales != null) {
            RowOutput.require("slopes", slopes, rows, vocabulary);
            Checks.denseF32("slopeScales", slopeScales, rows);
        }
        pool.forBlocks(rows, Grain.rows(rows, (long) EXP_COST * vocabulary), (from, to, worker) -> {
            long lanes = pool.scratch(worker, 2 * Lanes.BYTES);
            for (long n = from; n < to; n++) {
                long row = logits.rowAddress(n);
                int target = Checks.intAt(targets, n);
                float logit = target < 0 ? 0 : Memory.getFloat(row + 4L * target);
                rowKernels.largest(row, vocabulary, 1, lanes);
                float max = Memory.getFloat(lanes) * inverseTemperature;
                // Without slopes nobody wants the exponentials: the logits are left alone.
                rowKernels.exponentials(row, inverseTemperature, max, vocabulary, lanes, slopes == null ? 0 : row);
                float sum = Lanes.sum(lanes);
                double logSum = StrictMath.log(sum);
                Checks.setFloat(logProbs, n, target < 0 ? 0 : logProb(logit, inverseTemperature, max, logSum));
                if (entropy != null) {
                    double mean = (double) Lanes.sum(lanes + Lanes.BYTES) / sum;
                    Checks.setFloat(entropy, n, (float) (logSum - mean));
                }
                if (slopes != null && slopeScales != null) {
                    Checks.setFloat(slopeScales, n, target < 0 ? 0 : -inverseTemperature / sum);
                    finishSlopes(row, vocabulary, target, sum, slopes, n);
                }
            }
        });
    }

    /** Exponentials of a row, in place of its logits, become its slopes. */
    private static void finishSlopes(long row, int vocabulary, int target, float sum, Tensor slopes, long n) {
        if (target >= 0) {
            Memory.setFloat(row + 4L * target, Memory.getFloat(row + 4L * target) - sum);
        }
        if (slopes.dtype() == DType.BF16) {
            Bfloat16.round(row, vocabulary, slopes.rowAddress(n));
        } else if (slopes.rowAddress(n) != row) {
            Memory.copy(row, slopes.rowAddress(n), 4L * vocabulary);
        }
    }

    private static void checkTargets(Tensor targets, long rows, int vocabulary) {
        Checks.denseI32("targets", targets, rows);
        for (long n = 0; n < rows; n++) {
            if (Checks.intAt(targets, n) >= vocabulary) {
                throw new IndexOutOfBoundsException("targets[" + n + "] = " + Checks.intAt(targets, n)
                        + " is outside the vocabulary of " + vocabulary);
            }
        }
    }

    private static void checkInverseTemperature(float inverse) {
        if (!(inverse > 0) || Float.isInfinite(inverse)) {
            throw new IllegalArgumentException("1 / temperature must be positive and finite, is " + inverse);
        }
    }

    /** The one formula for a token's log-probability. */
    private static float logProb(float logit, float inverseTemperature, float max, double logSum) {
        float scaled = logit * inverseTemperature;
        return (float) ((double) scaled - max - logSum);
    }

    /**
     * The largest logit; the order does not matter. Four vectors at a time, because each comparison waits for the one before it. (A NaN
     * is passed over here and shows in the sum of the exponentials.)
     */
    static float largest(long row, int vocabulary) {
        FloatVector max0 = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
        FloatVector max1 = max0;
        FloatVector max2 = max0;
        FloatVector max3 = max0;
        int i = 0;
        for (; i <= vocabulary - 4 * Lanes.COUNT; i += 4 * Lanes.COUNT) {
            FloatVector x0 = fromMemorySegment(SPECIES, ALL, row + 4L * i, ORDER);
            FloatVector x1 = fromMemorySegment(SPECIES, ALL, row + 4L * (i + Lanes.COUNT), ORDER);
            FloatVector x2 = fromMemorySegment(SPECIES, ALL, row + 4L * (i + 2 * Lanes.COUNT), ORDER);
            FloatVector x3 = fromMemorySegment(SPECIES, ALL, row + 4L * (i + 3 * Lanes.COUNT), ORDER);
            max0 = max0.blend(x0, x0.compare(VectorOperators.GT, max0));
            max1 = max1.blend(x1, x1.compare(VectorOperators.GT, max1));
            max2 = max2.blend(x2, x2.compare(VectorOperators.GT, max2));
            max3 = max3.blend(x3, x3.compare(VectorOperators.GT, max3));
        }
        float max = max0.max(max1).max(max2.max(max3)).reduceLanes(VectorOperators.MAX);
        for (; i < vocabulary; i++) {
            float x = Memory.getFloat(row + 4L * i);
            max = x > max ? x : max;
        }
        return max;
    }

    /**
     * Leaves {@code Σ exp(z_i)} in the lanes and {@code Σ exp(z_i) z_i} in as many after them.
     *
     * @param out where the exponentials go, or 0 if they are not wanted
     */
    static void exponentials(long row, float inverseTemperature, float max, int vocabulary, long lanes, long out) {
        long products = lanes + Lanes.BYTES;
        for (int part = 0; part < Lanes.VIRTUAL; part += Lanes.COUNT) {
            FloatVector sum = FloatVector.zero(SPECIES);
            FloatVector product = FloatVector.zero(SPECIES);
            for (int i = part; i <= vocabulary - Lanes.COUNT; i += Lanes.VIRTUAL) {
                FloatVector z = fromMemorySegment(SPECIES, ALL, row + 4L * i, ORDER)
                        .mul(inverseTemperature)
                        .sub(max);
                z = z.blend(FLOOR, z.compare(VectorOperators.LT, FLOOR));
                FloatVector e = VectorMath.expNotPositive(z);
                sum = sum.add(e);
                product = e.fma(z, product);
                if (out != 0) {
                    e.intoMemorySegment(ALL, out + 4L * i, ORDER);
                }
            }
            sum.intoMemorySegment(ALL, lanes + 4L * part, ORDER);
            product.intoMemorySegment(ALL, products + 4L * part, ORDER);
        }
        for (int i = vocabulary - vocabulary % Lanes.COUNT; i < vocabulary; i++) {
            long lane = 4L * (i % Lanes.VIRTUAL);
            float z = Memory.getFloat(row + 4L * i) * inverseTemperature - max;
            float e = VectorMath.exp(z);
            Memory.setFloat(lanes + lane, Memory.getFloat(lanes + lane) + e);
            float product = Math.fma(e, z < FLOOR ? FLOOR : z, Memory.getFloat(products + lane));
            Memory.setFloat(products + lane, product);
            if (out != 0) {
                Memory.setFloat(out + 4L * i, e);
            }
        }
    }

    // ---- sampling

    void sample(Tensor logits, Tensor temperatures, Tensor uniforms, Tensor tokens, Tensor logProbs) {
        long rows = logits.rows();
        int vocabulary = Math.toIntExact(logits.columns());
        Checks.f32("logits", logits);
        Checks.denseF32("temperatures", temperatures, rows);
        Checks.denseF32("uniforms", uniforms, rows);
        Checks.denseI32("tokens", tokens, rows);
        Checks.denseF32("logProbs", logProbs, rows);
        for (long n = 0; n < rows; n++) {
            float temperature = Checks.floatAt(temperatures, n);
            float uniform = Checks.floatAt(uniforms, n);
            if (!(temperature >= 0) || Float.isInfinite(temperature) || !(uniform >= 0 && uniform < 1)) {
                throw new IllegalArgumentException("row " + n + ": temperature must be finite and at least 0, is "
                        + temperature + "; uniform must be in [0, 1), is " + uniform);
            }
        }
        pool.forBlocks(rows, Grain.rows(rows, (long) EXP_COST * vocabulary), (from, to, worker) -> {
            int blocks = vocabulary / BLOCK + 1;
            long lanes = pool.scratch(worker, 2 * Lanes.BYTES + Memory.align(4L * blocks) + 4L * vocabulary);
            long blockSums = lanes + 2 * Lanes.BYTES;
            long exponentials = blockSums + Memory.align(4L * blocks);
            for (long n = from; n < to; n++) {
                long row = logits.rowAddress(n);
                float temperature = Checks.floatAt(temperatures, n);
                float inverse = temperature == 0 ? 1 : 1 / temperature;
                rowKernels.largest(row, vocabulary, 1, lanes);
                float largest = Memory.getFloat(lanes);
                float max = largest * inverse;
                rowKernels.exponentials(row, inverse, max, vocabulary, lanes, exponentials);
                float sum = Lanes.sum(lanes);
                if (!(sum > 0) || Float.isInfinite(sum)) {
                    throw new ArithmeticException("row " + n + " of the logits is no distribution: largest logit "
                            + largest + ", temperature " + temperature);
                }
                int token = temperature == 0
                        ? indexOfLargest(largest, row, vocabulary, blockSums)
                        : invert(exponentials, vocabulary, Checks.floatAt(uniforms, n), lanes, blockSums);
                Checks.setInt(tokens, n, token);
                Checks.setFloat(
                        logProbs, n, logProb(Memory.getFloat(row + 4L * token), inverse, max, StrictMath.log(sum)));
            }
        });
    }

    /** The first of the largest, in the first block that has it. */
    private int indexOfLargest(float value, long row, int vocabulary, long blockLargest) {
        int blocks = vocabulary / BLOCK;
        rowKernels.largest(row, BLOCK, blocks, blockLargest);
        int first = 0;
        while (first < blocks && Memory.getFloat(blockLargest + 4L * first) != value) {
            first++;
        }
        for (int i = first * BLOCK; i < vocabulary; i++) {
            if (Memory.getFloat(row + 4L * i) == value) {
                return i;
            }
        }
        throw new ArithmeticException("no logit equals the largest, " + value);
    }

    /**
     * The first token at which the cumulative weight exceeds {@code uniform} times the total. The search goes by blocks of 256 tokens, whose
     * sums it adds in double, then token by token inside one block. As the total is the same sum over the same blocks and the uniform is
     * below 1, some block always contains the threshold; where rounding carries it past that block's last token, the last token of
     * the block with any probability is taken.
     *
     * @param blockSums room for a float for each block
     */
    private int invert(long weights, int vocabulary, float uniform, long lanes, long blockSums) {
        int whole = vocabulary / BLOCK;
        rowKernels.sums(weights, BLOCK, whole, blockSums, lanes);
        rowKernels.sums(weights + 4L * whole * BLOCK, vocabulary % BLOCK, 1, blockSums + 4L * whole, lanes);
        double total = 0;
        long sum = blockSums;
        for (int i = 0; i < vocabulary; i += BLOCK, sum += Float.BYTES) {
            total += Memory.getFloat(sum);
        }
        double threshold = uniform * total;
        double below = 0;
        sum = blockSums;
        for (int i = 0; i < vocabulary; i += BLOCK, sum += Float.BYTES) {
            int size = Math.min(BLOCK, vocabulary - i);
            double block = Memory.getFloat(sum);
            if (below + block > threshold) {
                int possible = i;
                for (int j = i; j < i + size; j++) {
                    float weight = Memory.getFloat(weights + 4L * j);
                    below += weight;
                    if (weight > 0) {
                        possible = j;
                        if (below > threshold) {
                            return j;
                        }
                    }
                }
                return possible;
            }
            below += block;
        }
        throw new ArithmeticException("no token for uniform " + uniform + " of total " + total);
    }
}
