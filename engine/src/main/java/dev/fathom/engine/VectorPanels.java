package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * A stack of weight matrices in the order in which {@link VectorMicroKernel} reads them, and the copying into that order.
 *
 * <p>A panel holds {@link VectorMicroKernel#PANEL} neighbouring results' weights, one row per index of the reduction:
 * {@code panel[index][result]}, the last panel padded with zeros. Forward, a result is an output and the reduction runs over
 * the inputs, so packing transposes; backward it is the other way round, and packing copies. The backward panels are made when
 * they are first asked for: inference never needs them.
 *
 * <p>In {@link Precision#BF16} the panels hold floats that were rounded to bfloat16.
 */
final class VectorPanels implements Gemm.Packed {
    private static final VectorSpecies<Float> FLOATS = VectorMicroKernel.SPECIES;
    private static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);
    private static final int LANES = VectorMicroKernel.LANES;
    private static final int PANEL = VectorMicroKernel.PANEL;

    /** Fewer elements than this are packed by the calling thread alone. */
    private static final long PARALLEL_ELEMENTS = 1 << 16;

    private final Tensor weights;
    private final WorkerPool pool;
    private final boolean round;
    private final int groups;
    private final int outputs;
    private final int inputs;
    private final MemorySegment forward;
    private @Nullable MemorySegment backward;

    VectorPanels(Tensor weights, Precision precision, WorkerPool pool) {
        if (weights.dtype() != DType.F32 || weights.rank() < 2 || weights.rank() > 3 || !weights.isDense()) {
            throw new IllegalArgumentException(
                    "weights must be dense F32 [groups, outputs, inputs] or [outputs, inputs], are " + weights);
        }
        this.weights = weights;
        this.pool = pool;
        this.round = precision == Precision.BF16;
        this.groups = weights.rank() == 3 ? Math.toIntExact(weights.dim(0)) : 1;
        this.outputs = Math.toIntExact(weights.dim(weights.rank() - 2));
        this.inputs = Math.toIntExact(weights.columns());
        this.forward = allocate(outputs, inputs);
        pack(forward, null);
    }

    private MemorySegment allocate(long results, long length) {
        return Memory.allocate(Math.max(1, groups * groupBytes(results, length)));
    }

    /** Bytes of one group's panels. */
    static long groupBytes(long results, long length) {
        return panels(results) * length * VectorMicroKernel.PANEL_ROW;
    }

    /** Number of panels for so many results. */
    static int panels(long results) {
        return Math.toIntExact((results + PANEL - 1) / PANEL);
    }

    @Override
    public int groups() {
        return groups;
    }

    @Override
    public long outputs() {
        return outputs;
    }

    @Override
    public long inputs() {
        return inputs;
    }

    /** Panels of outputs, {@code [groups][panels][inputs][PANEL]}. */
    MemorySegment forward() {
        return forward;
    }

    /** Panels of inputs, {@code [groups][panels][outputs][PANEL]}. */
    MemorySegment backward() {
        MemorySegment packed = backward;
        if (packed == null) {
            packed = allocate(inputs, outputs);
            backward = packed;
            pack(null, packed);
        }
        return packed;
    }

    @Override
    public void refresh() {
        pack(forward, backward);
    }

    /** Task by task the weights of as many outputs as a panel has, for both directions: they are read from memory once. */
    private void pack(@Nullable MemorySegment forward, @Nullable MemorySegment backward) {
        int blocks = panels(outputs);
        int tasks = groups * blocks;
        if (weights.size() < PARALLEL_ELEMENTS) {
            for (int i = 0; i < tasks; i++) {
                pack(forward, backward, i / blocks, i % blocks);
            }
        } else {
            pool.run(tasks, (i, worker) -> pack(forward, backward, i / blocks, i % blocks));
        }
        Reference.reachabilityFence(this);
    }

    private void pack(@Nullable MemorySegment forward, @Nullable MemorySegment backward, int group, int block) {
        int first = block * PANEL;
        int count = Math.min(PANEL, outputs - first);
        long rows = weights.address() + 4L * inputs * ((long) group * outputs + first);
        if (forward != null) {
            packForward(
                    rows, count, forward.address() + group * groupBytes(outputs, inputs) + panelOffset(block, inputs));
        }
        if (backward != null) {
            long panels = backward.address() + group * groupBytes(inputs, outputs);
            packBackward(rows, count, panels + first * VectorMicroKernel.PANEL_ROW);
        }
    }

    private static long panelOffset(int panel, long length) {
        return panel * length * VectorMicroKernel.PANEL_ROW;
    }

    /** Rows of weights become the columns of a panel; zeros for the missing ones. */
    private void packForward(long rows, int count, long panel) {
        if (count < PANEL) {
            Memory.zero(panel, inputs * VectorMicroKernel.PANEL_ROW);
        }
        Transposition.of(rows, 4L * inputs, count, inputs, panel, VectorMicroKernel.PANEL_ROW);
        if (round) {
            long bytes = inputs * VectorMicroKernel.PANEL_ROW;
            copy(panel, bytes, 1, Math.toIntExact(bytes / 4), panel, bytes, 0, true);
        }
    }

    /** Rows of weights go, in pieces, to their places in all panels. */
    private void packBackward(long rows, int count, long panel) {
        for (int input = 0; input < inputs; input += PANEL) {
            int columns = Math.min(PANEL, inputs - input);
            copy(rows + 4L * input, 4L * inputs, count, columns, panel, VectorMicroKernel.PANEL_ROW, PANEL, round);
            panel += panelOffset(1, outputs);
        }
    }

    /**
     * Copies an operand, F32 or BF16, into floats. As {@link #copy(long, long, int, int, long, long, int, boolean)}.
     *
     * @param from address of the source, its rows {@code fromStride} bytes apart
     */
    static void copy(
            DType type,
            long from,
            long fromStride,
            int rows,
            int columns,
            long to,
            long toStride,
            int padded,
            boolean round) {
        if (type == DType.F32) {
            copy(from, fromStride, rows, columns, to, toStride, padded, round);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long row = to + r * toStride;
            Bfloat16.widen(from + r * fromStride, columns, row);
            for (int i = columns; i < padded; i++) {
                Memory.setFloat(row + 4L * i, 0);
            }
        }
    }

    /**
     * Copies a matrix, perhaps rounding to bfloat16, and widens its rows with zeros.
     *
     * @param from address of the source, its rows {@code fromStride} bytes apart
     * @param to address of the target, its rows {@code toStride} bytes apart
     * @param padded columns to write, at least {@code columns}
     */
    static void copy(
            long from, long fromStride, int rows, int columns, long to, long toStride, int padded, boolean round) {
        int vectors = columns - columns % LANES;
        for (int r = 0; r < rows; r++) {
            if (round) {
                for (int i = 0; i < vectors; i += LANES) {
                    IntVector bits = IntVector.fromMemorySegment(INTS, Memory.ALL, from + 4L * i, Memory.ORDER);
                    rounded(bits).intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
                }
            } else {
                for (int i = 0; i < vectors; i += LANES) {
                    FloatVector.fromMemorySegment(FLOATS, Memory.ALL, from + 4L * i, Memory.ORDER)
                            .intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
                }
            }
            for (int i = vectors; i < columns; i++) {
                float value = Memory.getFloat(from + 4L * i);
                Memory.setFloat(to + 4L * i, round ? rounded(value) : value);
            }
            for (int i = columns; i < padded; i++) {
                Memory.setFloat(to + 4L * i, 0);
            }
            from += fromStride;
            to += toStride;
        }
    }

    /** Copies a matrix of finished sums to its place, or adds it there. Strides in bytes. */
    static void finish(long from, long fromStride, int rows, int columns, long to, long toStride, boolean add) {
        int vectors = columns - columns % LANES;
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < vectors; i += LANES) {
                FloatVector sum = FloatVector.fromMemorySegment(FLOATS, Memory.ALL, from + 4L * i, Memory.ORDER);
                if (add) {
                    sum = FloatVector.fromMemorySegment(FLOATS, Memory.ALL, to + 4L * i, Memory.ORDER)
                            .add(sum);
                }
                sum.intoMemorySegment(Memory.ALL, to + 4L * i, Memory.ORDER);
            }
            for (int i = vectors; i < columns; i++) {
                float sum = Memory.getFloat(from + 4L * i);
                Memory.setFloat(to + 4L * i, add ? Memory.getFloat(to + 4L * i) + sum : sum);
            }
            from += fromStride;
            to += toStride;
        }
    }

    private static float rounded(float value) {
        return Memory.fromBf16(Memory.toBf16(value));
    }

    /** {@link Memory#toBf16} and back for a vector of float bits. */
    private static IntVector rounded(IntVector bits) {
        IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
        IntVector nearest = bits.add(0x7fff).add(odd);
        VectorMask<Integer> nan = bits.and(0x7fff_ffff).compare(VectorOperators.GT, 0x7f80_0000);
        return nearest.blend(bits.or(0x40_0000), nan).and(0xffff_0000);
    }
}
