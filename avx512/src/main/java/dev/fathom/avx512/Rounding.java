package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;
import static dev.fathom.avx512.Assembler.RSP;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/**
 * Floats to the bf16 operands of {@link MicroKernel}, to nearest even: rows as they are, or neighbouring rows zipped into pairs. Denormal floats become
 * zero, which the products would take them for anyway.
 */
final class Rounding {
    private static final int FIRST_MASK = 1;
    private static final int SECOND_MASK = 2;

    /** Elements per step of {@link #rows}. */
    private static final int STEP = 2 * MicroKernel.LANES;

    private static final MethodHandle ROWS = MachineCode.call(8);
    private static final MethodHandle ZIP = MachineCode.call(7);

    private static final MemorySegment ROWS_CODE;
    private static final MemorySegment[] ZIP_CODE;
    private static final MemorySegment[] ZIP_BF16_CODE;

    /** For {@link #ZIP}: takes the first half's elements and the second half's in turn. */
    private static final MemorySegment INTERLEAVE = Arena.global().allocate(64, Memory.ALIGNMENT);

    private static final MemorySegment ZEROS = Arena.global().allocate(4L * MicroKernel.COLUMNS, Memory.ALIGNMENT);

    static {
        for (int i = 0; i < MicroKernel.LANES; i++) {
            INTERLEAVE.setAtIndex(ValueLayout.JAVA_SHORT, 2 * i, (short) i);
            INTERLEAVE.setAtIndex(ValueLayout.JAVA_SHORT, 2 * i + 1, (short) (MicroKernel.LANES + i));
        }
        int widths = MicroKernel.VECTORS;
        byte[][] functions = new byte[1 + 2 * widths][];
        functions[0] = generateRows();
        for (int vectors = 1; vectors <= widths; vectors++) {
            functions[vectors] = generateZip(vectors);
            functions[widths + vectors] = generateZipBf16(vectors);
        }
        MemorySegment[] code = MachineCode.place(functions);
        ROWS_CODE = code[0];
        ZIP_CODE = Arrays.copyOfRange(code, 1, 1 + widths);
        ZIP_BF16_CODE = Arrays.copyOfRange(code, 1 + widths, code.length);
    }

    private Rounding() {}

    /** Bytes between rows that {@link #rows} writes: an odd number of cache lines, as rows a power of two apart fall on the same few places of the cache. */
    static long rowBytes(int columns) {
        return Memory.align(2L * columns + Memory.ALIGNMENT) | Memory.ALIGNMENT;
    }

    /** Copies rows, rounding them if they are F32; an odd last column gets a 0 for a neighbour. As {@link #rows(long, long, int, int, long, long)}. */
    static void rows(DType type, long from, long fromStride, int rows, int columns, long to, long toStride) {
        if (type == DType.F32) {
            rows(from, fromStride, rows, columns, to, toStride);
            return;
        }
        Bfloat16.rows(type, from, fromStride, rows, columns, to, toStride);
        for (int r = 0; r < rows && columns % 2 != 0; r++) {
            Memory.ALL.set(Memory.SHORT, to + r * toStride + 2L * columns, (short) 0);
        }
    }

