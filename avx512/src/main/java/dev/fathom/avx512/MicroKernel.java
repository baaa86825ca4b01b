package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.R12;
import static dev.fathom.avx512.Assembler.R13;
import static dev.fathom.avx512.Assembler.R14;
import static dev.fathom.avx512.Assembler.R15;
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
import dev.fathom.avx512.Assembler.Prefetch;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The innermost product, {@code C[8 x 48] (+)= A[8 x K] B[K x 48]} in bf16 with f32 sums, as machine code that Java writes at
 * start-up: the Vector API has no bf16 dot product.
 *
 * <p>Operands are <em>pairs</em>: 32 bits that hold the bf16 values of two neighbours along the reduction, the earlier one in the lower half, as
 * VDPBF16PS wants them. B lies in panels: per pair, 16, 32 or 48 columns side by side. A may lie anyhow: one stride leads from row to
 * row, another from pair to pair. So a row-major bf16 matrix is an A as it is, and so is a panel, read across.
 *
 * <p>All 24 sums of a tile stay in registers: per pair 3 vectors of B and 8 broadcast pairs of A feed 24 instructions, one per cycle on a Zen 4 core. An
 * element of C is one chain over the reduction, in order, whatever the tile's height: rows depend on nothing but themselves.
 *
 * <p>While a panel is multiplied, the memory that follows it is asked for: panels of weights lie one after another, and with few rows the next one would
 * have to be waited for.
 */
final class MicroKernel {
    /** Rows of a full tile. */
    static final int ROWS = 8;

    /** Vectors of 16 columns in a full tile. */
    static final int VECTORS = 3;

    static final int LANES = 16;

    /** Columns of a full panel. */
    static final int COLUMNS = VECTORS * LANES;

