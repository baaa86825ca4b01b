package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.R12;
import static dev.fathom.avx512.Assembler.R14;
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
import static dev.fathom.avx512.StoredKernel.OUTPUTS;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.avx512.Assembler.Prefetch;

/**
 * What the step of a {@link StoredFormat} is written with, whatever the kernel does with the weights ({@link Role}): first they are read and decoded, then they
 * meet x.
 *
 * <p>Sixteen rows of weights are reached from four pointers and multiples of the stride (rsi, and three times that in r10), rows of x from three pointers and
 * multiples of theirs (rcx); {@link StoredKernel} sets them for a tile, {@link #advance} moves them. Vectors: {@link #SUM}, one integer sum per row of x;
 * {@link #RESULT}, one float chain per row of x; then two sets of four for turned weights, and the others by name.
 */
final class StoredStep {
    static final int SUM = 0;
    static final int RESULT = 8;
    static final int FIRST = 16;
    static final int SECOND = 20;
    static final int TEMPORARY = 24;
    static final int OTHER_TEMPORARY = 25;
    static final int OPERAND = 26;
    static final int SCALE = 27;
    static final int OFFSET = 28;
    static final int CONSTANT = 29;
    static final int CONSTANT_2 = 30;
    static final int CONSTANT_3 = 31;

    /** Vectors of the stack that {@link #scratch} gives a format. */
    static final int SCRATCH_VECTORS = 32;

    /** Point to rows 0, 4, 8 and 12 of a tile of weights. */
    private static final int[] WEIGHTS = {RDI, RAX, RBX, RBP};

    /** Point to rows 0, 3 and 6 of x. */
    private static final int[] X = {RDX, R11, R12};

    /** Points to the scale of the step that is shared by all rows; free where there is none. */
    static final int SCALES = R8;

    /** Walks through the next tile, as many bytes a step as are read of this one; hints ask for what lies {@link #AHEAD} of it. */
    static final int HINTS = R14;

    /**
     * How far beyond the next tile memory is asked for, in bytes. Sixteen rows are read side by side, which the processor's own prefetching does not take
     * for the one stream it is: asked for line by line, memory delivers twice as much.
     */
    private static final int AHEAD = 4096;

    /** With more rows than this the caches hold the weights, and arithmetic is what takes the time. */
    private static final int ROWS_WITH_HINTS = 4;

    /** What a kernel does with weights. */
    enum Role {
        /** Multiplies as it reads them. */
        MULTIPLY,
        /** Writes a panel: vectors of weights as they meet x, turned and decoded. */
        PACK,
        /** Multiplies by a panel. */
        MULTIPLY_PANEL;

        boolean readsFile() {
            return this != MULTIPLY_PANEL;
        }
    }

    /** What is subtracted from each element of a row of weights: a vector of it, and where the sum of those elements of x is. */
    record Offset(int vector, int sumOfX) {}

    /** Where formats write what decodes weights: thrown away where a panel holds the outcome. */
    final Assembler code;

    /** Where everything else goes. */
    final Assembler out = new Assembler();

    final StoredFormat format;
    final Role role;

    /** Rows of x, 0 to write a panel. */
    final int rows;

    /** Bytes that a step asks for ahead of their use, and those asked for so far. */
    private final int bytesAhead;

    private int asked;

    private int panelBytes;

    StoredStep(StoredFormat format, Role role, int rows) {
        this.format = format;
        this.role = role;
        this.rows = rows;
        code = role.readsFile() ? out : new Assembler();
        bytesAhead = role.readsFile() && rows <= ROWS_WITH_HINTS ? OUTPUTS * format.stepBytes() : 0;
    }

    /** Bytes of a panel in a step, once it is written. */
    int panelBytes() {
        return panelBytes;
    }

    /** At the end of a step: every pointer to the next one. */
    void advance() {
        askAhead(bytesAhead);
        if (bytesAhead > 0) {
            out.addImmediate(HINTS, bytesAhead);
        }
        if (role.readsFile()) {
            for (int pointer : WEIGHTS) {
                out.addImmediate(pointer, format.stepBytes());
            }
        }
        if (role != Role.MULTIPLY) {
            out.addImmediate(panel(), panelBytes);
        }
        for (int row = 0; row < rows; row += 3) {
            out.addImmediate(X[row / 3], format.operandBytes());
        }
    }

    // ---- constants: only before the first step

    /** The same 32 bits in all elements. */
    void constant(int register, int bits) {
        code.moveImmediate(RAX, bits);
        code.broadcast32(register, RAX);
    }

