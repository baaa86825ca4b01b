package dev.fathom.avx512;

import dev.fathom.avx512.StoredParts.Part;
import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.StoredGemm;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import dev.fathom.engine.quant.StoredWeights;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Products with stored weights by {@link StoredKernel}: integers of a block by integers, bf16 and FP8 by bf16, floats by floats. What has no
 * {@link StoredFormat}, or rows that are no whole number of its steps, is expanded to floats, sixteen rows at a time.
 *
 * <p>A task is a piece of one matrix. With few rows of x it is long, so that each core reads one long stretch of memory; with many it fits the second-level
 * cache, and all rows of x go through it eight at a time.
 */
final class Avx512StoredGemm implements StoredGemm {
    /** Bytes of weights per task that stay in the second-level cache while rows of x pass. */
    private static final long CACHED = 384 << 10;

    /** Least bytes of weights worth a task of their own. */
    private static final long LEAST = 32 << 10;

    /** Tasks per thread if there is enough work: evens out threads of unequal speed. */
    private static final int TASKS_PER_THREAD = 8;

    /** With more rows than this, weights are turned once for all of them. */
    private static final int ROWS_WITHOUT_PANEL = 2 * StoredKernel.ROWS;

    /** Bytes of a panel, which stays in the second-level cache while rows of x pass. */
    private static final long PANEL = 320 << 10;

    private final WorkerPool pool;
    private final Map<StoredFormat, StoredKernel> kernels = new EnumMap<>(StoredFormat.class);

    Avx512StoredGemm(WorkerPool pool) {
        this.pool = pool;
    }

    @Override
    public String name() {
        return "AVX-512";
    }

    @Override
    public Prepared prepare(StoredWeights weights) {
        return new StoredParts(weights, format -> kernels.computeIfAbsent(format, StoredKernel::new));
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Prepared weights, Tensor y) {
        StoredParts parts = (StoredParts) weights;
        x.require("x", DType.F32, groups.rows(), parts.inputs());
        y.require("y", DType.F32, groups.rows(), parts.outputs());
        if (groups.count() != parts.groups()) {
            throw new IllegalArgumentException(
                    groups.count() + " groups of rows for " + parts.groups() + " weight matrices");
        }
        if (groups.rows() == 0) {
            return;
        }
        StoredOperands operands = StoredOperands.of(x, parts.operands(), pool);
        List<Piece> pieces = pieces(groups, parts);
        pool.run(pieces.size(), (task, worker) -> {
            Piece piece = pieces.get(task);
            Rows rows = operands.as(piece.part.format().operand());
            multiply(piece, rows, groups.from(piece.group), groups.to(piece.group), y, worker);
        });
        // The tasks know addresses only: without these the collector might free a tensor while it is read.
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(y);
        Reference.reachabilityFence(weights);
    }

    /** Some tiles of sixteen outputs of one matrix. */
    private record Piece(int group, Part part, long tile, long tiles) {}

    private List<Piece> pieces(RowGroups groups, StoredParts parts) {
        long bytes = 0;
        int most = 0;
        for (int g = 0; g < groups.count(); g++) {
            int rows = groups.to(g) - groups.from(g);
            bytes += rows == 0 ? 0 : parts.bytes(g);
            most = Math.max(most, rows);
        }
        long target = Math.max(LEAST, bytes / ((long) pool.threads() * TASKS_PER_THREAD));
        if (most > StoredKernel.ROWS) {
            target = Math.min(target, CACHED);
        }
        List<Piece> pieces = new ArrayList<>();
        for (int g = 0; g < groups.count(); g++) {
            if (groups.from(g) == groups.to(g)) {
                continue;
            }
            for (Part part : parts.group(g)) {
                long step = Math.max(1, target / (StoredKernel.OUTPUTS * part.rowBytes()));
                for (long tile = 0; tile < part.tiles(); ) {
                    long tiles = Math.min(step, Math.min(part.tiles() - tile, part.tilesWithSameScales(tile)));
                    pieces.add(new Piece(g, part, tile, tiles));
                    tile += tiles;
                }
            }
        }
        return pieces;
    }