    /** Eight integer registers beyond those of the arguments are the caller's. */
    private static final int[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    private static final int FIRST_B = ROWS * VECTORS; // zmm24, 25, 26
    private static final int FIRST_A = FIRST_B + VECTORS; // zmm27 to 31, in turn
    private static final int A_REGISTERS = 32 - FIRST_A;
    private static final int MASK = 1;

    /** Mask for the last two vectors once they are one vector of 32 bf16 values. */
    private static final int PAIR_MASK = 2;

    /** What becomes of C. */
    enum Result {
        /** The chains begin with zero. */
        FRESH,
        /** The chains begin with what is in C. */
        CONTINUED,
        /** The chains begin with zero; C is bf16. */
        ROUNDED;

        static Result of(boolean continued) {
            return continued ? CONTINUED : FRESH;
        }
    }

    private static final Result[] RESULTS = Result.values();

    /** {@code void kernel(A, rowStrideOfA, pairStrideOfA, B, C, rowStrideOfC, pairs, tiles, maskOfLastVector)}, strides in bytes. */
    private static final MethodHandle CALL = MachineCode.call(9);

    private static final MemorySegment[] KERNELS = generateAll();

    private MicroKernel() {}

    /**
     * Multiplies {@code rows} rows of A by one panel.
     *
     * @param a address of A's first pair
     * @param aRow bytes from row to row
     * @param aPair bytes from pair to pair
     * @param b address of the panel, {@code [pairs][vectors * 16]} pairs
     * @param columns valid columns, at most {@link #COLUMNS}; the panel is as wide as they need in vectors
     * @param c address of the first result
     * @param cRow bytes from row to row
     * @param result what becomes of C
     */
    static void multiply(
            long a,
            long aRow,
            long aPair,
            long b,
            int columns,
            long c,
            long cRow,
            long pairs,
            int rows,
            Result result) {
        int vectors = (columns + LANES - 1) / LANES;
        long mask = 0xffffL >>> (vectors * LANES - columns);
        int tiles = rows / ROWS;
        int rest = rows % ROWS;
        try {
            if (tiles > 0) {
                CALL.invokeExact(
                        KERNELS[index(ROWS, vectors, result)], a, aRow, aPair, b, c, cRow, pairs, (long) tiles, mask);
            }
            if (rest > 0) {
                long done = (long) tiles * ROWS;
                CALL.invokeExact(
                        KERNELS[index(rest, vectors, result)],
                        a + done * aRow,
                        aRow,
                        aPair,
                        b,
                        c + done * cRow,
                        cRow,
                        pairs,
                        1L,
                        mask);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static int index(int rows, int vectors, Result result) {
        return ((rows - 1) * VECTORS + vectors - 1) * RESULTS.length + result.ordinal();
    }

    private static MemorySegment[] generateAll() {
        byte[][] codes = new byte[ROWS * VECTORS * RESULTS.length][];
        for (int rows = 1; rows <= ROWS; rows++) {
            for (int vectors = 1; vectors <= VECTORS; vectors++) {
                for (Result result : RESULTS) {
                    codes[index(rows, vectors, result)] = generate(rows, vectors, result);
                }
            }
        }
        return MachineCode.place(codes);
    }

    /**
     * A tile of this size, repeated down the rows. Arguments arrive by the System V convention in rdi (A), rsi (its row stride), rdx
     * (its pair stride), rcx (B), r8 (C), r9 (its row stride) and on the stack.
     */
    private static byte[] generate(int rows, int vectors, Result result) {
        Assembler code = new Assembler();
        for (int register : SAVED) {
            code.push(register);
        }
        int arguments = 8 * SAVED.length + 8;
        code.load(R10, Address.of(RSP, arguments)); // pairs
        Address tiles = Address.of(RSP, arguments + 8);
        code.multiply(R11, R10, 64 * vectors); // from here to the panel that follows
        code.load(RAX, Address.of(RSP, arguments + 16));
        code.moveToMask(MASK, RAX);
        if (result == Result.ROUNDED) {
            // In the pair the last vector comes second, after one that is whole.
            code.shiftLeft(RAX, MicroKernel.LANES);
            code.addImmediate(RAX, 0xffff);
            code.moveToMask32(PAIR_MASK, RAX);
        }
        code.loadAddress(R15, Address.indexed(RSI, RSI, 2)); // three rows of A

        int tile = code.position();
        // Three rows are reached from one pointer: [p], [p + stride], [p + 2 stride].
        code.move(RAX, RDI);
        code.loadAddress(RBX, Address.indexed(RAX, R15, 1));
        code.loadAddress(RBP, Address.indexed(RBX, R15, 1));
        code.move(R12, RCX);
        code.move(R13, R10);
        code.move(R14, R8);
        for (int row = 0; row < rows; row++) {
            for (int v = 0; v < vectors; v++) {
                if (result == Result.CONTINUED) {
                    code.vectorLoad(row * vectors + v, Address.of(R14, 64 * v), v == vectors - 1 ? MASK : 0);
                } else {
                    code.vectorZero(row * vectors + v);
                }
                if (rows == ROWS) {
                    // The next tile's results come from far away, and no pattern of addresses announces them.
                    code.prefetchToWrite(Address.indexed(R14, R9, ROWS).plus(64 * v));
                }
            }
            code.add(R14, R9);
        }
        code.move(R14, R8);

        int pair = code.position();
        for (int v = 0; v < vectors; v++) {
            code.vectorLoad(FIRST_B + v, Address.of(R12, 64 * v), 0);
            code.prefetch(Prefetch.SECOND_LEVEL, Address.indexed(R12, R11, 1, 64 * v));
        }
        int[] pointers = {RAX, RBX, RBP};
        for (int row = 0; row < rows; row++) {
            int a = FIRST_A + row % A_REGISTERS;
            int pointer = pointers[row / 3];
            code.broadcast32(
                    a, row % 3 == 0 ? Address.of(pointer) : Address.indexed(pointer, RSI, row % 3 == 1 ? 1 : 2));
            for (int v = 0; v < vectors; v++) {
                code.dotBf16(row * vectors + v, a, FIRST_B + v);
            }
        }
        for (int i = 0; i <= (rows - 1) / 3; i++) {
            code.add(pointers[i], RDX);
        }
        code.addImmediate(R12, 64 * vectors);
        code.decrementAndLoop(R13, pair);

        for (int row = 0; row < rows; row++) {
            if (result == Result.ROUNDED) {
                storeRounded(code, row * vectors, vectors);
            } else {
                for (int v = 0; v < vectors; v++) {
                    code.vectorStore(row * vectors + v, Address.of(R14, 64 * v), v == vectors - 1 ? MASK : 0);
                }
            }
            code.add(R14, R9);
        }
        code.move(R8, R14);
        code.multiply(RBX, RSI, rows);
        code.add(RDI, RBX);
        code.decrementAndLoop(tiles, tile);

        code.clearUpperHalves();
        for (int i = SAVED.length - 1; i >= 0; i--) {
            code.pop(SAVED[i]);
        }
        code.returnToCaller();
        return code.bytes();
    }

    /** A row's sums as bf16 values, two vectors in one. The mask of the last vector is that of its elements, of whatever size. */
    private static void storeRounded(Assembler code, int first, int vectors) {
        for (int v = 0; v < vectors; v += 2) {
            boolean alone = v + 1 == vectors;
            code.roundToBf16(FIRST_A, alone ? first + v : first + v + 1, first + v);
            if (v + 2 < vectors) {
                code.vectorStore(FIRST_A, Address.of(R14, 32 * v), 0);
            } else {
                code.vectorStore16(FIRST_A, Address.of(R14, 32 * v), alone ? MASK : PAIR_MASK);
            }
        }
    }
}
