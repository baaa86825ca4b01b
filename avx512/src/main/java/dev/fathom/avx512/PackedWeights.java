package dev.fathom.avx512;

import dev.fathom.engine.DType;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Transposition;
import dev.fathom.engine.WorkerPool;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** Weight matrices as panels of pairs: along the inputs for the forward product and, once asked for, along the outputs for the backward one. */
final class PackedWeights implements Gemm.Packed {
    /** One direction of a product: how long its chains are, the panels of its results, and their memory. */
    record Orientation(int length, Panels panels, long groupBytes, MemorySegment memory) {
        static Orientation allocate(int groups, int length, int results) {
            Panels panels = new Panels(results);
            long groupBytes = panels.bytes(pairs(length));
            return new Orientation(length, panels, groupBytes, Memory.allocate(groups * groupBytes));
        }

        int pairs() {
            return pairs(length);
        }

        private static int pairs(int length) {
            return (length + 1) / 2;
        }

        /** Address of a group's panel. */
        long panel(int group, int panel) {
            return memory.address() + group * groupBytes + Panels.offset(panel, pairs());
        }
    }

    private final Tensor weights;
    private final WorkerPool pool;
    private final int groups;
    private final int outputs;
    private final int inputs;
    private final Orientation forward;
    private @Nullable Orientation backward;

    PackedWeights(Tensor weights, WorkerPool pool) {
        if (weights.dtype() != DType.F32 || weights.rank() < 2 || weights.rank() > 3 || !weights.isDense()) {
            throw new IllegalArgumentException(
                    "weights must be dense F32 [groups, outputs, inputs] or [outputs, inputs], are " + weights);
        }
        this.weights = weights;
        this.pool = pool;
        this.groups = weights.rank() == 3 ? Math.toIntExact(weights.dim(0)) : 1;
        this.outputs = Math.toIntExact(weights.dim(weights.rank() - 2));
        this.inputs = Math.toIntExact(weights.columns());
        this.forward = Orientation.allocate(groups, inputs, outputs);
        pack(forward, null);
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

    Orientation forward() {
        return forward;
    }

    /** Generation never needs it: packed when a backward pass first asks. */
    Orientation backward() {
        Orientation existing = backward;
        if (existing == null) {
            existing = Orientation.allocate(groups, outputs, inputs);
            backward = existing;
            pack(null, existing);
        }
        return existing;
    }

    @Override
    public void refresh() {
        pack(forward, backward);
    }

    private long row(int group, int output) {
        return weights.address() + 4L * inputs * ((long) group * outputs + output);
    }

    /** Task by task some rows of the weights, one panel of the forward product, for both directions: they are read from memory once. */
    private void pack(@Nullable Orientation forward, @Nullable Orientation backward) {
        int blocks = new Panels(outputs).count();
        pool.run(groups * blocks, (task, worker) -> {
            int group = task / blocks;
            int block = task % blocks;
            if (forward != null) {
                packForward(forward, group, block, worker);
            }
            if (backward != null) {
                packBackward(backward, group, block);
            }
        });
        Reference.reachabilityFence(weights);
    }

    /** Pairs lie side by side in a row of the weights; the panel wants them one below the other. */
    private void packForward(Orientation target, int group, int panel, int worker) {
        Panels panels = target.panels();
        int width = panels.width(panel);
        long rowBytes = Rounding.rowBytes(inputs);
        long rounded = pool.scratch(worker, width * rowBytes);
        Rounding.rows(row(group, Panels.first(panel)), 4L * inputs, width, inputs, rounded, rowBytes);
        Transposition.of(rounded, rowBytes, width, target.pairs(), target.panel(group, panel), panels.pairBytes(panel));
    }

    /** Rows of the weights are neighbours along this product's chains: pairs of them are zipped. */
    private void packBackward(Orientation target, int group, int block) {
        int first = Panels.first(block);
        Rounding.zip(
                DType.F32,
                row(group, first),
                4L * inputs,
                Math.min(MicroKernel.COLUMNS, outputs - first),
                inputs,
                target.panel(group, 0),
                Panels.offset(1, target.pairs()),
                first / 2);
    }
}
