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
 * The innermost product with stored weights: sixteen rows of a matrix as a file has it, times up to eight rows of x.
 *
 * <p>Weights are turned as they are loaded: four vectors take sixteen bytes of each of the sixteen rows, so that a vector's elements are four bytes
 * each of the sixteen rows, one below the other, as outputs are. From there a {@link StoredFormat} reads like its specification. A row of x meets
 * them as broadcasts from memory. So nothing is ever summed across a vector, an output is one chain over the row of weights, and there is one
 * arithmetic however many rows of x share the loaded weights: one when a token is generated, eight at a time in a prompt.
 */
final class StoredKernel {
    /** Rows of weights of a tile. */
    static final int OUTPUTS = 16;

    /** Most rows of x at once. */
    static final int ROWS = 8;

    /**
     * How far beyond the next tile memory is asked for, in bytes. Sixteen rows are read side by side, which the processor's own prefetching does not take
     * for the one stream it is: asked for line by line, memory delivers twice as much.
     */
    private static final int AHEAD = 4096;

    /** With more rows than this the caches hold the weights, and arithmetic is what takes the time. */
    private static final int ROWS_WITH_PREFETCH = 4;

    private static final int[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    /** {@code void kernel(w, bytes from row to row, x, bytes from row to row, y, bytes from row to row, steps, tiles, mask of outputs)}. */
    private static final MethodHandle CALL = MachineCode.call(9);

    /** Bytes of the stack for a format's vectors; beyond them lie the caller's stack pointer, x, the steps and the next tile. */
    private static final int SCRATCH = 16 * 64;

    private static final int MASK = 1;

    private final MemorySegment[] kernels = new MemorySegment[ROWS];

    StoredKernel(StoredFormat format) {
        byte[][] codes = new byte[ROWS][];
        for (int rows = 1; rows <= ROWS; rows++) {
            codes[rows - 1] = generate(format, rows);
        }
        System.arraycopy(MachineCode.place(codes), 0, kernels, 0, ROWS);
    }

    /**
     * {@code y[r][o] = W[o] x[r]} for rows of x and {@code tiles} times sixteen outputs.
     *
     * @param w address of the first row of weights
     * @param x address of the first row as the format wants it ({@link StoredFormat#operand})
     * @param steps of the format in a row
     * @param rows at most {@link #ROWS}
     * @param outputs valid outputs of the last tile's sixteen, if there is one tile; else all are
     */
    void multiply(
            long w,
            long rowBytes,
            long x,
            long xStride,
            long y,
            long yStride,
            long steps,
            int rows,
            int tiles,
            int outputs) {
        long mask = 0xffffL >>> (OUTPUTS - outputs);
        try {
            CALL.invokeExact(kernels[rows - 1], w, rowBytes, x, xStride, y, yStride, steps, (long) tiles, mask);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** Arguments arrive by the System V convention in rdi, rsi, rdx, rcx, r8, r9 and on the stack. */
    private static byte[] generate(StoredFormat format, int rows) {
        Assembler code = new Assembler();
        Step step = new Step(code, rows);
        for (int register : SAVED) {
            code.push(register);
        }
        int arguments = 8 * SAVED.length + 8;
        Address stack = Address.of(RSP, SCRATCH);
        Address xBase = Address.of(RSP, SCRATCH + 8);
        Address stepCount = Address.of(RSP, SCRATCH + 16);
        Address nextTile = Address.of(RSP, SCRATCH + 24);
        Address yBase = Address.of(RSP, SCRATCH + 32);
        Address yStride = Address.of(RSP, SCRATCH + 40);
        code.move(RAX, RSP);
        code.and(RSP, -64);
        code.addImmediate(RSP, -SCRATCH - 64);
        code.store(RAX, stack);
        code.store(RDX, xBase);
        code.store(R8, yBase);
        code.store(R9, yStride);
        code.load(R13, Address.of(RAX, arguments));
        code.store(R13, stepCount);
        code.load(R15, Address.of(RAX, arguments + 8));
        code.load(RAX, Address.of(RAX, arguments + 16));
        code.moveToMask(MASK, RAX);
        code.loadAddress(R10, Address.indexed(RSI, RSI, 2));
        format.constants(step);

        int tile = code.position();
        // Sixteen rows of weights are reached from four pointers and multiples of the stride, rows of x from three.
        code.loadAddress(RAX, Address.indexed(RDI, RSI, 4));
        code.loadAddress(RBX, Address.indexed(RAX, RSI, 4));
        code.loadAddress(RBP, Address.indexed(RBX, RSI, 4));
        code.loadAddress(R14, Address.indexed(RBP, RSI, 4));
        code.store(R14, nextTile);
        code.load(RDX, xBase);
        code.loadAddress(R11, Address.indexed(RDX, RCX, 2));
        code.add(R11, RCX);
        code.loadAddress(R12, Address.indexed(R11, RCX, 2));
        code.add(R12, RCX);
        code.load(R13, stepCount);
        for (int row = 0; row < rows; row++) {
            code.vectorZero(Step.RESULT + row);
        }

        int loop = code.position();
        format.step(step);
        int bytes = OUTPUTS * format.stepBytes();
        if (rows <= ROWS_WITH_PREFETCH) {
            // Tiles follow each other in memory: the steps of this one ask for the next.
            for (int line = 0; line < bytes; line += 64) {
                code.prefetch(Prefetch.SECOND_LEVEL, Address.of(R14, AHEAD + line));
            }
            code.addImmediate(R14, bytes);
        }
        for (int pointer : Step.WEIGHTS) {
            code.addImmediate(pointer, format.stepBytes());
        }
        for (int i = 0; i <= (rows - 1) / 3; i++) {
            code.addImmediate(Step.X[i], format.operandBytes());
        }
        code.decrementAndLoop(R13, loop);

        code.load(R8, yBase);
        code.load(R9, yStride);
        code.move(RAX, R8);
        for (int row = 0; row < rows; row++) {
            code.vectorStore(Step.RESULT + row, Address.of(RAX), MASK);
            code.add(RAX, R9);
        }
        code.addImmediate(R8, 4 * OUTPUTS);
        code.store(R8, yBase);
        code.load(RDI, nextTile);
        code.decrementAndLoop(R15, tile);

        code.clearUpperHalves();
        code.load(RSP, stack);
        for (int i = SAVED.length - 1; i >= 0; i--) {
            code.pop(SAVED[i]);
        }
        code.returnToCaller();
        return code.bytes();
    }

    /**
     * What a format's step is written with. Vectors: {@link #SUM} one integer sum per row of x, {@link #RESULT} one float chain per row of x, then two
     * sets of four for turned weights, and the others by name.
     */
    static final class Step {
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

        private static final int[] WEIGHTS = {RDI, RAX, RBX, RBP};
        private static final int[] X = {RDX, R11, R12};

        final Assembler code;
        private final int rows;

        Step(Assembler code, int rows) {
            this.code = code;
            this.rows = rows;
        }

        /** The same 32 bits in all elements; only in {@link StoredFormat#constants}. */
        void constant(int register, int bits) {
            code.moveImmediate(RAX, bits);
            code.broadcast32(register, RAX);
        }

        /** Sixteen bytes in each quarter; only in {@link StoredFormat#constants}. */
        void table(int register, int[] bytes) {
            for (int i = 0; i < bytes.length; i += 4) {
                code.moveImmediate(RAX, bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
                code.store32(RAX, scratch(0).plus(i));
            }
            code.load128(register, scratch(0));
            code.shuffleQuarters(register, register, 0);
        }

        private static Address weights(int row, int displacement) {
            int base = WEIGHTS[row / 4];
            return switch (row % 4) {
                case 0 -> Address.of(base, displacement);
                case 3 -> new Address(base, R10, 1, displacement);
                default -> new Address(base, RSI, row % 4, displacement);
            };
        }

        private static Address x(int row, int displacement) {
            int base = X[row / 3];
            return row % 3 == 0 ? Address.of(base, displacement) : new Address(base, RCX, row % 3, displacement);
        }

        /** A vector of the stack, for what all of a step's blocks need. */
        static Address scratch(int vector) {
            return Address.of(RSP, 64 * vector);
        }

        /** Turns sixteen bytes of each row of weights: afterwards register {@link #turned}(to, j) holds each row's bytes 4j to 4j + 3. */
        void turn(int to, int displacement) {
            for (int i = 0; i < 4; i++) {
                // Rows i, i + 4, i + 8, i + 12: interleaving stays within 128 bits.
                code.load128(to + i, weights(i, displacement));
                for (int quarter = 1; quarter < 4; quarter++) {
                    code.insert128(to + i, to + i, weights(4 * quarter + i, displacement), quarter);
                }
            }
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

        /** The binary16 number at a place of each row of weights, as floats. */
        void halves(int to, int displacement) {
            // Four rows at a time in a general register: the vector units have enough to do.
            for (int row = 0; row < OUTPUTS; row += 4) {
                int free = row % 8 == 0 ? R8 : R9;
                for (int i = 3; i >= 0; i--) {
                    code.load16(free, weights(row + i, displacement));
                    if (i > 0) {
                        code.shiftLeftGeneral(free, 16);
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

        /** The sums of a block begin with zero. */
        void begin() {
            for (int row = 0; row < rows; row++) {
                code.vectorZero(SUM + row);
            }
        }

        /** The sums of weights stored as {@code w + 2^bits} begin with {@code -2^bits Σ x}. */
        void begin(int bits, int negativeSumOfX) {
            for (int row = 0; row < rows; row++) {
                code.broadcast32(SUM + row, x(row, negativeSumOfX));
                code.shiftLeft32(SUM + row, SUM + row, bits);
            }
        }

        /** Adds the products of unsigned bytes of weights and four bytes of each row of x. */
        void dotBytes(int weights, int operand) {
            for (int row = 0; row < rows; row++) {
                code.dotBytesBroadcast(SUM + row, weights, x(row, operand));
            }
        }

        /** {@code result += sum (scale dx)}. */
        void finish(int scale, int scaleOfX) {
            for (int row = 0; row < rows; row++) {
                scaled(row, scale, scaleOfX);
                code.vectorAdd(RESULT + row, RESULT + row, SUM + row);
            }
        }

        /** {@code result += sum (scale dx) - offset Σ x}. */
        void finish(int scale, int scaleOfX, int offset, int sumOfX) {
            for (int row = 0; row < rows; row++) {
                scaled(row, scale, scaleOfX);
                code.multiplySubtractBroadcast(SUM + row, offset, x(row, sumOfX));
                code.vectorAdd(RESULT + row, RESULT + row, SUM + row);
            }
        }

        private void scaled(int row, int scale, int scaleOfX) {
            code.toFloat(SUM + row, SUM + row);
            code.multiplyFloatBroadcast(TEMPORARY, scale, x(row, scaleOfX));
            code.vectorMultiply(SUM + row, SUM + row, TEMPORARY);
        }

        /** Continues the chains by pairs of bf16. */
        void dotBf16(int weights, int operand) {
            for (int row = 0; row < rows; row++) {
                code.dotBf16Broadcast(RESULT + row, weights, x(row, operand));
            }
        }

        /** Continues the chains by a float. */
        void multiplyAdd(int weights, int operand) {
            for (int row = 0; row < rows; row++) {
                code.multiplyAddBroadcast(RESULT + row, weights, x(row, operand));
            }
        }
    }
}
