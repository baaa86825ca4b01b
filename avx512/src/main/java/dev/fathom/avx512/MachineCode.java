package dev.fathom.avx512;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/** Several generated functions side by side in one piece of executable memory. */
final class MachineCode {
    private static final int ALIGNMENT = 64;

    private MachineCode() {}

    /**
     * How functions of so many longs, without a result, are called: {@code (function, longs...)}. Calls are short and touch native memory only, so the
     * JVM need not note that the thread is away.
     */
    static MethodHandle call(int longs) {
        MemoryLayout[] arguments = new MemoryLayout[longs];
        Arrays.fill(arguments, ValueLayout.JAVA_LONG);
        return Linker.nativeLinker()
                .downcallHandle(FunctionDescriptor.ofVoid(arguments), Linker.Option.critical(false));
    }

    /** Places the functions, each on a cache line of its own, and says where. */
    static MemorySegment[] place(byte[]... functions) {
        int total = 0;
        for (byte[] function : functions) {
            total += aligned(function.length);
        }
        byte[] all = new byte[total];
        int[] offsets = new int[functions.length];
        int offset = 0;
        for (int i = 0; i < functions.length; i++) {
            System.arraycopy(functions[i], 0, all, offset, functions[i].length);
            offsets[i] = offset;
            offset += aligned(functions[i].length);
        }
        MemorySegment memory = ExecutableMemory.of(all);
        MemorySegment[] placed = new MemorySegment[functions.length];
        for (int i = 0; i < functions.length; i++) {
            placed[i] = memory.asSlice(offsets[i]);
        }
        return placed;
    }

    private static int aligned(int bytes) {
        return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
    }
}
