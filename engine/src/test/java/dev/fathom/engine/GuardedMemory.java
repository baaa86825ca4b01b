package dev.fathom.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Memory that ends where a page ends that nobody may touch, as a mapped file may: a kernel that reads beyond its operand kills the JVM, and the file it leaves
 * ({@code hs_err_pid*.log}) names the culprit. Only on Linux; elsewhere it is memory as any other.
 */
public final class GuardedMemory {
    /** At least that of any system; several of its pages where those are smaller. */
    private static final long PAGE = 64 << 10;

    private static final int NOTHING = 0;
    private static final int READ_WRITE = 1 | 2;
    private static final int PRIVATE_ANONYMOUS = 2 | 0x20;

    private GuardedMemory() {}

    /** Zeroed, freed when nobody can reach it. */
    public static MemorySegment allocate(long bytes) {
        if (!System.getProperty("os.name").equals("Linux")) {
            return Arena.ofAuto().allocate(Math.max(1, bytes)).asSlice(0, bytes);
        }
        long usable = (bytes + PAGE - 1) / PAGE * PAGE;
        long whole = usable + PAGE;
        try {
            long address = (long) Calls.MMAP.invokeExact(0L, whole, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            if (address == -1) {
                throw new OutOfMemoryError("mmap of " + whole + " bytes");
            }
            if ((int) Calls.MPROTECT.invokeExact(address + usable, PAGE, NOTHING) != 0) {
                throw new IllegalStateException("mprotect of " + PAGE + " bytes failed");
            }
            return MemorySegment.ofAddress(address)
                    .reinterpret(usable, Arena.ofAuto(), memory -> unmap(address, whole))
                    .asSlice(usable - bytes);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static void unmap(long address, long bytes) {
        try {
            int failed = (int) Calls.MUNMAP.invokeExact(address, bytes);
            assert failed == 0;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** The system's functions, looked up where they exist. */
    private static final class Calls {
        static final MethodHandle MMAP = find(
                "mmap",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_LONG));
        static final MethodHandle MPROTECT = find(
                "mprotect",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
        static final MethodHandle MUNMAP = find(
                "munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

        private static MethodHandle find(String name, FunctionDescriptor type) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
        }
    }
}
