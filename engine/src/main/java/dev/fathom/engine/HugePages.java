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

    private static final int READ_WRITE = 1 | 2;

    private static final int PRIVATE_ANONYMOUS_NORESERVE = 2 | 0x20 | 0x4000;

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

    /**
     * Zeroed native memory of which perhaps little will be used, freed when nobody can reach it: the system gives its pages when they are touched.
     *
     * @param large whether in large pages, because all of it may well be used; a large page is zeroed whole for its first byte
     */
    static MemorySegment reserve(long bytes, boolean large) {
        MethodHandle map = Mapping.MMAP;
        MethodHandle unmap = Mapping.MUNMAP;
        if (bytes < SMALLEST || map == null || unmap == null) {
            return allocate(bytes);
        }
        long whole = bytes + PAGE;
        try {
            long address = (long) map.invokeExact(0L, whole, READ_WRITE, PRIVATE_ANONYMOUS_NORESERVE, -1, 0L);
            if (address == -1) {
                return allocate(bytes);
            }
            long first = (address + PAGE - 1) / PAGE * PAGE;
            if (large) {
                advise(first, bytes / PAGE * PAGE, MADV_HUGEPAGE);
            }
            return MemorySegment.ofAddress(first)
                    .reinterpret(bytes, Arena.ofAuto(), segment -> unmap(unmap, address, whole));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("mmap cannot be called", e);
        }
    }

    private static void unmap(MethodHandle unmap, long address, long bytes) {
        try {
            int failed = (int) unmap.invokeExact(address, bytes);
        } catch (Throwable e) {
            throw new IllegalStateException("munmap cannot be called", e);
        }
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
        static final @Nullable MethodHandle MADVISE = function(
                "madvise",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    }

    private static final class Mapping {
        static final @Nullable MethodHandle MMAP = function(
                "mmap",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_LONG));

        static final @Nullable MethodHandle MUNMAP = function(
                "munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    }

    /** Null where it is not to be had. */
    private static @Nullable MethodHandle function(String name, FunctionDescriptor descriptor) {
        if (!System.getProperty("os.name").equals("Linux")) {
            return null;
        }
        Linker linker = Linker.nativeLinker();
        return linker.defaultLookup()
                .find(name)
                .map(function -> linker.downcallHandle(function, descriptor))
                .orElse(null);
    }
}
