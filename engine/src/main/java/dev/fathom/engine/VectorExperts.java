package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/**
 * The way of tokens to their experts and back. Rows are sorted by expert, so that each expert multiplies one block of rows, and no token is
 * ever dropped or padded. Every (token, rank) pair owns one sorted row, so both directions are gathers, and sums run in rank order.
 */
final class VectorExperts {
    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorExperts(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    /** A counting sort: count the pairs of each expert, then deal the pairs out in token order. */
    RowGroups sortByExpert(Tensor chosen, int experts, Tensor rowOf, Tensor tokenOf) {
        long tokens = chosen.rows();
        int topK = Math.toIntExact(chosen.columns());
        int pairs = Math.toIntExact(tokens * topK);
        Checks.indices("chosen", chosen, pairs, experts);
        rowOf.require("rowOf", DType.I32, tokens, topK);
        Checks.denseI32("rowOf", rowOf, pairs);
        Checks.denseI32("tokenOf", tokenOf, pairs);
        int[] offsets = new int[experts + 1];
        for (int pair = 0; pair < pairs; pair++) {
            offsets[Checks.intAt(chosen, pair) + 1]++;
        }
        for (int e = 0; e < experts; e++) {
            offsets[e + 1] += offsets[e];
        }
        int[] next = offsets.clone();
        for (int token = 0, pair = 0; token < tokens; token++) {
            for (int rank = 0; rank < topK; rank++, pair++) {
                int row = next[Checks.intAt(chosen, pair)]++;
                Checks.setInt(rowOf, pair, row);
                Checks.setInt(tokenOf, row, token);
            }
        }
        return new RowGroups(offsets);
    }

    // ---- to the experts

    void gather(Tensor x, Tensor tokenOf, Tensor out) {
        long rows = tokenOf.size();
        long width = x.columns();
        RowOutput.require("x", x, x.rows(), width);
        Checks.indices("tokenOf", tokenOf, rows, x.rows());
        out.require("out", x.dtype(), rows, width);
        pool.forBlocks(rows, Grain.rows(rows, width), (from, to, worker) -> {
            for (long row = from; row < to; row++) {
                long bytes = x.dtype().bytes() * width;
                Memory.copy(x.rowAddress(Checks.intAt(tokenOf, row)), out.rowAddress(row), bytes);
            }
        });
    }

    void gatherBackward(Tensor dOut, Tensor rowOf, Tensor dx, boolean accumulate) {
        long tokens = dx.rows();
        int topK = Math.toIntExact(rowOf.columns());
        int width = Math.toIntExact(dx.columns());
        Checks.f32("dx", dx);
        rowOf.require("rowOf", DType.I32, tokens, topK);
        Checks.indices("rowOf", rowOf, tokens * topK, dOut.rows());
        dOut.require("dOut", DType.F32, dOut.rows(), width);
        long zeros = pool.zeros(4L * width);
        pool.forBlocks(tokens, Grain.rows(tokens, (long) topK * width), (from, to, worker) -> {
            for (long t = from; t < to; t++) {
                long sum = dx.rowAddress(t);
                sumOfRows(accumulate ? sum : zeros, dOut, rowOf.rowAddress(t), topK, sum, width);
            }
        });
    }

    /** {@code sum[i] = before[i] + Σ_rank source[rows[rank], i]}. */
    private static void sumOfRows(long before, Tensor source, long rows, int topK, long sum, int width) {
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector ranks = FloatVector.zero(SPECIES);
            for (int rank = 0; rank < topK; rank++) {
                ranks = ranks.add(fromMemorySegment(
                        SPECIES, ALL, source.rowAddress(Memory.getInt(rows + 4L * rank)) + 4L * i, ORDER));
            }
            fromMemorySegment(SPECIES, ALL, before + 4L * i, ORDER)
                    .add(ranks)
                    .intoMemorySegment(ALL, sum + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector ranks = FloatVector.zero(SPECIES);
            for (int rank = 0; rank < topK; rank++) {
                ranks = ranks.add(fromMemorySegment(
                        SPECIES, ALL, source.rowAddress(Memory.getInt(rows + 4L * rank)) + 4L * i, ORDER, mask));
            }
            fromMemorySegment(SPECIES, ALL, before + 4L * i, ORDER, mask)
                    .add(ranks)
                    .intoMemorySegment(ALL, sum + 4L * i, ORDER, mask);
        }
    }

    // ---- and back

    void combine(@Nullable Tensor shared, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor y) {
        long tokens = y.rows();
        int topK = Math.toIntExact(rowOf.columns());
        int width = Math.toIntExact(y.columns());
        Checks.f32("y", y);
        rowOf.require("rowOf", DType.I32, tokens, topK);
        gates.require("gates", DType.F32, tokens, topK);
        Checks.indices("rowOf", rowOf, tokens * topK, expertOut.rows());
        expertOut.require("expertOut", DType.F32, expertOut.rows(), width);
        if (shared != null) {
            shared.require("shared", DType.F32, tokens, width);
        }
        long zeros = pool.zeros(4L * width);
        pool.forBlocks(tokens, Grain.rows(tokens, (long) topK * width), (from, to, worker) -> {
            for (long t = from; t < to; t++) {
                long start = shared == null ? zeros : shared.rowAddress(t);
                weightedSum(start, expertOut, rowOf.rowAddress(t), gates.rowAddress(t), topK, y.rowAddress(t), width);
            }
        });
    }

    /** {@code y[i] = start[i] + Σ_rank gates[rank] * source[rows[rank], i]}. */
    private static void weightedSum(long start, Tensor source, long rows, long gates, int topK, long y, int width) {
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector sum = fromMemorySegment(SPECIES, ALL, start + 4L * i, ORDER);
            for (int rank = 0; rank < topK; rank++) {
                FloatVector gate = FloatVector.broadcast(SPECIES, Memory.getFloat(gates + 4L * rank));
                long row = source.rowAddress(Memory.getInt(rows + 4L * rank));
                sum = fromMemorySegment(SPECIES, ALL, row + 4L * i, ORDER).fma(gate, sum);
            }
            sum.intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < width) {
            VectorMask<Float> mask = SPECIES.indexInRange(i, width);
            FloatVector sum = fromMemorySegment(SPECIES, ALL, start + 4L * i, ORDER, mask);
            for (int rank = 0; rank < topK; rank++) {
                FloatVector gate = FloatVector.broadcast(SPECIES, Memory.getFloat(gates + 4L * rank));
                long row = source.rowAddress(Memory.getInt(rows + 4L * rank));
                sum = fromMemorySegment(SPECIES, ALL, row + 4L * i, ORDER, mask).fma(gate, sum);
            }
            sum.intoMemorySegment(ALL, y + 4L * i, ORDER, mask);
        }
    }

