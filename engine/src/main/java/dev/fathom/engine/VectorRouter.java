package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * Auxiliary-loss-free routing of DeepSeek-V3 (arXiv 2412.19437 section 2.1.2) and its sequence-wise balance loss; and, forward only, the softmax
 * routing of DeepSeek-V2 ({@link Routing.Scoring}).
 *
 * <p>For a token with scores {@code s = sigmoid(logits)}, experts are chosen by {@code s + bias}: first the groups with the largest sum of
 * their two best, then the best experts of those. The bias steers the choice alone; the gate of a chosen expert is its plain score.
 */
final class VectorRouter {
    /** Keeps a division by the sum of scores finite when all of them are 0; the value of the released code. */
    private static final float TINY = 1e-20f;

    /** Scanning scores for the best few is scalar work. */
    private static final int ROUTE_COST = 24;

    private final WorkerPool pool;

    VectorRouter(WorkerPool pool) {
        this.pool = pool;
    }

    // ---- choosing experts

    void route(Tensor logits, Tensor bias, Routing routing, Tensor scores, Tensor chosen, Tensor gates) {
        long rows = logits.rows();
        int experts = routing.experts();
        int topK = routing.topK();
        logits.require("logits", DType.F32, rows, experts);
        Checks.denseF32("bias", bias, experts);
        scores.require("scores", DType.F32, rows, experts);
        chosen.require("chosen", DType.I32, rows, topK);
        gates.require("gates", DType.F32, rows, topK);
        // Scratch: the biased scores, the values of the best list, the rank list of groups.
        int groups = routing.groups();
        long bytes = 4L * (experts + Lanes.VIRTUAL + Math.max(topK, groups) + 2L * groups);
        pool.forBlocks(rows, Grain.rows(rows, (long) ROUTE_COST * experts), (from, to, worker) -> {
            long biased = pool.scratch(worker, bytes);
            long best = biased + 4L * (experts + Lanes.VIRTUAL);
            long groupSums = best + 4L * Math.max(topK, groups);
            long keptGroups = groupSums + 4L * groups;
            for (long n = from; n < to; n++) {
                long score = scores.rowAddress(n);
                if (routing.scoring() == Routing.Scoring.SIGMOID) {
                    sigmoid(logits.rowAddress(n), bias.address(), score, biased, experts);
                } else {
                    softmax(logits.rowAddress(n), bias.address(), score, biased, experts);
                }
                if (groups > 1) {
                    maskGroups(biased, routing, best, groupSums, keptGroups);
                }
                selectBest(biased, experts, topK, best, chosen.rowAddress(n));
                gates(score, routing, chosen.rowAddress(n), gates.rowAddress(n));
            }
        });
    }

    /** {@code score[i] = sigmoid(logit[i])} and {@code biased[i] = score[i] + bias[i]}. */
    private static void sigmoid(long logit, long bias, long score, long biased, int experts) {
        int i = 0;
        for (; i <= experts - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector s = VectorMath.sigmoid(fromMemorySegment(SPECIES, ALL, logit + 4L * i, ORDER));
            s.intoMemorySegment(ALL, score + 4L * i, ORDER);
            s.add(fromMemorySegment(SPECIES, ALL, bias + 4L * i, ORDER)).intoMemorySegment(ALL, biased + 4L * i, ORDER);
        }
        for (; i < experts; i++) {
            float s = VectorMath.sigmoid(Memory.getFloat(logit + 4L * i));
            Memory.setFloat(score + 4L * i, s);
            Memory.setFloat(biased + 4L * i, s + Memory.getFloat(bias + 4L * i));
        }
    }

