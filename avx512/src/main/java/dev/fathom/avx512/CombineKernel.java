package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;
import static dev.fathom.avx512.Assembler.RSP;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.avx512.Assembler.Prefetch;
import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The way back from a token to its experts as machine code: {@code dExpertOut = gate * dy} and {@code dGate += dy · expertOut}. Experts' rows lie anywhere, so while one is
 * worked on the next one is asked for.
 */
final class CombineKernel {
    private static final int ELEMENTS = 0;
    private static final int OTHERS = 1;
    private static final int SUM = 2;
    private static final int GATE = 3;

    /** {@code void row(dy, expertOut, dExpertOut, gate, dGate, nextExpertOut, nextDExpertOut)}. */
    private static final MethodHandle CALL = MachineCode.call(7);

    private static final Map<Integer, MemorySegment> CODE = new ConcurrentHashMap<>();

    private CombineKernel() {}

    /** See {@link dev.fathom.engine.Kernels#combineBackward}; tokens {@code from} to {@code to}. */
    static void backward(
            Tensor dy,
            Tensor expertOut,
            Tensor rowOf,
            Tensor gates,
            Tensor dExpertOut,
            Tensor dGates,
            long from,
            long to) {
        int width = Math.toIntExact(dy.columns());
        int topK = Math.toIntExact(rowOf.columns());
        DType type = dExpertOut.dtype();
        MemorySegment code = CODE.computeIfAbsent(
                width << 1 | (type == DType.F32 ? 1 : 0), k -> MachineCode.place(generate(type, width))[0]);
        for (long t = from; t < to; t++) {
            for (int rank = 0; rank < topK; rank++) {
                int row = Memory.getInt(rowOf.rowAddress(t) + 4L * rank);
                boolean last = rank + 1 == topK;
                // The last of all asks for its own row once more.
                int next = last && t + 1 == to
                        ? row
                        : Memory.getInt(last ? rowOf.rowAddress(t + 1) : rowOf.rowAddress(t) + 4L * (rank + 1));
                try {
                    CALL.invokeExact(
                            code,
                            dy.rowAddress(t),
                            expertOut.rowAddress(row),
                            dExpertOut.rowAddress(row),
                            gates.rowAddress(t) + 4L * rank,
                            dGates.rowAddress(t) + 4L * rank,
                            expertOut.rowAddress(next),
                            dExpertOut.rowAddress(next));
                } catch (RuntimeException | Error e) {
                    throw e;
                } catch (Throwable e) {
                    throw new IllegalStateException(e);
                }
            }
        }
    }

    private static byte[] generate(DType type, int width) {
        Assembler code = new Assembler();
        code.load(R10, Address.of(RSP, 8)); // the next row of dExpertOut
        code.broadcast32(GATE, Address.of(RCX));
        code.vectorZero(SUM);
        Columns.setMask(code, width);
        Columns.forEach(code, width, mask -> {
            code.prefetch(Prefetch.SECOND_LEVEL, Columns.at(DType.F32, R9));
            code.prefetchToWrite(Columns.at(type, R10));
            Columns.load(code, DType.F32, ELEMENTS, RDI, mask);
            Columns.load(code, DType.F32, OTHERS, RSI, mask);
            code.multiplyAdd(SUM, ELEMENTS, OTHERS);
            code.vectorMultiply(ELEMENTS, ELEMENTS, GATE);
            Columns.store(code, type, ELEMENTS, RDX, mask);
        });
        RowSoftmax.sumPairwise(code, SUM, OTHERS);
        code.moveImmediate(RAX, 1);
        code.moveToMask(1, RAX);
        code.vectorLoad(OTHERS, Address.of(R8), 1);
        code.vectorAdd(SUM, OTHERS, SUM);
        code.storeFirst(SUM, Address.of(R8));
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