    void combineBackward(Tensor dy, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor dExpertOut, Tensor dGates) {
        long tokens = dy.rows();
        int topK = Math.toIntExact(rowOf.columns());
        int width = Math.toIntExact(dy.columns());
        Checks.f32("dy", dy);
        rowOf.require("rowOf", DType.I32, tokens, topK);
        gates.require("gates", DType.F32, tokens, topK);
        dGates.require("dGates", DType.F32, tokens, topK);
        Checks.indices("rowOf", rowOf, tokens * topK, expertOut.rows());
        expertOut.require("expertOut", DType.F32, expertOut.rows(), width);
        RowOutput.require("dExpertOut", dExpertOut, expertOut.rows(), width);
        pool.forBlocks(
                tokens,
                Grain.rows(tokens, 2L * topK * width),
                (from, to, worker) ->
                        rowKernels.combineBackward(dy, expertOut, rowOf, gates, dExpertOut, dGates, from, to, worker));
    }

    static long combineScratchBytes(long width) {
        return Lanes.BYTES + RowOutput.scratchBytes(width);
    }

    static void combineBackward(
            Tensor dy,
            Tensor expertOut,
            Tensor rowOf,
            Tensor gates,
            Tensor dExpertOut,
            Tensor dGates,
            long from,
            long to,
            long scratch) {
        int topK = Math.toIntExact(rowOf.columns());
        int width = Math.toIntExact(dy.columns());
        RowOutput output = new RowOutput(dExpertOut, scratch + Lanes.BYTES);
        for (long t = from; t < to; t++) {
            for (int rank = 0; rank < topK; rank++) {
                int row = Memory.getInt(rowOf.rowAddress(t) + 4L * rank);
                float gate = Memory.getFloat(gates.rowAddress(t) + 4L * rank);
                VectorElementwise.scale(dy.rowAddress(t), gate, output.row(row), width);
                output.written(row);
                long dGate = dGates.rowAddress(t) + 4L * rank;
                float dot = Lanes.dot(dy.rowAddress(t), expertOut.rowAddress(row), width, scratch);
                Memory.setFloat(dGate, Memory.getFloat(dGate) + dot);
            }
        }
    }
}
