package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
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
import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.DType;
import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Floats to the bf16 operands of {@link MicroKernel}, to nearest even: rows as they are, or neighbouring rows zipped into pairs. Denormal floats become
 * zero, which the products would take them for anyway.
 */
final class Rounding {
    private static final int FIRST_MASK = 1;
    private static final int SECOND_MASK = 2;
    private static final int INTERLEAVE_REGISTER = 31;

    /** Elements per step of {@link #rows}. */
    private static final int STEP = 2 * MicroKernel.LANES;

    private static final MethodHandle ROWS = MachineCode.call(8);
    private static final MethodHandle EXACT_ROWS = MachineCode.call(5);
    private static final MethodHandle ZIP = MachineCode.call(9);

    /** For each number of columns. */
    private static final Map<Integer, MemorySegment> EXACT_CODE = new ConcurrentHashMap<>();

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
            functions[vectors] = generateZip(DType.F32, vectors);
            functions[widths + vectors] = generateZip(DType.BF16, vectors);
        }
        MemorySegment[] code = MachineCode.place(functions);
        ROWS_CODE = code[0];
        ZIP_CODE = Arrays.copyOfRange(code, 1, 1 + widths);
        ZIP_BF16_CODE = Arrays.copyOfRange(code, 1 + widths, code.length);
    }

    private Rounding() {}

    /** Address of the indices by which {@link Assembler#permute16} takes the first half's elements and the second half's in turn. */
    static long interleave() {
        return INTERLEAVE.address();
    }

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
            for (int r = 0; r < rows; r++) {
                Memory.zero(to + r * toStride, 2L * STEP);
            }
            exactRows(from, fromStride, rows, columns, to, toStride);
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

    /** As {@link #rows(long, long, int, int, long, long)}, but nothing is written behind the last element of a row. */
    static void exactRows(long from, long fromStride, int rows, int columns, long to, long toStride) {
        MemorySegment code = EXACT_CODE.computeIfAbsent(columns, k -> MachineCode.place(generateExactRows(k))[0]);
        try {
            EXACT_ROWS.invokeExact(code, from, fromStride, to, toStride, (long) rows);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generateExactRows(int columns) {
        Assembler code = new Assembler();
        Columns.setMask(code, columns);
        int row = code.position();
        Columns.forEach(code, columns, mask -> {
            Columns.load(code, DType.F32, 0, RDI, mask);
            Columns.store(code, DType.BF16, 0, RDX, mask);
        });
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    /**
     * Zips pairs of neighbouring rows into panels ({@link Panels}), pair after pair, so that memory is read as it lies.
     *
     * @param type of the rows: F32, to be rounded, or BF16
     * @param from address of the first row, rows {@code stride} bytes apart
     * @param rows to zip; where it is odd, the last one's partner is zero
     * @param to address of the first panel
     * @param panelBytes from panel to panel
     * @param firstPair of the panels to be written
     */
    static void zip(
            DType type, long from, long stride, int rows, int columns, long to, long panelBytes, long firstPair) {
        int panels = columns / MicroKernel.COLUMNS;
        int rest = columns % MicroKernel.COLUMNS;
        long skip = (long) panels * MicroKernel.COLUMNS * type.bytes();
        long restTo = to + panels * panelBytes;
        long pairs = rows / 2;
        zip(type, from, stride, pairs, panels, MicroKernel.COLUMNS, to, panelBytes, firstPair);
        zip(type, from + skip, stride, pairs, 1, rest, restTo, panelBytes, firstPair);
        if (rows % 2 != 0) {
            // Its partner is a row of zeros, as long as a panel is wide.
            long last = from + 2 * pairs * stride;
            for (int panel = 0; panel < panels; panel++) {
                long row = last + (long) panel * MicroKernel.COLUMNS * type.bytes();
                long place = to + panel * panelBytes;
                zip(type, row, ZEROS.address() - row, 1, 1, MicroKernel.COLUMNS, place, 0, firstPair + pairs);
            }
            long row = last + skip;
            zip(type, row, ZEROS.address() - row, 1, 1, rest, restTo, 0, firstPair + pairs);
        }
    }

    /**
     * Zips pairs of neighbouring rows of floats into tiles of sixteen columns.
     *
     * @param rows to zip, an even number
     * @param to address of the first tile
     * @param tileBytes from tile to tile
     */
    static void zipTiles(long from, long stride, int rows, int tiles, long to, long tileBytes) {
        zip(DType.F32, from, stride, rows / 2, tiles, MicroKernel.LANES, to, tileBytes, 0);
    }

    /** So many panels of the same width; the odd row of a pair stands {@code stride} after the even one. */
    private static void zip(
            DType type,
            long from,
            long stride,
            long pairs,
            int panels,
            int columns,
            long to,
            long panelBytes,
            long firstPair) {
        if (pairs == 0 || panels == 0 || columns == 0) {
            return;
        }
        int vectors = (columns + MicroKernel.LANES - 1) / MicroKernel.LANES;
        long mask = 0xffffL >>> (vectors * MicroKernel.LANES - columns);
        MemorySegment code = (type == DType.F32 ? ZIP_CODE : ZIP_BF16_CODE)[vectors - 1];
        long first = to + firstPair * 64 * vectors;
        try {
            ZIP.invokeExact(
                    code,
                    from,
                    from + stride,
                    2 * stride,
                    first,
                    pairs,
                    (long) panels,
                    panelBytes,
                    mask,
                    INTERLEAVE.address());
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

    /** {@code void zip(even, odd, stride, to, pairs, panels, panelBytes, maskOfLastVector, interleave)}. */
    private static byte[] generateZip(DType type, int vectors) {
        Assembler code = new Assembler();
        code.push(RBX);
        code.push(RBP);
        int arguments = 2 * 8 + 8;
        code.load(RBP, Address.of(RSP, arguments)); // bytes from panel to panel
        code.load(RAX, Address.of(RSP, arguments + 8));
        code.moveToMask(FIRST_MASK, RAX);
        code.load(RAX, Address.of(RSP, arguments + 16));
        code.vectorLoad(INTERLEAVE_REGISTER, Address.of(RAX), 0);
        int pair = code.position();
        code.move(RAX, RDI);
        code.move(R10, RSI);
        code.move(R11, RCX);
        code.move(RBX, R9);
        int panel = code.position();
        for (int v = 0; v < vectors; v++) {
            zipVector(code, type, v, v == vectors - 1 ? FIRST_MASK : 0);
        }
        code.addImmediate(RAX, type.bytes() * MicroKernel.LANES * vectors);
        code.addImmediate(R10, type.bytes() * MicroKernel.LANES * vectors);
        code.add(R11, RBP);
        code.decrementAndLoop(RBX, panel);
        code.add(RDI, RDX);
        code.add(RSI, RDX);
        code.addImmediate(RCX, 64 * vectors);
        code.decrementAndLoop(R8, pair);
        code.clearUpperHalves();
        code.pop(RBP);
        code.pop(RBX);
        code.returnToCaller();
        return code.bytes();
    }

    /** Sixteen columns. Floats are rounded, both rows at once, and then interleaved; bf16 values are widened, the odd ones into the upper halves. */
    private static void zipVector(Assembler code, DType type, int v, int mask) {
        int even = 2 * v;
        int odd = even + 1;
        Address evenRow = Address.of(RAX, type.bytes() * MicroKernel.LANES * v);
        Address oddRow = Address.of(R10, type.bytes() * MicroKernel.LANES * v);
        if (type == DType.F32) {
            code.vectorLoad(even, evenRow, mask);
            code.vectorLoad(odd, oddRow, mask);
            code.roundToBf16(even, odd, even);
            code.permute16(even, INTERLEAVE_REGISTER, even);
        } else {
            code.widen16(even, evenRow, mask);
            code.widen16(odd, oddRow, mask);
            code.shiftLeft32(odd, odd, 16);
            code.or(even, even, odd);
        }
        code.vectorStore(even, Address.of(R11, 64 * v), 0);
    }
}
