package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RBX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;
import static dev.fathom.avx512.Assembler.RSP;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * SwiGLU of rows and its backward pass as machine code: {@code out = g σ(g) u} with {@code σ(g) = 1 / (1 + e^-g)}, g and u side by side; {@code dg = dOut u σ(g) (1 + g (1 -
 * σ(g)))} and {@code du = dOut g σ(g)}.
 */
final class SwiGluKernel {
    // Vector registers; the exponential's numbers are in those from 16 on.
    private static final int GATE = 0;
    private static final int UP = 1;
    private static final int ARGUMENT = 2;
    private static final int SIGMOID = 3;
    private static final int D_OUT = 6;
    private static final int SLOPE = 7;
    private static final int SIGN = 29;

    /** {@code void swiGlu(gateUp, stride, out, stride, rows, constants)}. */
    private static final MethodHandle CALL = MachineCode.call(6);

    /** {@code void backward(dOut, stride, gateUp, stride, dGateUp, stride, rows, constants)}. */
    private static final MethodHandle BACKWARD = MachineCode.call(8);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();
    private static final Map<Integer, MemorySegment> BACKWARD_CODE = new ConcurrentHashMap<>();

    private SwiGluKernel() {}

    /**
     * @param type of gate and up, F32 or BF16; strides are in bytes
     * @param outType the same of the result
     * @param width columns of the result
     */
    static void swiGlu(
            DType type, long gateUp, long stride, DType outType, long out, long outStride, int width, long rows) {
        int key = key(type, outType, width);
        MemorySegment code = CODE.computeIfAbsent(key, k -> MachineCode.place(generate(type, outType, width))[0]);
        try {
            CALL.invokeExact(code, gateUp, stride, out, outStride, rows, Exponential.constantsAddress());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * @param dOut rows of floats; strides are in bytes
     * @param type of gate and up, F32 or BF16
     * @param dType the same of their gradients
     * @param width columns of dOut
     */
    static void backward(Rows dOut, DType type, Rows gateUp, DType dType, Rows dGateUp, int width, long rows) {
        MemorySegment code = BACKWARD_CODE.computeIfAbsent(
                key(type, dType, width), k -> MachineCode.place(generateBackward(type, dType, width))[0]);
        try {
            BACKWARD.invokeExact(
                    code,
                    dOut.address(),
                    dOut.stride(),
                    gateUp.address(),
                    gateUp.stride(),
                    dGateUp.address(),
                    dGateUp.stride(),
                    rows,
                    Exponential.constantsAddress());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static int key(DType type, DType otherType, int width) {
        return width << 2 | (type == DType.F32 ? 2 : 0) | (otherType == DType.F32 ? 1 : 0);
    }

    private static byte[] generate(DType type, DType outType, int width) {
        Assembler code = new Assembler();
        loadConstants(code, R9);
        code.move(R10, RDI);
        code.addImmediate(R10, type.bytes() * width); // up
        Columns.setMask(code, width);
        int row = code.position();
        Columns.forEach(code, width, mask -> {
            Columns.load(code, type, GATE, RDI, mask);
            Columns.load(code, type, UP, R10, mask);
            sigmoid(code);
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

    private static byte[] generateBackward(DType type, DType dType, int width) {
        Assembler code = new Assembler();
        code.push(RBX);
        int arguments = 8 + 8;
        Address rows = Address.of(RSP, arguments);
        code.load(R10, Address.of(RSP, arguments + 8));
        loadConstants(code, R10);
        code.move(R10, RDX);
        code.addImmediate(R10, type.bytes() * width); // up
        code.move(RBX, R8);
        code.addImmediate(RBX, dType.bytes() * width); // its gradient
        Columns.setMask(code, width);
        int row = code.position();
        Columns.forEach(code, width, mask -> {
            Columns.load(code, type, GATE, RDX, mask);
            Columns.load(code, type, UP, R10, mask);
            Columns.load(code, DType.F32, D_OUT, RDI, mask);
            sigmoid(code);
            code.vectorSubtract(SLOPE, Exponential.ONE, SIGMOID);
            code.multiplyThenAdd(SLOPE, GATE, Exponential.ONE);
            code.vectorMultiply(SLOPE, SLOPE, SIGMOID);
            code.vectorMultiply(UP, UP, D_OUT);
            code.vectorMultiply(UP, UP, SLOPE);
            Columns.store(code, dType, UP, R8, mask);
            code.vectorMultiply(GATE, GATE, SIGMOID);
            code.vectorMultiply(GATE, GATE, D_OUT);
            Columns.store(code, dType, GATE, RBX, mask);
        });
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.add(R10, RCX);
        code.add(R8, R9);
        code.add(RBX, R9);
        code.decrementAndLoop(rows, row);
        code.clearUpperHalves();
        code.pop(RBX);
        code.returnToCaller();
        return code.bytes();
    }

    /** @param pointer register that holds {@link Exponential#constantsAddress} */
    private static void loadConstants(Assembler code, int pointer) {
        Exponential.loadConstants(code, pointer);
        code.moveImmediate(RAX, 1 << 31);
        code.broadcast32(SIGN, RAX);
    }

    /** Of the gate. */
    private static void sigmoid(Assembler code) {
        code.xor(ARGUMENT, GATE, SIGN);
        Exponential.of(code, ARGUMENT, SIGMOID, 4, 5);
        code.vectorAdd(SIGMOID, Exponential.ONE, SIGMOID);
        code.vectorDivide(SIGMOID, Exponential.ONE, SIGMOID);
    }
}
