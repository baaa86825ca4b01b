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
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Turns the pairs of all heads of a row by the angles of its position, as machine code. Nothing is fused, as in the Java code. */
final class RotationKernel {
    private static final int LANES = MicroKernel.LANES;
    private static final int VECTOR = 4 * LANES;

    // Vector and mask registers.
    private static final int COSINES = 0;
    private static final int SINES = 1;
    private static final int FIRST = 2;
    private static final int SECOND = 3;
    private static final int TURNED_FIRST = 4;
    private static final int TURNED_SECOND = 5;
    private static final int SIGN = 6;
    private static final int MINUS = 7;
    private static final int MASK = 1;
    private static final int PAIRS_MASK = 2;
    private static final int EVEN = 3;

    /** {@code void rotate(x, bytes from head to head, heads, cosines, sines, bits of the factor of the sines)}. */
    private static final MethodHandle CALL = MachineCode.call(6);

    private static final Map<Integer, MemorySegment> HALVES = new ConcurrentHashMap<>();
    private static final Map<Integer, MemorySegment> NEIGHBOURS = new ConcurrentHashMap<>();

    private RotationKernel() {}

    /**
     * Pairs are elements i and {@code i + pairs}.
     *
     * @param x address of the first head's first rotated element, the next head's {@code headStride} floats further
     * @param cosines address of one for each pair
     * @param inverse turn back
     */
    static void halves(long x, long headStride, int heads, int pairs, long cosines, long sines, boolean inverse) {
        MemorySegment code = HALVES.computeIfAbsent(pairs, k -> MachineCode.place(generateHalves(k))[0]);
        rotate(code, x, headStride, heads, cosines, sines, inverse);
    }

    /** Pairs are elements 2i and 2i + 1. Arguments are those of {@link #halves}. */
    static void neighbours(long x, long headStride, int heads, int pairs, long cosines, long sines, boolean inverse) {
        MemorySegment code = NEIGHBOURS.computeIfAbsent(pairs, k -> MachineCode.place(generateNeighbours(k))[0]);
        rotate(code, x, headStride, heads, cosines, sines, inverse);
    }

    private static void rotate(
            MemorySegment code, long x, long headStride, int heads, long cosines, long sines, boolean inverse) {
        long sign = Float.floatToRawIntBits(inverse ? -1 : 1) & 0xffffffffL;
        try {
            CALL.invokeExact(code, x, 4 * headStride, (long) heads, cosines, sines, sign);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generateHalves(int pairs) {
        Assembler code = new Assembler();
        code.broadcast32(SIGN, R9);
        Columns.setMask(code, MASK, pairs % LANES);
        int head = code.position();
        for (int i = 0; i < pairs; i += LANES) {
            int mask = pairs - i < LANES ? MASK : 0;
            Address first = Address.of(RDI, 4 * i);
            Address second = Address.of(RDI, 4 * (pairs + i));
            code.vectorLoad(COSINES, Address.of(RCX, 4 * i), mask);
            code.vectorLoad(SINES, Address.of(R8, 4 * i), mask);
            code.vectorMultiply(SINES, SINES, SIGN);
            code.vectorLoad(FIRST, first, mask);
            code.vectorLoad(SECOND, second, mask);
            code.vectorMultiply(TURNED_FIRST, FIRST, COSINES);
            code.vectorMultiply(TURNED_SECOND, SECOND, COSINES);
            code.vectorMultiply(SECOND, SECOND, SINES);
            code.vectorMultiply(FIRST, FIRST, SINES);
            code.vectorSubtract(TURNED_FIRST, TURNED_FIRST, SECOND);
            code.vectorAdd(TURNED_SECOND, TURNED_SECOND, FIRST);
            code.vectorStore(TURNED_FIRST, first, mask);
            code.vectorStore(TURNED_SECOND, second, mask);
        }
        return finish(code, head);
    }

    /** {@code x · (c, c) + swap(x) · (-s, s)}, eight pairs at a time. */
    private static byte[] generateNeighbours(int pairs) {
        int vectorPairs = LANES / 2;
        Assembler code = new Assembler();
        code.broadcast32(SIGN, R9);
        code.moveImmediate(RAX, 1 << 31);
        code.broadcast32(MINUS, RAX);
        code.moveImmediate(RAX, 0x5555);
        code.moveToMask(EVEN, RAX);
        Columns.setMask(code, MASK, 2 * (pairs % vectorPairs));
        Columns.setMask(code, PAIRS_MASK, pairs % vectorPairs);
        int head = code.position();
        for (int i = 0; i < pairs; i += vectorPairs) {
            boolean rest = pairs - i < vectorPairs;
            Address elements = Address.of(RDI, i / vectorPairs * VECTOR);
            code.loadTwice(COSINES, Address.of(RCX, 4 * i), rest ? PAIRS_MASK : 0);
            code.loadTwice(SINES, Address.of(R8, 4 * i), rest ? PAIRS_MASK : 0);
            code.vectorMultiply(SINES, SINES, SIGN);
            code.xor(SECOND, SINES, MINUS);
            code.select(SINES, EVEN, SECOND, SINES);
            code.vectorLoad(FIRST, elements, rest ? MASK : 0);
            code.shuffleInQuarters(SECOND, FIRST, 0b10_11_00_01);
            code.vectorMultiply(SECOND, SECOND, SINES);
            code.vectorMultiply(FIRST, FIRST, COSINES);
            code.vectorAdd(FIRST, FIRST, SECOND);
            code.vectorStore(FIRST, elements, rest ? MASK : 0);
        }
        return finish(code, head);
    }

    private static byte[] finish(Assembler code, int head) {
        code.add(RDI, RSI);
        code.decrementAndLoop(RDX, head);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
