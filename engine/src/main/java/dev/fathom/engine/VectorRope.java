package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;

/**
 * Rotary position embeddings (arXiv 2104.09864): pair i turns by {@code position · frequency_i}. DeepSeek stores interleaved pairs,
 * {@code (x[2i], x[2i+1])}; Llama and Qwen as transformers knows them pair the halves, {@code (x[i], x[i + pairs])}.
 *
 * <p>The trick for interleaved pairs: a rotated pair is {@code x · (c, c) + swap(x) · (-s, s)}. The cosines and signed sines are spread out once per row into scratch
 * memory and then serve all heads, so that the rotation is a shuffle, two multiplications and an addition. Nothing is fused: the
 * scalar tail and every vector length give the same bits.
 */
final class VectorRope {
    /** Apart, so that who has {@link RowKernels} of his own need not wait until the Vector API is loaded. */
    private static final class Shuffles {
        /** Exchanges the two elements of every pair. */
        static final VectorShuffle<Float> SWAP = VectorShuffle.fromOp(SPECIES, i -> i ^ 1);
    }

    private final WorkerPool pool;
    private final RowKernels rowKernels;

    VectorRope(WorkerPool pool, RowKernels rowKernels) {
        this.pool = pool;
        this.rowKernels = rowKernels;
    }

    /** See {@link Kernels#rope}. */
    void rope(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        long pairs = table.cos().columns();
        long rows = x.rows();
        check(x, heads, headDim, offset, positions, table);
        pool.forBlocks(
                rows,
                Grain.rows(rows, 4 * heads * pairs),
                (from, to, worker) ->
                        rowKernels.rope(x, heads, headDim, offset, positions, table, inverse, from, to, worker));
    }

    static long scratchBytes(RopeTable table) {
        return 16 * table.cos().columns();
    }

    static void rope(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            long cosines) {
        int pairs = Math.toIntExact(table.cos().columns());
        int width = 2 * pairs;
        long sines = cosines + 4L * width;
        for (long r = from; r < to; r++) {
            int position = Checks.intAt(positions, r);
            long cos = table.cos().rowAddress(position);
            long sin = table.sin().rowAddress(position);
            for (int i = 0; i < pairs; i++) {
                float c = Memory.getFloat(cos + 4L * i);
                float s = Memory.getFloat(sin + 4L * i);
                s = inverse ? -s : s;
                Memory.setFloat(cosines + 8L * i, c);
                Memory.setFloat(cosines + 8L * i + 4, c);
                Memory.setFloat(sines + 8L * i, -s);
                Memory.setFloat(sines + 8L * i + 4, s);
            }
            long head = x.rowAddress(r) + 4L * offset;
            for (int h = 0; h < heads; h++) {
                rotate(head, width, cosines, sines);
                head += 4L * headDim;
            }
        }
    }

    /** See {@link Kernels#ropeHalves}. */
    void ropeHalves(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        long pairs = table.cos().columns();
        long rows = x.rows();
        check(x, heads, headDim, offset, positions, table);
        pool.forBlocks(
                rows,
                Grain.rows(rows, 2 * heads * pairs),
                (from, to, worker) ->
                        rowKernels.ropeHalves(x, heads, headDim, offset, positions, table, inverse, from, to, worker));
    }

    static void ropeHalves(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to) {
        int pairs = Math.toIntExact(table.cos().columns());
        float sign = inverse ? -1 : 1;
        for (long r = from; r < to; r++) {
            int position = Checks.intAt(positions, r);
            long cos = table.cos().rowAddress(position);
            long sin = table.sin().rowAddress(position);
            long head = x.rowAddress(r) + 4L * offset;
            for (int h = 0; h < heads; h++) {
                rotateHalves(head, pairs, cos, sin, sign);
                head += 4L * headDim;
            }
        }
    }

    private static void check(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table) {
        int width = 2 * Math.toIntExact(table.cos().columns());
        long rows = x.rows();
        x.require("rotated tensor", DType.F32, rows, (long) heads * headDim);
        Checks.denseI32("positions", positions, rows);
        if (offset < 0 || offset + width > headDim) {
            throw new IllegalArgumentException(
                    "rotated elements " + offset + ".." + (offset + width) + " of heads of " + headDim);
        }
        long limit = table.cos().rows();
        for (long r = 0; r < rows; r++) {
            int position = Checks.intAt(positions, r);
            if (position < 0 || position >= limit) {
                throw new IllegalArgumentException(
                        "position " + position + " of row " + r + " is outside the table's 0.." + (limit - 1));
            }
        }
    }

    private static void rotate(long x, int width, long cosines, long sines) {
        int i = 0;
        for (; i <= width - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER);
            FloatVector turned =
                    v.rearrange(Shuffles.SWAP).mul(FloatVector.fromMemorySegment(SPECIES, ALL, sines + 4L * i, ORDER));
            v.mul(FloatVector.fromMemorySegment(SPECIES, ALL, cosines + 4L * i, ORDER))
                    .add(turned)
                    .intoMemorySegment(ALL, x + 4L * i, ORDER);
        }
        for (; i < width; i += 2) {
            long pair = x + 4L * i;
            float x0 = Memory.getFloat(pair);
            float x1 = Memory.getFloat(pair + 4);
            float c = Memory.getFloat(cosines + 4L * i);
            float s = Memory.getFloat(sines + 4L * i + 4);
            Memory.setFloat(pair, x0 * c + x1 * -s);
            Memory.setFloat(pair + 4, x1 * c + x0 * s);
        }
    }

    /** {@code (x[i], x[i + pairs])} becomes {@code (x0 c - x1 s, x1 c + x0 s)}; cosines and sines lie as the table has them. */
    private static void rotateHalves(long x, int pairs, long cos, long sin, float sign) {
        long second = x + 4L * pairs;
        FloatVector signs = FloatVector.broadcast(SPECIES, sign);
        int i = 0;
        for (; i <= pairs - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector x0 = FloatVector.fromMemorySegment(SPECIES, ALL, x + 4L * i, ORDER);
            FloatVector x1 = FloatVector.fromMemorySegment(SPECIES, ALL, second + 4L * i, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(SPECIES, ALL, cos + 4L * i, ORDER);
            FloatVector s = FloatVector.fromMemorySegment(SPECIES, ALL, sin + 4L * i, ORDER)
                    .mul(signs);
            x0.mul(c).sub(x1.mul(s)).intoMemorySegment(ALL, x + 4L * i, ORDER);
            x1.mul(c).add(x0.mul(s)).intoMemorySegment(ALL, second + 4L * i, ORDER);
        }
        for (; i < pairs; i++) {
            float x0 = Memory.getFloat(x + 4L * i);
            float x1 = Memory.getFloat(second + 4L * i);
            float c = Memory.getFloat(cos + 4L * i);
            float s = Memory.getFloat(sin + 4L * i) * sign;
            Memory.setFloat(x + 4L * i, x0 * c - x1 * s);
            Memory.setFloat(second + 4L * i, x1 * c + x0 * s);
        }
    }
}
