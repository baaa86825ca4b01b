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
        packForward();
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
            packBackward(packed);
        }
        return packed;
    }

    @Override
    public void refresh() {
        packForward();
        MemorySegment packed = backward;
        if (packed != null) {
            packBackward(packed);
        }
    }

    private void packForward() {
        long source = weights.address();
        long target = forward.address();
        int panels = panels(outputs);
        forEachPanel(panels, (group, panel) -> {
            int first = panel * PANEL;
            long row = source + 4L * inputs * ((long) group * outputs + first);
            long to = target + ((long) group * panels + panel) * inputs * VectorMicroKernel.PANEL_ROW;
            transpose(row, Math.min(PANEL, outputs - first), to);
        });
        Reference.reachabilityFence(this);
    }

    private void packBackward(MemorySegment packed) {
        long source = weights.address();
        long target = packed.address();
        int panels = panels(inputs);
        forEachPanel(panels, (group, panel) -> {
            int first = panel * PANEL;
            long from = source + 4L * ((long) group * outputs * inputs + first);
            long to = target + ((long) group * panels + panel) * outputs * VectorMicroKernel.PANEL_ROW;
            copy(
                    from,
                    4L * inputs,
                    outputs,
                    Math.min(PANEL, inputs - first),
                    to,
                    VectorMicroKernel.PANEL_ROW,
                    PANEL,
                    round);
        });
        Reference.reachabilityFence(this);
    }

    private interface PanelTask {
        void run(int group, int panel);
    }

    private void forEachPanel(int panels, PanelTask task) {
        int tasks = groups * panels;
        if (weights.size() < PARALLEL_ELEMENTS) {
            for (int i = 0; i < tasks; i++) {
                task.run(i / panels, i % panels);
            }
        } else {
            pool.run(tasks, (i, worker) -> task.run(i / panels, i % panels));
        }
    }

    /** Copies {@code count} rows of {@code inputs} weights to the columns of a panel; zeros for the missing rows. */
    private void transpose(long row, int count, long panel) {
        if (count < PANEL) {
            Memory.zero(panel, inputs * VectorMicroKernel.PANEL_ROW);
        }
        // Sixteen weights of a row, one cache line, go to sixteen lines of the panel, which stay in the cache until
        // all rows have written to them.
        for (int from = 0; from < inputs; from += 16) {
            int to = Math.min(inputs, from + 16);
            for (int j = 0; j < count; j++) {
                long source = row + 4L * inputs * j;
                long target = panel + 4L * j;
                for (int i = from; i < to; i++) {
                    float weight = Memory.getFloat(source + 4L * i);
                    Memory.setFloat(target + i * VectorMicroKernel.PANEL_ROW, round ? rounded(weight) : weight);
                }
            }
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