    /** Sixteen bytes in each quarter. */
    void table(int register, int[] bytes) {
        toScratch(bytes, 0, 16);
        code.load128(register, scratch(0));
        code.shuffleQuarters(register, register, 0);
    }

    /** 128 bytes in two vectors. */
    void table(int register, int rest, int[] bytes) {
        toScratch(bytes, 0, 64);
        code.vectorLoad(register, scratch(0), 0);
        toScratch(bytes, 64, 128);
        code.vectorLoad(rest, scratch(0), 0);
    }

    private void toScratch(int[] bytes, int from, int to) {
        for (int i = from; i < to; i += 4) {
            code.moveImmediate(RAX, bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
            code.store32(RAX, scratch(0).plus(i - from));
        }
    }

    // ---- weights as they are read

    /** A vector of the stack, for what all of a step's blocks need. */
    static Address scratch(int vector) {
        return Address.of(RSP, 64 * vector);
    }

    /** Turns sixteen bytes of each row of weights: afterwards register {@link #turned}(to, j) holds each row's bytes 4j to 4j + 3. */
    void turn(int to, int displacement) {
        loadRows(to, displacement);
        code.interleaveLow32(TEMPORARY, to, to + 1);
        code.interleaveHigh32(OTHER_TEMPORARY, to, to + 1);
        code.interleaveLow32(to, to + 2, to + 3);
        code.interleaveHigh32(to + 1, to + 2, to + 3);
        code.interleaveLow64(to + 2, TEMPORARY, to);
        code.interleaveHigh64(to + 3, TEMPORARY, to);
        code.interleaveLow64(to, OTHER_TEMPORARY, to + 1);
        code.interleaveHigh64(to + 1, OTHER_TEMPORARY, to + 1);
    }

    static int turned(int to, int word) {
        return to + (word + 2) % 4;
    }

    /** As {@link #turn}, but bytes 4j and 4j + 1 of four rows are side by side in 64 bits, and after them their bytes 4j + 2 and 4j + 3. */
    void turnPairs(int to, int displacement) {
        loadRows(to, displacement);
        code.interleaveLow16(TEMPORARY, to, to + 1);
        code.interleaveHigh16(OTHER_TEMPORARY, to, to + 1);
        code.interleaveLow16(to, to + 2, to + 3);
        code.interleaveHigh16(to + 1, to + 2, to + 3);
        code.interleaveLow32(to + 2, TEMPORARY, to);
        code.interleaveHigh32(to + 3, TEMPORARY, to);
        code.interleaveLow32(to, OTHER_TEMPORARY, to + 1);
        code.interleaveHigh32(to + 1, OTHER_TEMPORARY, to + 1);
    }

    /** Sixteen bytes of each row of weights: those of rows i, i + 4, i + 8, i + 12 in one register, so that interleaving stays within 128 bits. */
    private void loadRows(int to, int displacement) {
        askAhead(16 * OUTPUTS);
        for (int i = 0; i < 4; i++) {
            code.load128(to + i, weights(i, displacement));
            for (int quarter = 1; quarter < 4; quarter++) {
                code.insert128(to + i, to + i, weights(4 * quarter + i, displacement), quarter);
            }
        }
    }

    private static Address weights(int row, int displacement) {
        int base = WEIGHTS[row / 4];
        return switch (row % 4) {
            case 0 -> Address.of(base, displacement);
            case 3 -> Address.indexed(base, R10, 1, displacement);
            default -> Address.indexed(base, RSI, row % 4, displacement);
        };
    }

    /**
     * Tiles follow each other in memory: the steps of this one ask for the next. A turn asks for as much as it reads, for hints that
     * come all at once find the queue full and are dropped.
     */
    private void askAhead(int bytes) {
        int until = Math.min(bytesAhead, asked + bytes);
        for (; asked < until; asked += 64) {
            code.prefetch(Prefetch.SECOND_LEVEL, Address.of(HINTS, AHEAD + asked));
        }
    }

    /** The next of the scales that all rows of weights share. */
    void sharedScale(int to) {
        code.broadcast32(to, Address.of(SCALES));
        code.addImmediate(SCALES, Float.BYTES);
    }

    /** The binary16 number at a place of each row of weights, as floats. */
    void halves(int to, int displacement) {
        // Four rows at a time in a general register: the vector units have enough to do.
        for (int row = 0; row < OUTPUTS; row += 4) {
            int free = row % 8 == 0 ? R8 : R9;
            for (int i = 3; i >= 0; i--) {
                code.load16(free, weights(row + i, displacement));
                if (i > 0) {
                    code.shiftLeft(free, 16);
                }
            }
            int target = row < 8 ? TEMPORARY : OTHER_TEMPORARY;
            if (row % 8 == 0) {
                code.moveToVector(target, free);
            } else {
                code.insertSecond64(target, target, free);
            }
        }
        code.insert128(TEMPORARY, TEMPORARY, OTHER_TEMPORARY, 1);
        code.halfToFloat(to, TEMPORARY);
    }

    /** Some bits of each element of 32, as an integer. */
    void bits(int target, int source, int from, int count) {
        code.shiftLeft32(target, source, 32 - count - from);
        code.shiftRight(target, target, 32 - count);
    }

    // ---- weights meet x

    private static Address x(int row, int displacement) {
        int base = X[row / 3];
        return row % 3 == 0 ? Address.of(base, displacement) : Address.indexed(base, RCX, row % 3, displacement);
    }

    /** A vector that goes into a panel, or comes from it. */
    private void throughPanel(int register) {
        switch (role) {
            case MULTIPLY -> {}
            case PACK -> out.vectorStore(register, nextOfPanel(), 0);
            case MULTIPLY_PANEL -> out.vectorLoad(register, nextOfPanel(), 0);
        }
    }

    private Address nextOfPanel() {
        Address address = Address.of(panel(), panelBytes);
        panelBytes += 64;
        return address;
    }

    /** The register that points to the panel. */
    private int panel() {
        return role == Role.PACK ? RDX : RDI;
    }

    /** The sums of a block begin with zero. */
    void begin() {
        for (int row = 0; row < rows; row++) {
            out.vectorZero(SUM + row);
        }
    }

    /** The sums of weights stored as {@code w + 2^bits} begin with {@code -2^bits Σ x}. */
    void begin(int bits, int negativeSumOfX) {
        for (int row = 0; row < rows; row++) {
            out.broadcast32(SUM + row, x(row, negativeSumOfX));
            out.shiftLeft32(SUM + row, SUM + row, bits);
        }
    }

    /** Adds the products of unsigned bytes of weights and four bytes of each row of x. */
    void dotBytes(int weights, int operand) {
        throughPanel(weights);
        for (int row = 0; row < rows; row++) {
            out.dotBytesBroadcast(SUM + row, weights, x(row, operand));
        }
    }

    /** {@code result += sum (scale dx)}, minus each offset times its {@code Σ x}. */
    void finish(int scale, int scaleOfX, Offset... offsets) {
        throughPanel(scale);
        for (Offset offset : offsets) {
            throughPanel(offset.vector);
        }
        for (int row = 0; row < rows; row++) {
            out.toFloat(SUM + row, SUM + row);
            out.multiplyFloatBroadcast(TEMPORARY, scale, x(row, scaleOfX));
            out.vectorMultiply(SUM + row, SUM + row, TEMPORARY);
            for (Offset offset : offsets) {
                out.multiplySubtractBroadcast(SUM + row, offset.vector, x(row, offset.sumOfX));
            }
            out.vectorAdd(RESULT + row, RESULT + row, SUM + row);
        }
    }

    /** Continues the chains by a float. */
    void multiplyAdd(int weights, int operand) {
        throughPanel(weights);
        for (int row = 0; row < rows; row++) {
            out.multiplyAddBroadcast(RESULT + row, weights, x(row, operand));
        }
    }

    /** Continues the chains, {@link #RESULT} or {@link #SUM}, by pairs of bf16. */
    void dotBf16(int chains, int weights, int operand) {
        throughPanel(weights);
        for (int row = 0; row < rows; row++) {
            out.dotBf16Broadcast(chains + row, weights, x(row, operand));
        }
    }

    /**
     * A block of floating-point numbers with a scale: its sums begin with zero in both {@link #SUM} and {@link #RESULT}, for one chain alone would wait for
     * itself. Takes one vector of {@link #scratch} for each row of x, from the first on, until {@link #finishFloats}.
     */
    void beginFloats() {
        for (int row = 0; row < rows; row++) {
            out.vectorStore(RESULT + row, scratch(row), 0);
            out.vectorZero(SUM + row);
            out.vectorZero(RESULT + row);
        }
    }

    /** {@code result += scale (sum + sum)}, rounding the sum of sums and then once more. */
    void finishFloats(int scale) {
        throughPanel(scale);
        for (int row = 0; row < rows; row++) {
            out.vectorAdd(SUM + row, SUM + row, RESULT + row);
            out.vectorLoad(RESULT + row, scratch(row), 0);
            out.multiplyAdd(RESULT + row, SUM + row, scale);
        }
    }
}