    /**
     * Rounds rows; what follows a row's last element up to the next 32 becomes zero.
     *
     * @param from address of the first row's floats, rows {@code fromStride} bytes apart
     * @param to where the first row's bf16 values go, rows {@code toStride} bytes apart, at least {@link #rowBytes}
     */
    static void rows(long from, long fromStride, int rows, int columns, long to, long toStride) {
        int steps = columns / STEP;
        if (steps == 0) {
            narrowRows(from, fromStride, rows, columns, to, toStride);
            return;
        }
        int rest = columns % STEP;
        long first = 0xffffL >>> Math.max(0, MicroKernel.LANES - rest);
        long second = 0xffffL >>> Math.min(MicroKernel.LANES, STEP - rest);
        try {
            ROWS.invokeExact(ROWS_CODE, from, fromStride, to, toStride, (long) rows, (long) steps, first, second);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static void narrowRows(long from, long fromStride, int rows, int columns, long to, long toStride) {
        for (int r = 0; r < rows; r++) {
            Memory.zero(to + r * toStride, 2L * STEP);
        }
        Bfloat16.round(from, fromStride, rows, columns, to, toStride);
    }

    /**
     * Zips pairs of neighbouring rows into one panel.
     *
     * @param type of the rows: F32, to be rounded, or BF16
     * @param from address of the first row, rows {@code stride} bytes apart
     * @param rows to zip; where it is odd, the last one's partner is zero
     * @param columns at most {@link MicroKernel#COLUMNS}
     * @param to address of the panel's first pair
     */
    static void zip(DType type, long from, long stride, int rows, int columns, long to) {
        int vectors = (columns + MicroKernel.LANES - 1) / MicroKernel.LANES;
        long mask = 0xffffL >>> (vectors * MicroKernel.LANES - columns);
        long pairs = rows / 2;
        MemorySegment code = (type == DType.F32 ? ZIP_CODE : ZIP_BF16_CODE)[vectors - 1];
        try {
            if (pairs > 0) {
                ZIP.invokeExact(code, from, from + stride, 2 * stride, to, pairs, mask, INTERLEAVE.address());
            }
            if (rows % 2 != 0) {
                long last = from + 2 * pairs * stride;
                long place = to + pairs * vectors * 64;
                ZIP.invokeExact(code, last, ZEROS.address(), 0L, place, 1L, mask, INTERLEAVE.address());
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** {@code void rows(from, fromStride, to, toStride, rows, steps, firstMaskOfRest, secondMaskOfRest)}. */
    private static byte[] generateRows() {
        Assembler code = new Assembler();
        code.load(RAX, Address.of(RSP, 8));
        code.moveToMask(FIRST_MASK, RAX);
        code.load(RAX, Address.of(RSP, 16));
        code.moveToMask(SECOND_MASK, RAX);
        int row = code.position();
        code.move(RAX, RDI);
        code.move(R10, RDX);
        code.move(R11, R9);
        int step = code.position();
        roundStep(code, 0, 0);
        code.addImmediate(RAX, 4 * STEP);
        code.addImmediate(R10, 2 * STEP);
        code.decrementAndLoop(R11, step);
        roundStep(code, FIRST_MASK, SECOND_MASK);
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    private static void roundStep(Assembler code, int firstMask, int secondMask) {
        code.vectorLoad(0, Address.of(RAX), firstMask);
        code.vectorLoad(1, Address.of(RAX, 64), secondMask);
        code.roundToBf16(2, 1, 0);
        code.vectorStore(2, Address.of(R10), 0);
    }

    /** {@code void zip(even, odd, stride, to, pairs, mask, interleave)}. */
    private static byte[] generateZip(int vectors) {
        int interleave = 31;
        Assembler code = new Assembler();
        code.load(RAX, Address.of(RSP, 8));
        code.vectorLoad(interleave, Address.of(RAX), 0);
        code.move(RAX, R9);
        code.moveToMask(FIRST_MASK, RAX);
        int pair = code.position();
        for (int v = 0; v < vectors; v++) {
            int mask = v == vectors - 1 ? FIRST_MASK : 0;
            code.vectorLoad(3 * v, Address.of(RDI, 64 * v), mask);
            code.vectorLoad(3 * v + 1, Address.of(RSI, 64 * v), mask);
            code.roundToBf16(3 * v + 2, 3 * v + 1, 3 * v);
            code.permute16(3 * v + 2, interleave, 3 * v + 2);
            code.vectorStore(3 * v + 2, Address.of(RCX, 64 * v), 0);
        }
        code.add(RDI, RDX);
        code.add(RSI, RDX);
        code.addImmediate(RCX, 64 * vectors);
        code.decrementAndLoop(R8, pair);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    /** {@code void zip(even, odd, stride, to, pairs, mask, interleave)} for bf16 values, which need no rounding and no interleaving. */
    private static byte[] generateZipBf16(int vectors) {
        Assembler code = new Assembler();
        code.move(RAX, R9);
        code.moveToMask(FIRST_MASK, RAX);
        int pair = code.position();
        for (int v = 0; v < vectors; v++) {
            int mask = v == vectors - 1 ? FIRST_MASK : 0;
            code.widen16(2 * v, Address.of(RDI, 32 * v), mask);
            code.widen16(2 * v + 1, Address.of(RSI, 32 * v), mask);
            code.shiftLeft32(2 * v + 1, 2 * v + 1, 16);
            code.or(2 * v, 2 * v, 2 * v + 1);
            code.vectorStore(2 * v, Address.of(RCX, 64 * v), 0);
        }
        code.add(RDI, RDX);
        code.add(RSI, RDX);
        code.addImmediate(RCX, 64 * vectors);
        code.decrementAndLoop(R8, pair);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }
}
