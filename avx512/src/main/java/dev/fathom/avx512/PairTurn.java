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
import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Turns the direction of pairs, as machine code. A square of {@code [16][16]} bf16 values in pairs down its columns, {@code [8][16]} pairs, becomes the same square in pairs along
 * its rows, {@code [8][16]} pairs again: what a product reduces over one way is then ready to be reduced over the other.
 *
 * <p>Two pairs side by side are four values, 64 bits; the middle two change places, and then eight by eight such numbers are transposed.
 */
final class PairTurn {
    private static final int ROWS = 8;
    private static final long VECTOR = 4L * MicroKernel.LANES;

    /** Of four quarters each, the even ones of two vectors; and the odd ones. */
    private static final int EVEN_QUARTERS = 0b10_00_10_00;

    private static final int ODD_QUARTERS = 0b11_01_11_01;

    private static final int EXCHANGE = 31;

    private static final MemorySegment EXCHANGED = Arena.global().allocate(VECTOR, Memory.ALIGNMENT);

    /** {@code void turn(from, fromStep, to, toRow, toStep, squares, exchanged)}. */
    private static final MethodHandle CALL = MachineCode.call(7);

    /** For squares of which only the first rows are there. */
    private static final MemorySegment[] CODE;

    static {
        int[] order = {0, 2, 1, 3};
        for (int i = 0; i < 2 * MicroKernel.LANES; i++) {
            EXCHANGED.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (i / 4 * 4 + order[i % 4]));
        }
        byte[][] functions = new byte[ROWS][];
        for (int rows = 1; rows <= ROWS; rows++) {
            functions[rows - 1] = generate(rows);
        }
        CODE = MachineCode.place(functions);
    }

    private PairTurn() {}

    /**
     * Turns squares.
     *
     * @param from address of the first square's pairs, a row every 64 bytes; squares are {@code fromStep} bytes apart
     * @param rows of pairs that a square has, at most eight; where the others were to go there will be zeros
     * @param to where the first square's pairs go, a row every {@code toRow} bytes; squares are {@code toStep} bytes apart
     */
    static void turn(long from, long fromStep, int rows, long to, long toRow, long toStep, int squares) {
        if (squares == 0) {
            return;
        }
        try {
            CALL.invokeExact(CODE[rows - 1], from, fromStep, to, toRow, toStep, (long) squares, EXCHANGED.address());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate(int rows) {
        Assembler code = new Assembler();
        code.load(R10, Address.of(RSP, 8));
        code.vectorLoad(EXCHANGE, Address.of(R10), 0);
        code.loadAddress(RAX, Address.indexed(RCX, RCX, 2)); // three rows
        int square = code.position();
        for (int r = 0; r < ROWS; r++) {
            if (r < rows) {
                code.vectorLoad(r, Address.of(RDI, (int) VECTOR * r), 0);
                code.permute16(r, EXCHANGE, r);
            } else {
                code.vectorZero(r);
            }
        }
        transpose(code);
        int[] pointers = {RDX, R10, R11};
        code.loadAddress(R10, Address.indexed(RDX, RAX, 1));
        code.loadAddress(R11, Address.indexed(R10, RAX, 1));
        for (int k = 0; k < ROWS; k++) {
            int pointer = pointers[k / 3];
            code.vectorStore(
                    k, k % 3 == 0 ? Address.of(pointer) : Address.indexed(pointer, RCX, k % 3 == 1 ? 1 : 2), 0);
        }
        code.add(RDI, RSI);
        code.add(RDX, R8);
        code.decrementAndLoop(R9, square);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    /** Registers 0 to 7 hold rows of eight 64-bit numbers, afterwards columns. */
    private static void transpose(Assembler code) {
        int[] even = {8, 10, 12, 14};
        for (int pair = 0; pair < 4; pair++) {
            code.interleaveLow64(even[pair], 2 * pair, 2 * pair + 1);
            code.interleaveHigh64(even[pair] + 1, 2 * pair, 2 * pair + 1);
        }
        for (int odd = 0; odd < 2; odd++) {
            int temporary = 16;
            for (int half = 0; half < 2; half++) {
                int a = even[2 * half] + odd;
                int b = even[2 * half + 1] + odd;
                code.shuffleQuarters(temporary + half, a, b, EVEN_QUARTERS);
                code.shuffleQuarters(temporary + 2 + half, a, b, ODD_QUARTERS);
            }
            code.shuffleQuarters(odd, temporary, temporary + 1, EVEN_QUARTERS);
            code.shuffleQuarters(odd + 4, temporary, temporary + 1, ODD_QUARTERS);
            code.shuffleQuarters(odd + 2, temporary + 2, temporary + 3, EVEN_QUARTERS);
            code.shuffleQuarters(odd + 6, temporary + 2, temporary + 3, ODD_QUARTERS);
        }
    }
}
