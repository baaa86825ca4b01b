package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Memory for the activations of one step: allocation moves a pointer, {@link #reset()} moves it back.
 *
 * <p>The first step grows the workspace block by block; a reset then merges the blocks into one of the size that was
 * needed, so that later steps allocate nothing from the system. Not thread safe: one step, one workspace.
 */
public final class Workspace {
    private static final long FIRST_BLOCK = 16L << 20;

    private final List<MemorySegment> blocks = new ArrayList<>();
    private int block;
    private final List<Workspace> branches = new ArrayList<>(2);
    private long offset;
    private long used;
    private long peak;

    /** A dense tensor with undefined contents, valid until the next {@link #reset()}. */
    public Tensor allocate(DType dtype, long... shape) {
        long bytes = dtype.bytes();
        for (long dim : shape) {
            bytes = Math.multiplyExact(bytes, dim);
        }
        long reserved = Math.max(Memory.ALIGNMENT, Memory.align(bytes));
        while (block < blocks.size() && offset + reserved > blocks.get(block).byteSize()) {
            block++;
            offset = 0;
        }
        if (block == blocks.size()) {
            long last = blocks.isEmpty() ? FIRST_BLOCK : blocks.getLast().byteSize();
            blocks.add(HugePages.allocate(Math.max(last, reserved)));
        }
        Tensor tensor = Tensor.of(blocks.get(block).asSlice(offset, reserved), dtype, shape);
        offset += reserved;
        used += reserved;
        peak = Math.max(peak, used);
        return tensor;
    }

    /** A dense tensor of zeros, valid until the next {@link #reset()}. */
    public Tensor zeros(DType dtype, long... shape) {
        Tensor tensor = allocate(dtype, shape);
        tensor.zero();
        return tensor;
    }

    /** Forgets every tensor handed out; their memory is used again. */
    public void reset() {
        if (blocks.size() > 1) {
            blocks.clear();
            // An eighth more than ever used: packed batches vary a little from step to step.
            blocks.add(HugePages.allocate(Memory.align(peak + peak / 8)));
        }
        block = 0;
        offset = 0;
        used = 0;
    }

    /**
     * One of two workspaces beside this one, emptied: what is left of a branch of a model that keeps no gradients. While a branch works in one of them the other
     * holds what it started from; both stay so small that the caches hold them.
     */
    Workspace branch(int index) {
        while (branches.size() <= index) {
            branches.add(new Workspace());
        }
        Workspace branch = branches.get(index);
        branch.reset();
        return branch;
    }

    /** Most bytes ever in use between two resets. */
    public long peakBytes() {
        return peak + branches.stream().mapToLong(Workspace::peakBytes).sum();
    }
}
