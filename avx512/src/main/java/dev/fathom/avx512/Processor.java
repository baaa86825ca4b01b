package dev.fathom.avx512;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import jdk.incubator.vector.FloatVector;

/** What this machine can execute, asked of the processor itself. */
final class Processor {
    private static final int AVX512_BF16 = 1 << 5; // leaf 7, subleaf 1, eax
    private static final int AMX_BF16 = 1 << 22; // leaf 7, subleaf 0, edx

    private static final int AVX512_VBMI = 1 << 1; // leaf 7, subleaf 0, ecx
    private static final int AVX512_VNNI = 1 << 11;

    /** Why generated bf16 code cannot run here, or an empty string. */
    static final String FAILURE;

    /** Whether the processor multiplies bf16 in tiles (AMX), which a library does faster than vectors can. */
    static final boolean HAS_AMX;

    /** Whether the processor sums products of bytes (AVX-512 VNNI). */
    static final boolean HAS_BYTE_PRODUCTS;

    /** Whether the processor looks bytes up in tables of 128 (AVX-512 VBMI): all with AVX-512 BF16 but Cooper Lake. */
    static final boolean HAS_BYTE_TABLES;

    static {
        String failure = platformFailure();
        boolean amx = false;
        boolean bytes = false;
        boolean tables = false;
        if (failure.isEmpty()) {
            try {
                MemorySegment[] code = MachineCode.place(Assembler.cpuidEaxEdx(), Assembler.cpuidEbxEcx());
                MethodHandle cpuid =
                        Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_INT));
                long features = (long) cpuid.invokeExact(code[0], 7, 1);
                amx = ((long) cpuid.invokeExact(code[0], 7, 0) & AMX_BF16) != 0;
                long others = (long) cpuid.invokeExact(code[1], 7, 0);
                bytes = (others & AVX512_VNNI) != 0;
                tables = (others & AVX512_VBMI) != 0;
                if ((features >>> 32 & AVX512_BF16) == 0) {
                    failure = "the processor has no AVX-512 BF16 instructions";
                }
            } catch (UnsupportedOperationException e) {
                failure = String.valueOf(e.getMessage());
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }
        FAILURE = failure;
        HAS_AMX = amx;
        HAS_BYTE_PRODUCTS = bytes;
        HAS_BYTE_TABLES = tables;
    }

    private Processor() {}

    private static String platformFailure() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String machine = System.getProperty("os.arch");
        if (!system.contains("linux") || !machine.equals("amd64")) {
            return "generated code is for Linux on x86-64, this is " + system + " on " + machine;
        }
        // The JVM has asked the operating system whether it keeps the 512-bit registers.
        return FloatVector.SPECIES_PREFERRED.vectorBitSize() == 512 ? "" : "the JVM uses no 512-bit vectors here";
    }
}
