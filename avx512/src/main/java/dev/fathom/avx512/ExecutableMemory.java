package dev.fathom.avx512;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Machine code in memory that the processor may execute: written first, then made read-only. It stays for the life of the JVM. */
final class ExecutableMemory {
    private static final int READ_WRITE = 1 | 2;
    private static final int READ_EXECUTE = 1 | 4;
    private static final int PRIVATE_ANONYMOUS = 2 | 0x20;

    private ExecutableMemory() {}

    /**
     * Places the code.
     *
     * @return where it lies
     * @throws UnsupportedOperationException if the system forbids it (hardened kernels do)
     */
    static MemorySegment of(byte[] code) {
        Linker linker = Linker.nativeLinker();
        try {
            MethodHandle map = linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("mmap"),
                    FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
            MethodHandle protect = linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("mprotect"),
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
            long bytes = code.length;
            long address = (long) map.invokeExact(0L, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            if (address == -1) {
                throw new UnsupportedOperationException("the system gives no memory for machine code (mmap failed)");
            }
            MemorySegment memory = MemorySegment.ofAddress(address).reinterpret(bytes);
            MemorySegment.copy(code, 0, memory, JAVA_BYTE, 0, code.length);
            int failed = (int) protect.invokeExact(memory, bytes, READ_EXECUTE);
            if (failed != 0) {
                throw new UnsupportedOperationException(
                        "the system allows no generated machine code (mprotect failed)");
            }
            return memory;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