    /** {@code score = softmax(logit)}, summed in double and in order, and {@code biased[i] = score[i] + bias[i]}. */
    private static void softmax(long logit, long bias, long score, long biased, int experts) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < experts; i++) {
            max = Math.max(max, Memory.getFloat(logit + 4L * i));
        }
        double sum = 0;
        for (int i = 0; i < experts; i++) {
            sum += StrictMath.exp(Memory.getFloat(logit + 4L * i) - (double) max);
        }
        for (int i = 0; i < experts; i++) {
            float s = (float) (StrictMath.exp(Memory.getFloat(logit + 4L * i) - (double) max) / sum);
            Memory.setFloat(score + 4L * i, s);
            Memory.setFloat(biased + 4L * i, s + Memory.getFloat(bias + 4L * i));
        }
    }

    /**
     * Sets the biased scores of all but the best groups to minus infinity. Not to 0, as one published implementation does: with a negative
     * bias a kept expert may stand below 0.
     */
    private static void maskGroups(long biased, Routing routing, long best, long groupSums, long keptGroups) {
        int groups = routing.groups();
        int perGroup = routing.experts() / groups;
        for (int g = 0; g < groups; g++) {
            float first = Float.NEGATIVE_INFINITY;
            float second = Float.NEGATIVE_INFINITY;
            for (int i = g * perGroup; i < (g + 1) * perGroup; i++) {
                float value = Memory.getFloat(biased + 4L * i);
                if (value > first) {
                    second = first;
                    first = value;
                } else if (value > second) {
                    second = value;
                }
            }
            boolean single = routing.scoring() == Routing.Scoring.SOFTMAX;
            Memory.setFloat(groupSums + 4L * g, single ? first : first + second);
        }
        selectBest(groupSums, groups, routing.topGroups(), best, keptGroups);
        for (int g = 0; g < groups; g++) {
            boolean kept = false;
            for (int rank = 0; rank < routing.topGroups(); rank++) {
                kept |= Memory.getInt(keptGroups + 4L * rank) == g;
            }
            for (int i = g * perGroup; !kept && i < (g + 1) * perGroup; i++) {
                Memory.setFloat(biased + 4L * i, Float.NEGATIVE_INFINITY);
            }
        }
    }

    /**
     * Writes the indices of the {@code k} largest values, best first, the lower index first among equals.
     *
     * <p>A value enters the list behind those that are at least as large, so equal values keep their order. NaN counts as minus infinity: a
     * diverged run must end in a NaN loss, not in an index outside the array.
     *
     * @param best scratch for k floats
     * @param chosen out: k ints
     */
    private static void selectBest(long values, int count, int k, long best, long chosen) {
        int filled = 0;
        float last = Float.NEGATIVE_INFINITY; // the smallest in the full list
        for (int i = 0; i < count; i++) {
            float value = Memory.getFloat(values + 4L * i);
            if (Float.isNaN(value)) {
                value = Float.NEGATIVE_INFINITY;
            }
            if (filled == k && !(value > last)) {
                continue;
            }
            int rank = filled < k ? filled++ : k - 1;
            while (rank > 0 && value > Memory.getFloat(best + 4L * (rank - 1))) {
                Memory.setFloat(best + 4L * rank, Memory.getFloat(best + 4L * (rank - 1)));
                Memory.setInt(chosen + 4L * rank, Memory.getInt(chosen + 4L * (rank - 1)));
                rank--;
            }
            Memory.setFloat(best + 4L * rank, value);
            Memory.setInt(chosen + 4L * rank, i);
            last = Memory.getFloat(best + 4L * (filled - 1));
        }
    }

    /** {@code gate[rank] = scale * s[chosen]}, divided by the sum of the chosen scores if normalised. */
    private static void gates(long score, Routing routing, long chosen, long gate) {
        float sum = routing.normalize() ? sumOfChosen(score, routing, chosen) : 1;
        for (int rank = 0; rank < routing.topK(); rank++) {
            float s = Memory.getFloat(score + 4L * Memory.getInt(chosen + 4L * rank));
            Memory.setFloat(gate + 4L * rank, s / sum * routing.scale());
        }
    }

    private static float sumOfChosen(long score, Routing routing, long chosen) {
        float sum = 0;
        for (int rank = 0; rank < routing.topK(); rank++) {
            sum += Memory.getFloat(score + 4L * Memory.getInt(chosen + 4L * rank));
        }
        return sum + TINY;
    }

    /**
     * The choice has no gradient; the gates have. With {@code g_i = c s_i / S} and {@code S} the sum of the chosen scores,
     * {@code ds_i = c / S * (dg_i - Σ_j dg_j s_j / S)}; without normalisation {@code ds_i = c dg_i}. Then {@code dLogit = ds s (1 - s)}.
     */
    void routeBackward(
            Tensor dGates,
            @Nullable Tensor dScores,
            Tensor scores,
            Tensor chosen,
            Tensor gates,
            Routing routing,
            Tensor dLogits) {
        if (routing.scoring() != Routing.Scoring.SIGMOID) {
            throw new UnsupportedOperationException("softmax routing has no backward pass");
        }
        long rows = scores.rows();
        int experts = routing.experts();
        int topK = routing.topK();
        scores.require("scores", DType.F32, rows, experts);
        dLogits.require("dLogits", DType.F32, rows, experts);
        dGates.require("dGates", DType.F32, rows, topK);
        gates.require("gates", DType.F32, rows, topK);
        chosen.require("chosen", DType.I32, rows, topK);
        Checks.indices("chosen", chosen, rows * topK, experts);
        if (dScores != null) {
            dScores.require("dScores", DType.F32, rows, experts);
        }
        pool.forBlocks(rows, Grain.rows(rows, experts + 8L * topK), (from, to, worker) -> {
            for (long n = from; n < to; n++) {
                if (dScores != null) {
                    throughSigmoid(dScores.rowAddress(n), scores.rowAddress(n), dLogits.rowAddress(n), experts);
                }
                throughGates(
                        dGates.rowAddress(n),
                        scores.rowAddress(n),
                        chosen.rowAddress(n),
                        routing,
                        dLogits.rowAddress(n));
            }
        });
    }

    /** {@code dLogit[i] += dScore[i] * s[i] * (1 - s[i])} for all experts. */
    private static void throughSigmoid(long dScore, long score, long dLogit, int experts) {
        FloatVector one = FloatVector.broadcast(SPECIES, 1);
        int i = 0;
        for (; i <= experts - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector s = fromMemorySegment(SPECIES, ALL, score + 4L * i, ORDER);
            FloatVector slope = s.mul(one.sub(s));
            fromMemorySegment(SPECIES, ALL, dScore + 4L * i, ORDER)
                    .fma(slope, fromMemorySegment(SPECIES, ALL, dLogit + 4L * i, ORDER))
                    .intoMemorySegment(ALL, dLogit + 4L * i, ORDER);
        }
        if (i < experts) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, experts);
            FloatVector s = fromMemorySegment(SPECIES, ALL, score + 4L * i, ORDER, mask);
            FloatVector slope = s.mul(one.sub(s));
            FloatVector sum = fromMemorySegment(SPECIES, ALL, dScore + 4L * i, ORDER, mask)
                    .fma(slope, fromMemorySegment(SPECIES, ALL, dLogit + 4L * i, ORDER, mask));
            sum.intoMemorySegment(ALL, dLogit + 4L * i, ORDER, mask);
        }
    }

    private static void throughGates(long dGate, long score, long chosen, Routing routing, long dLogit) {
        float sum = 1;
        float common = 0;
        if (routing.normalize()) {
            sum = sumOfChosen(score, routing, chosen);
            for (int rank = 0; rank < routing.topK(); rank++) {
                float s = Memory.getFloat(score + 4L * Memory.getInt(chosen + 4L * rank));
                common += Memory.getFloat(dGate + 4L * rank) * (s / sum);
            }
        }
        for (int rank = 0; rank < routing.topK(); rank++) {
            int expert = Memory.getInt(chosen + 4L * rank);
            float s = Memory.getFloat(score + 4L * expert);
            float dScore = routing.scale() * (Memory.getFloat(dGate + 4L * rank) - common) / sum;
            long address = dLogit + 4L * expert;
            Memory.setFloat(address, Memory.getFloat(address) + dScore * s * (1 - s));
        }
    }

    // ---- balance

    /**
     * For a sequence of T tokens, {@code f_i = experts / (topK T) * |{t : i chosen}|} and {@code P_i = 1/T Σ_t s_ti / S_t} with {@code S_t} the
     * sum over all experts. Only P has a gradient: {@code dL/ds_ti = alpha / N * (f_i - Σ_j f_j s_tj / S_t) / S_t}. The loss is
     * {@code alpha / N Σ_t Σ_i f_i s_ti / S_t}, so one walk over the rows gives both.
     */
    double balanceLoss(Tensor scores, Tensor chosen, Routing routing, Segments segments, float alpha, Tensor dScores) {
        long rows = scores.rows();
        int experts = routing.experts();
        int topK = routing.topK();
        scores.require("scores", DType.F32, segments.rows(), experts);
        dScores.require("dScores", DType.F32, rows, experts);
        chosen.require("chosen", DType.I32, rows, topK);
        Checks.indices("chosen", chosen, rows * topK, experts);
        double[] sums = new double[segments.count()];
        // A sequence is a task, as its counts come before its rows.
        long perTask = Grain.rows(segments.count(), 3L * experts * rows / Math.max(1, segments.count()));
        pool.forBlocks(segments.count(), perTask, (from, to, worker) -> {
            long lanes = pool.scratch(worker, Lanes.BYTES + 4L * experts);
            long frequency = lanes + Lanes.BYTES;
            for (int s = (int) from; s < to; s++) {
                int first = segments.rowStart()[s];
                int count = segments.rowCount()[s];
                frequencies(chosen, first, count, routing, frequency);
                double sum = 0;
                for (int n = first; n < first + count; n++) {
                    sum += balanceRow(
                            scores.rowAddress(n), frequency, alpha / rows, dScores.rowAddress(n), experts, lanes);
                }
                sums[s] = sum;
            }
        });
        double loss = 0;
        for (double sum : sums) {
            loss += sum;
        }
        return rows == 0 ? 0 : loss * alpha / rows;
    }

    /** {@code frequency[i] = experts / (topK * count)} times how often expert i was chosen in these rows. */
    private static void frequencies(Tensor chosen, int first, int count, Routing routing, long frequency) {
        Memory.zero(frequency, 4L * routing.experts());
        for (int n = first; n < first + count; n++) {
            for (int rank = 0; rank < routing.topK(); rank++) {
                long address = frequency + 4L * Memory.getInt(chosen.rowAddress(n) + 4L * rank);
                Memory.setFloat(address, Memory.getFloat(address) + 1);
            }
        }
        double unit = (double) routing.experts() / ((double) routing.topK() * count);
        for (int i = 0; i < routing.experts(); i++) {
            Memory.setFloat(frequency + 4L * i, (float) (Memory.getFloat(frequency + 4L * i) * unit));
        }
    }

    /** Writes a row of the gradient and returns {@code Σ_i f_i s_i / S}. */
    private static double balanceRow(long score, long frequency, float weight, long dScore, int experts, long lanes) {
        float total = Lanes.sumOfRow(score, experts, lanes) + TINY;
        float mean = Lanes.dot(score, frequency, experts, lanes) / total;
        FloatVector means = FloatVector.broadcast(SPECIES, mean);
        FloatVector factor = FloatVector.broadcast(SPECIES, weight / total);
        int i = 0;
        for (; i <= experts - Lanes.COUNT; i += Lanes.COUNT) {
            fromMemorySegment(SPECIES, ALL, frequency + 4L * i, ORDER)
                    .sub(means)
                    .mul(factor)
                    .intoMemorySegment(ALL, dScore + 4L * i, ORDER);
        }
        if (i < experts) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, experts);
            fromMemorySegment(SPECIES, ALL, frequency + 4L * i, ORDER, mask)
                    .sub(means)
                    .mul(factor)
                    .intoMemorySegment(ALL, dScore + 4L * i, ORDER, mask);
        }
        return mean;
    }
}
