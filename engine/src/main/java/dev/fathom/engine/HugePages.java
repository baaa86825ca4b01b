package dev.fathom.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * Native memory in pages of 2 MB, where the system has them ready on request (Linux, transparent huge pages at "madvise"): walking weights, keys or
 * activations otherwise needs a translation of addresses every 4 KB, which costs a third of the memory's speed on a virtual machine. Only advice:
 * whatever goes wrong, the memory is as good as before.
 *
 * <p>Allocations smaller than a few pages share them: a model's weights are hundreds of tensors.
 */
final class HugePages {
    private static final long PAGE = 2L << 20;

    /** Pages that are asked for at a time, and the smallest allocation that gets pages of its own. */
    private static final long SLAB = 4 * PAGE;

    /** Smaller memory is not worth it. */
    private static final long SMALLEST = 64 << 10;

    /** Values of {@code <linux/mman.h>}. */
    private static final int MADV_DONTNEED = 4;

    private static final int MADV_HUGEPAGE = 14;

    /** What is left of the last pages that are shared; they live as long as any part of them can be reached. */
    private static MemorySegment rest = MemorySegment.NULL;

    private HugePages() {}

    /** Zeroed native memory, freed when nobody can reach it. */
    static MemorySegment allocate(long bytes) {
        if (bytes < SMALLEST) {
            return Arena.ofAuto().allocate(bytes, Memory.ALIGNMENT);
        }
        return bytes < SLAB ? share(bytes) : pages(bytes);
    }

    private static synchronized MemorySegment share(long bytes) {
        long reserved = Memory.align(bytes);
        if (rest.byteSize() < reserved) {
            rest = pages(SLAB);
        }
        MemorySegment part = rest.asSlice(0, bytes);
        rest = rest.asSlice(reserved);
        return part;
    }

    private static MemorySegment pages(long bytes) {
        long whole = (bytes + PAGE - 1) / PAGE * PAGE;
        MemorySegment segment = Arena.ofAuto().allocate(whole, PAGE);
        advise(segment.address(), whole);
        return segment.asSlice(0, bytes);
    }

    /** The allocator has touched the memory already, in small pages: after the advice they are given back, to come anew, zeroed and large. */
    private static void advise(long address, long bytes) {
        if (advise(address, bytes, MADV_HUGEPAGE)) {
            advise(address, bytes, MADV_DONTNEED);
        }
    }

    /**
     * A mapped file, of which no page has been touched: what the system's cache does not hold yet is read in large pages, where the file system can have such
     * (ext4 from Linux 6.16 on), and stays so for the next process.
     */
    static void adviseMapping(MemorySegment mapped) {
        if (mapped.byteSize() >= PAGE) {
            advise(mapped.address(), mapped.byteSize(), MADV_HUGEPAGE);
        }
    }

    private static boolean advise(long address, long bytes, int advice) {
        MethodHandle madvise = Advice.MADVISE;
        if (madvise == null) {
            return false;
        }
        try {
            return (int) madvise.invokeExact(address, bytes, advice) == 0;
        } catch (Throwable e) {
            throw new IllegalStateException("madvise cannot be called", e);
        }
    }

    /** Linked when the first large memory is allocated. */
    private static final class Advice {
        static final @Nullable MethodHandle MADVISE = find();

        private static @Nullable MethodHandle find() {
            if (!System.getProperty("os.name").equals("Linux")) {
                return null;
            }
            Linker linker = Linker.nativeLinker();
            return linker.defaultLookup()
                    .find("madvise")
                    .map(function -> linker.downcallHandle(
                            function,
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.JAVA_INT)))
                    .orElse(null);
        }
    }
}
