package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R12;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RBP;
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

/** RMSNorm of rows as machine code, with the addition before it where there is one: {@code s = x + residual; y = w s / sqrt(mean(s²) + eps)}. */
final class NormKernel {
    // Vector registers.
    private static final int SQUARES = 0;
    private static final int ELEMENTS = 1;
    private static final int OTHERS = 2;
    private static final int INVERSE = 3;
    private static final int EPSILON = 4;
    private static final int WIDTH = 5;
    private static final int ONE = 6;

    /** {@code void norm(x, stride, residual, stride, sum, stride, y, stride, weight, inverse, epsilon, rows)}. */
    private static final MethodHandle CALL = MachineCode.call(12);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();

    private NormKernel() {}

    /**
     * Norms rows of floats.
     *
     * @param adds whether there is anything to add; if not, residual and sum are x
     * @param sum where {@code x + residual} goes
     * @param type of y, F32 or BF16
     * @param inverse address of a float for each row: {@code 1 / sqrt(mean + eps)}
     */
    static void norm(
            Rows x,
            Rows residual,
            Rows sum,
            boolean adds,
            int width,
            float eps,
            long weight,
            DType type,
            Rows y,
            long inverse,
            long rows) {
        int key = width << 2 | (adds ? 2 : 0) | (type == DType.F32 ? 1 : 0);
        MemorySegment code = CODE.computeIfAbsent(key, k -> MachineCode.place(generate(width, adds, type))[0]);
        try {
            CALL.invokeExact(
                    code,
                    x.address(),
                    x.stride(),
                    residual.address(),
                    residual.stride(),
                    sum.address(),
                    sum.stride(),
                    y.address(),
                    y.stride(),
                    weight,
                    inverse,
                    Double.doubleToRawLongBits(eps),
                    rows);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate(int width, boolean adds, DType type) {
        Assembler code = new Assembler();
        code.push(RBX);
        code.push(RBP);
        code.push(R12);
        int arguments = 3 * 8 + 8;
        code.load(R10, Address.of(RSP, arguments)); // y
        code.load(RBP, Address.of(RSP, arguments + 8)); // its stride
        code.load(RBX, Address.of(RSP, arguments + 16)); // weight
        code.load(R12, Address.of(RSP, arguments + 24)); // inverse
        code.load(RAX, Address.of(RSP, arguments + 32));
        code.moveToVector(EPSILON, RAX);
        constant(code, WIDTH, width);
        constant(code, ONE, 1);
        Columns.setMask(code, width);
        int row = code.position();
        code.vectorZero(SQUARES);
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            if (adds) {
                Columns.load(code, DType.F32, OTHERS, RDX, mask);
                code.vectorAdd(ELEMENTS, ELEMENTS, OTHERS);
                Columns.store(code, DType.F32, ELEMENTS, R8, mask);
            }
            code.multiplyAdd(SQUARES, ELEMENTS, ELEMENTS);
        });
        RowSoftmax.sumPairwise(code, SQUARES, OTHERS);
        code.floatToDouble(INVERSE, SQUARES);
        code.divideDouble(INVERSE, INVERSE, WIDTH);
        code.addDouble(INVERSE, INVERSE, EPSILON);
        code.squareRootDouble(INVERSE, INVERSE);
        code.divideDouble(INVERSE, ONE, INVERSE);
        code.doubleToFloat(INVERSE, INVERSE);
        code.storeFirst(INVERSE, Address.of(R12));
        code.broadcastFirst(INVERSE, INVERSE);
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, R8, mask);
            Columns.load(code, DType.F32, OTHERS, RBX, mask);
            code.vectorMultiply(ELEMENTS, ELEMENTS, INVERSE);
            code.vectorMultiply(ELEMENTS, ELEMENTS, OTHERS);
            Columns.store(code, type, ELEMENTS, R10, mask);
        });
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.add(R8, R9);
        code.add(R10, RBP);
        code.addImmediate(R12, 4);
        code.decrementAndLoop(Address.of(RSP, arguments + 40), row);
        code.clearUpperHalves();
        code.pop(R12);
        code.pop(RBP);
        code.pop(RBX);
        code.returnToCaller();
        return code.bytes();
    }

    /** A number as a double whose lower half is zero: true of whole numbers below two million. */
    private static void constant(Assembler code, int target, int number) {
        code.moveImmediate(RAX, (int) (Double.doubleToRawLongBits(number) >>> 32));
        code.shiftLeft(RAX, 32);
        code.moveToVector(target, RAX);
    }
}
