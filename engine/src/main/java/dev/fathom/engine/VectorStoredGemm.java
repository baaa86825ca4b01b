package dev.fathom.engine;

import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.engine.quant.StoredWeights;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;

/**
 * Products with stored weights in pure Java: a task expands a few rows of weights to binary32, which then lie in the caches, and takes their dot
 * products with every row of x ({@link DotTile}). Exact up to the f32 sum.
 */
final class VectorStoredGemm implements StoredGemm {
    /** Rows of weights per task. */
    private static final int TILE = 16;

    private final WorkerPool pool;

    VectorStoredGemm(WorkerPool pool) {
        this.pool = pool;
    }

    @Override
    public String name() {
        return "vector " + Lanes.SPECIES.vectorBitSize() + "-bit";
    }

    @Override
    public Prepared prepare(StoredWeights weights) {
        return new Tiles(weights);
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Prepared weights, Tensor y) {
        Tiles tiles = (Tiles) weights;
        x.require("x", DType.F32, groups.rows(), tiles.inputs());
        y.require("y", DType.F32, groups.rows(), tiles.outputs());
        if (groups.count() != tiles.groups()) {
            throw new IllegalArgumentException(
                    groups.count() + " groups of rows for " + tiles.groups() + " weight matrices");
        }
        List<Tile> work = new ArrayList<>();
        for (int g = 0; g < groups.count(); g++) {
            if (groups.to(g) > groups.from(g)) {
                work.addAll(tiles.tiles.get(g));
            }
        }
        pool.run(work.size(), (task, worker) -> multiply(work.get(task), x, groups, y, worker));
        Reference.reachabilityFence(x);
        Reference.reachabilityFence(y);
    }

    private void multiply(Tile tile, Tensor x, RowGroups groups, Tensor y, int worker) {
        int columns = Math.toIntExact(tile.matrix.columns());
        // Rows of a power of two bytes would fall on the same few places of the cache.
        long stride = Memory.align(4L * columns) | Memory.ALIGNMENT;
        long scratch = pool.scratch(worker, DotTile.SCRATCH + tile.count * stride);
        long decoded = scratch + DotTile.SCRATCH;
        MemorySegment memory = MemorySegment.ofAddress(decoded).reinterpret(tile.count * stride);
        Tensor rows = Tensor.of(memory, DType.F32, tile.count, stride / 4).columns(0, columns);
        tile.matrix.decode(tile.row, tile.count, rows);
        int from = groups.from(tile.group);
        DotTile.multiply(
                x.rowAddress(from),
                4 * x.rowStride(),
                groups.to(tile.group) - from,
                decoded,
                stride,
                tile.count,
                columns,
                y.rowAddress(from) + 4 * tile.output,
                4 * y.rowStride(),
                scratch);
    }

    /** Some rows of one stored matrix, and the output that the first of them is. */
    private record Tile(int group, StoredMatrix matrix, long row, int count, long output) {}

    private static final class Tiles implements Prepared {
        final StoredWeights weights;
        final List<List<Tile>> tiles = new ArrayList<>();

        Tiles(StoredWeights weights) {
            this.weights = weights;
            for (int g = 0; g < weights.groups().size(); g++) {
                List<Tile> group = new ArrayList<>();
                long output = 0;
                for (StoredMatrix matrix : weights.groups().get(g)) {
                    for (long row = 0; row < matrix.rows(); row += TILE) {
                        int count = (int) Math.min(TILE, matrix.rows() - row);
                        group.add(new Tile(g, matrix, row, count, output + row));
                    }
                    output += matrix.rows();
                }
                tiles.add(group);
            }
        }

        @Override
        public int groups() {
            return tiles.size();
        }

        @Override
        public long outputs() {
            return weights.outputs();
        }

        @Override
        public long inputs() {
            return weights.inputs();
        }
    }
}
