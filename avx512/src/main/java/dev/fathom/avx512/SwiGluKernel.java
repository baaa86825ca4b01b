package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.engine.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** SwiGLU of rows as machine code: {@code out = g / (1 + e^-g) * u}, g and u side by side. */
final class SwiGluKernel {
    // Vector registers; the exponential's numbers are in those from 16 on.
    private static final int GATE = 0;
    private static final int UP = 1;
    private static final int ARGUMENT = 2;
    private static final int SIGMOID = 3;
    private static final int SIGN = 29;

    /** {@code void swiGlu(gateUp, stride, out, stride, rows, constants)}. */
    private static final MethodHandle CALL = MachineCode.call(6);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();

    private SwiGluKernel() {}

    /**
     * @param type of gate and up, F32 or BF16; strides are in bytes
     * @param outType the same of the result
     * @param width columns of the result
     */
    static void swiGlu(
            DType type, long gateUp, long stride, DType outType, long out, long outStride, int width, long rows) {
        int key = width << 2 | (type == DType.F32 ? 2 : 0) | (outType == DType.F32 ? 1 : 0);
        MemorySegment code = CODE.computeIfAbsent(key, k -> MachineCode.place(generate(type, outType, width))[0]);
        try {
            CALL.invokeExact(code, gateUp, stride, out, outStride, rows, Exponential.constantsAddress());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate(DType type, DType outType, int width) {
        Assembler code = new Assembler();
        Exponential.loadConstants(code, R9);
        code.moveImmediate(RAX, 1 << 31);
        code.broadcast32(SIGN, RAX);
        code.move(R10, RDI);
        code.addImmediate(R10, type.bytes() * width); // up
        Columns.setMask(code, width);
        int row = code.position();
        Columns.forEach(code, width, mask -> {
            Columns.load(code, type, GATE, RDI, mask);
            Columns.load(code, type, UP, R10, mask);
            code.xor(ARGUMENT, GATE, SIGN);
            Exponential.of(code, ARGUMENT, SIGMOID, 4, 5);
            code.vectorAdd(SIGMOID, Exponential.ONE, SIGMOID);
            code.vectorDivide(SIGMOID, Exponential.ONE, SIGMOID);
            code.vectorMultiply(GATE, GATE, SIGMOID);
            code.vectorMultiply(GATE, GATE, UP);
            Columns.store(code, outType, GATE, RDX, mask);
        });
        code.add(RDI, RSI);
        code.add(R10, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
