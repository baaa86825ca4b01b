package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.DType;
import dev.fathom.engine.RowKernels;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** What turns logits into probabilities, as machine code. See {@link RowKernels} for the arguments. */
final class LogitKernel {
    // Vector registers; the exponential's numbers are in those from 16 on.
    private static final int ELEMENTS = 0;
    private static final int WEIGHTS = 1;
    private static final int ARGUMENT = 2;
    private static final int SWAPPED = 3;
    private static final int INVERSE_TEMPERATURE = 6;
    private static final int SHIFT = 7;
    private static final int ZERO = 8;
    private static final int RESULT = 29;
    private static final int PRODUCTS = 30;
    private static final int MINUS_INFINITY = 31;

    /** {@code void reduce(x, bytes of a piece, out, pieces, constants)}. */
    private static final MethodHandle REDUCE = MachineCode.call(5);

    /** {@code void exponentials(x, bits of the factor, bits of the shift, lanes, out, constants)}. */
    private static final MethodHandle EXPONENTIALS = MachineCode.call(6);

    private static final Map<Integer, MemorySegment> LARGEST_CODE = new ConcurrentHashMap<>();
    private static final Map<Integer, MemorySegment> SUMS_CODE = new ConcurrentHashMap<>();
    private static final Map<Integer, MemorySegment> EXPONENTIALS_CODE = new ConcurrentHashMap<>();

    private LogitKernel() {}

    static void largest(long x, int width, long pieces, long out) {
        reduce(
                LARGEST_CODE.computeIfAbsent(width, k -> MachineCode.place(generateLargest(k))[0]),
                x,
                width,
                pieces,
                out);
    }

    static void sums(long x, int width, long pieces, long out) {
        reduce(SUMS_CODE.computeIfAbsent(width, k -> MachineCode.place(generateSums(k))[0]), x, width, pieces, out);
    }

    private static void reduce(MemorySegment code, long x, int width, long pieces, long out) {
        if (pieces == 0) {
            return;
        }
        try {
            REDUCE.invokeExact(code, x, 4L * width, out, pieces, Exponential.constantsAddress());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    static void exponentials(long x, float inverseTemperature, float max, int width, long lanes, long out) {
        boolean stores = out != 0;
        MemorySegment code = EXPONENTIALS_CODE.computeIfAbsent(
                width << 1 | (stores ? 1 : 0), k -> MachineCode.place(generateExponentials(width, stores))[0]);
        try {
            EXPONENTIALS.invokeExact(
                    code,
                    x,
                    (long) Float.floatToRawIntBits(inverseTemperature),
                    (long) Float.floatToRawIntBits(max),
                    lanes,
                    out,
                    Exponential.constantsAddress());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generateLargest(int width) {
        Assembler code = new Assembler();
        code.broadcast32(MINUS_INFINITY, Exponential.minusInfinity(R8));
        Columns.setMask(code, width);
        int piece = code.position();
        code.vectorMove(RESULT, MINUS_INFINITY);
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            if (mask != 0) {
                code.select(ELEMENTS, mask, ELEMENTS, MINUS_INFINITY);
            }
            code.vectorMax(RESULT, ELEMENTS, RESULT);
        });
        RowSoftmax.maximum(code, RESULT, SWAPPED);
        return finishPiece(code, piece);
    }

    private static byte[] generateSums(int width) {
        Assembler code = new Assembler();
        Columns.setMask(code, width);
        int piece = code.position();
        code.vectorZero(RESULT);
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            code.vectorAdd(RESULT, RESULT, ELEMENTS);
        });
        RowSoftmax.sumPairwise(code, RESULT, SWAPPED);
        return finishPiece(code, piece);
    }

    private static byte[] finishPiece(Assembler code, int piece) {
        code.storeFirst(RESULT, Address.of(RDX));
        code.add(RDI, RSI);
        code.addImmediate(RDX, 4);
        code.decrementAndLoop(RCX, piece);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    private static byte[] generateExponentials(int width, boolean stores) {
        Assembler code = new Assembler();
        code.broadcast32(INVERSE_TEMPERATURE, RSI);
        code.broadcast32(SHIFT, RDX);
        Exponential.loadConstants(code, R9);
        code.vectorZero(ZERO);
        code.vectorZero(RESULT);
        code.vectorZero(PRODUCTS);
        Columns.setMask(code, width);
        Columns.forEach(code, width, mask -> {
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            code.vectorMultiply(ELEMENTS, ELEMENTS, INVERSE_TEMPERATURE);
            code.vectorSubtract(ELEMENTS, ELEMENTS, SHIFT);
            code.vectorMax(ELEMENTS, Exponential.LOWEST, ELEMENTS);
            code.vectorMove(ARGUMENT, ELEMENTS);
            Exponential.of(code, ARGUMENT, WEIGHTS, 4, 5);
            if (mask != 0) {
                code.select(WEIGHTS, mask, WEIGHTS, ZERO);
            }
            code.vectorAdd(RESULT, RESULT, WEIGHTS);
            code.multiplyAdd(PRODUCTS, WEIGHTS, ELEMENTS);
            if (stores) {
                Columns.store(code, DType.F32, WEIGHTS, R8, mask);
            }
        });
        code.vectorStore(RESULT, Address.of(RCX), 0);
        code.vectorStore(PRODUCTS, Address.of(RCX, 64), 0);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
