package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.engine.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Adds one row to others, as machine code. */
final class BiasKernel {
    /** {@code void add(y, stride, bias, rows, nothing)}: as many arguments as others have, because each number of them costs the start some milliseconds. */
    private static final MethodHandle CALL = MachineCode.call(5);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();

    private BiasKernel() {}

    /** @param stride bytes from row to row of y */
    static void add(long y, long stride, long bias, int width, long rows) {
        MemorySegment code = CODE.computeIfAbsent(width, k -> MachineCode.place(generate(k))[0]);
        try {
            CALL.invokeExact(code, y, stride, bias, rows, 0L);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate(int width) {
        Assembler code = new Assembler();
        Columns.setMask(code, width);
        int row = code.position();
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, 0, RDI, mask);
            Columns.load(code, DType.F32, 1, RDX, mask);
            code.vectorAdd(0, 0, 1);
            Columns.store(code, DType.F32, 0, RDI, mask);
        });
        code.add(RDI, RSI);
        code.decrementAndLoop(RCX, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
