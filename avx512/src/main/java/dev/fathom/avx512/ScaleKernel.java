package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Multiplies each row by a factor of its own, as machine code. Adding 0 gives an underflown -0 the sign it has in a row whose chain of additions went on with
 * {@code + 0}.
 */
final class ScaleKernel {
    // Vector registers.
    private static final int ELEMENTS = 0;
    private static final int FACTOR = 1;
    private static final int ZERO = 2;

    /** {@code void scale(x, stride, factors, out, stride, rows)}. */
    private static final MethodHandle CALL = MachineCode.call(6);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();

    private ScaleKernel() {}

    /**
     * {@code out[i] = x[i] * factors[i] + 0}, rounded once.
     *
     * @param x address of the first row's floats, rows {@code stride} bytes apart
     * @param factors address of one float for each row
     */
    static void scale(long x, long stride, long factors, long out, long outStride, int width, long rows) {
        MemorySegment code = CODE.computeIfAbsent(width, k -> MachineCode.place(generate(k))[0]);
        try {
            CALL.invokeExact(code, x, stride, factors, out, outStride, rows);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate(int width) {
        Assembler code = new Assembler();
        code.vectorZero(ZERO);
        Columns.setMask(code, width);
        int row = code.position();
        code.broadcast32(FACTOR, Address.of(RDX));
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            code.multiplyThenAdd(ELEMENTS, FACTOR, ZERO);
            Columns.store(code, DType.F32, ELEMENTS, RCX, mask);
        });
        code.add(RDI, RSI);
        code.addImmediate(RDX, 4);
        code.add(RCX, R8);
        code.decrementAndLoop(R9, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