    private void multiply(Piece piece, Rows x, int from, int to, Tensor y, int worker) {
        Part part = piece.part;
        long first = piece.tile * StoredKernel.OUTPUTS;
        long last = Math.min(part.matrix().rows(), first + piece.tiles * StoredKernel.OUTPUTS);
        long output = part.output() + first;
        if (!part.direct()) {
            for (long row = first; row < last; row += StoredKernel.OUTPUTS, output += StoredKernel.OUTPUTS) {
                int count = (int) Math.min(StoredKernel.OUTPUTS, last - row);
                multiply(part, expand(part, row, count, worker), 0, x, from, to, y, output, 1, count);
            }
            return;
        }
        int whole = (int) ((last - first) / StoredKernel.OUTPUTS);
        int rest = (int) ((last - first) % StoredKernel.OUTPUTS);
        Rows weights = part.rows(first);
        long scales = part.scales(first);
        if (whole > 0 && to - from > ROWS_WITHOUT_PANEL) {
            multiplyByPanels(part, weights, scales, x, from, to, y, output, whole, worker);
        } else if (whole > 0) {
            multiply(part, weights, scales, x, from, to, y, output, whole, StoredKernel.OUTPUTS);
        }
        if (rest > 0) {
            // The kernel reads sixteen rows; the file may end with fewer.
            long done = (long) whole * StoredKernel.OUTPUTS;
            long copy = pool.scratch(worker, StoredKernel.OUTPUTS * weights.stride());
            Memory.copy(weights.address() + done * weights.stride(), copy, rest * weights.stride());
            multiply(part, new Rows(copy, weights.stride()), scales, x, from, to, y, output + done, 1, rest);
        }
    }

    private static void multiply(
            Part part,
            Rows weights,
            long scales,
            Rows x,
            int from,
            int to,
            Tensor y,
            long output,
            int tiles,
            int outputs) {
        for (int r = from; r < to; r += StoredKernel.ROWS) {
            part.kernel()
                    .multiply(
                            weights.address(),
                            weights.stride(),
                            scales,
                            x.address() + r * x.stride(),
                            x.stride(),
                            y.rowAddress(r) + 4 * output,
                            4 * y.rowStride(),
                            part.steps(),
                            Math.min(StoredKernel.ROWS, to - r),
                            tiles,
                            outputs);
        }
    }

    private void multiplyByPanels(
            Part part,
            Rows weights,
            long scales,
            Rows x,
            int from,
            int to,
            Tensor y,
            long output,
            int tiles,
            int worker) {
        StoredKernel kernel = part.kernel();
        long tileBytes = kernel.panelBytes(part.steps());
        int most = (int) Math.clamp(PANEL / tileBytes, 1, tiles);
        long panel = Memory.align(pool.scratch(worker, most * tileBytes + Memory.ALIGNMENT));
        for (int tile = 0; tile < tiles; tile += most) {
            int count = Math.min(most, tiles - tile);
            long first = (long) tile * StoredKernel.OUTPUTS;
            kernel.pack(
                    weights.address() + first * weights.stride(), weights.stride(), scales, panel, part.steps(), count);
            for (int r = from; r < to; r += StoredKernel.ROWS) {
                kernel.multiplyPanel(
                        panel,
                        x.address() + r * x.stride(),
                        x.stride(),
                        y.rowAddress(r) + 4 * (output + first),
                        4 * y.rowStride(),
                        part.steps(),
                        Math.min(StoredKernel.ROWS, to - r),
                        count);
            }
        }
    }

    /** Rows as floats, zeros behind their last columns, an odd number of cache lines apart. */
    private Rows expand(Part part, long row, int count, int worker) {
        long columns = part.matrix().columns();
        long stride = Memory.align(4 * columns) | Memory.ALIGNMENT;
        long bytes = StoredKernel.OUTPUTS * stride;
        long scratch = pool.scratch(worker, bytes);
        MemorySegment memory = MemorySegment.ofAddress(scratch).reinterpret(bytes);
        Tensor rows = Tensor.of(memory, DType.F32, StoredKernel.OUTPUTS, stride / 4);
        part.matrix().decode(row, count, rows.rows(0, count).columns(0, columns));
        for (int i = 0; i < count; i++) {
            Memory.zero(scratch + i * stride + 4 * columns, stride - 4 * columns);
        }
        return new Rows(scratch, stride);
    }
}
