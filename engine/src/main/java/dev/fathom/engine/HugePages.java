package dev.fathom.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * Large native memory in pages of 2 MB, where the system has them ready on request (Linux, transparent huge pages at "madvise"): a pass over an
 * activation of some megabytes otherwise needs a translation of addresses every 4 KB, which costs a third of the memory's speed on a virtual
 * machine. Only advice: whatever goes wrong, the memory is as good as before.
 */
final class HugePages {
    private static final long PAGE = 2L << 20;

    /** Smaller memory is not worth the system calls. */
    private static final long SMALLEST = 4 * PAGE;

    /** Values of {@code <linux/mman.h>}. */
    private static final int MADV_DONTNEED = 4;

    private static final int MADV_HUGEPAGE = 14;

    private HugePages() {}

    /** Zeroed native memory, freed when nobody can reach it. */
    static MemorySegment allocate(long bytes) {
        if (bytes < SMALLEST) {
            return Arena.ofAuto().allocate(bytes, Memory.ALIGNMENT);
        }
        MemorySegment segment = Arena.ofAuto().allocate(bytes, PAGE);
        advise(segment.address(), bytes / PAGE * PAGE);
        return segment;
    }

    /** The allocator has touched the memory already, in small pages: after the advice they are given back, to come anew, zeroed and large. */
    private static void advise(long address, long bytes) {
        MethodHandle madvise = Advice.MADVISE;
        if (madvise == null) {
            return;
        }
        try {
            if ((int) madvise.invokeExact(address, bytes, MADV_HUGEPAGE) == 0) {
                int ignored = (int) madvise.invokeExact(address, bytes, MADV_DONTNEED);
            }
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
