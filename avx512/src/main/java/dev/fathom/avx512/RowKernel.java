package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * One row times several panels of sixteen columns: attention of a single query. With one row, {@link MicroKernel} would wait for each step of a chain
 * before the next; here the chains of up to eight panels take turns. They are the same chains, to the bit.
 */
final class RowKernel {
    /** Most panels at once. */
    private static final int PANELS = 8;

    private static final int A = 31;

    /** {@code void kernel(A, B, panelStride, C, pairs)}. */
    private static final MethodHandle CALL = MachineCode.call(5);

    private static final MemorySegment[] KERNELS = generateAll();

    private RowKernel() {}

    /**
     * {@code C[16 p ..] = A B_p} for every panel p.
     *
     * @param a address of the row's pairs, side by side
     * @param b address of the first panel, {@code [pairs][16]} pairs
     * @param panelStride bytes from panel to panel
     * @param panels how many
     * @param c address of the results, {@code [panels * 16]}
     */
    static void multiply(long a, long b, long panelStride, int panels, long c, long pairs) {
        try {
            for (int panel = 0; panel < panels; panel += PANELS) {
                int count = Math.min(PANELS, panels - panel);
                CALL.invokeExact(KERNELS[count - 1], a, b + panel * panelStride, panelStride, c + 64L * panel, pairs);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static MemorySegment[] generateAll() {
        byte[][] codes = new byte[PANELS][];
        for (int panels = 1; panels <= PANELS; panels++) {
            codes[panels - 1] = generate(panels);
        }
        return MachineCode.place(codes);
    }

    /** Arguments arrive by the System V convention in rdi (A), rsi (B), rdx (panel stride), rcx (C) and r8 (pairs). */
    private static byte[] generate(int panels) {
        Assembler code = new Assembler();
        // Three panels are reached from one pointer: [p], [p + stride], [p + 2 stride].
        int[] pointers = {RSI, RAX, R9};
        code.loadAddress(RAX, Address.indexed(RSI, RDX, 2));
        code.add(RAX, RDX);
        code.loadAddress(R9, Address.indexed(RAX, RDX, 2));
        code.add(R9, RDX);
        for (int panel = 0; panel < panels; panel++) {
            code.vectorZero(panel);
        }
        int pair = code.position();
        code.broadcast32(A, Address.of(RDI));
        for (int panel = 0; panel < panels; panel++) {
            int pointer = pointers[panel / 3];
            code.dotBf16(
                    panel,
                    A,
                    panel % 3 == 0 ? Address.of(pointer) : Address.indexed(pointer, RDX, panel % 3 == 1 ? 1 : 2));
        }
        code.addImmediate(RDI, 4);
        for (int i = 0; i <= (panels - 1) / 3; i++) {
            code.addImmediate(pointers[i], 64);
        }
        code.decrementAndLoop(R8, pair);
        for (int panel = 0; panel < panels; panel++) {
            code.vectorStore(panel, Address.of(RCX, 64 * panel), 0);
        }
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
