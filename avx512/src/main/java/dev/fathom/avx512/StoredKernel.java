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
 *
 * <p>Where more rows than that share them, tiles are first written down as they are when they meet x, turned and unpacked: a panel. The same format is read
 * once to write it, and once more, without what only decodes, to multiply by it.
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

    /**
     * {@code void kernel(w, bytes from row to row, x, bytes from row to row, y, bytes from row to row, steps, tiles, mask of outputs, scales)}. To multiply by
     * a panel, it is w; to write one, it is x, and there is no y.
     */
    private static final MethodHandle CALL = MachineCode.call(10);

    /** Bytes of the stack for a format's vectors; beyond them lie the caller's stack pointer, x, the steps, the next tile, y and scales. */
    private static final int SCRATCH = 32 * 64;

    private static final int MASK = 1;

    /** What is subtracted from each element of a row of weights: a vector of it, and where the sum of those elements of x is. */
    record Offset(int vector, int sumOfX) {}

    /** What a kernel does with weights. */
    private enum Role {
        /** Multiplies as it reads them. */
        MULTIPLY,
        /** Writes a panel. */
        PACK,
        /** Multiplies by a panel. */
        MULTIPLY_PANEL
    }

    private final MemorySegment[] kernels;
    private final MemorySegment[] panelKernels;
    private final MemorySegment pack;
    private final int panelStepBytes;

    StoredKernel(StoredFormat format) {
        kernels = kernels(format, Role.MULTIPLY);
        panelKernels = kernels(format, Role.MULTIPLY_PANEL);
        Step packing = new Step(Role.PACK, 0);
        pack = MachineCode.place(generate(format, packing))[0];
        panelStepBytes = packing.panelBytes;
    }

    private static MemorySegment[] kernels(StoredFormat format, Role role) {
        byte[][] codes = new byte[ROWS][];
        for (int rows = 1; rows <= ROWS; rows++) {
            codes[rows - 1] = generate(format, new Step(role, rows));
        }
        return MachineCode.place(codes);
    }

    /** Bytes of the panel of a tile. */
    long panelBytes(long steps) {
        return steps * panelStepBytes;
    }

    /** Writes the panel of some tiles, whose rows all exist; parameters as those of {@link #multiply}. */
    void pack(long w, long rowBytes, long scales, long panel, long steps, int tiles) {
        try {
            CALL.invokeExact(pack, w, rowBytes, panel, 0L, 0L, 0L, steps, (long) tiles, 0L, scales);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** As {@link #multiply} with tiles of sixteen outputs, from their panel. */
    void multiplyPanel(long panel, long x, long xStride, long y, long yStride, long steps, int rows, int tiles) {
        try {
            CALL.invokeExact(
                    panelKernels[rows - 1], panel, 0L, x, xStride, y, yStride, steps, (long) tiles, 0xffffL, 0L);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * {@code y[r][o] = W[o] x[r]} for rows of x and {@code tiles} times sixteen outputs.
     *
     * @param w address of the first row of weights
     * @param scales address of the scales, one for each step, that all these rows of weights share, if the format has them ({@link StoredFormat#E4M3})
     * @param x address of the first row as the format wants it ({@link StoredFormat#operand})
     * @param steps of the format in a row
     * @param rows at most {@link #ROWS}
     * @param outputs valid outputs of the last tile's sixteen, if there is one tile; else all are
     */
    void multiply(
            long w,
            long rowBytes,
            long scales,
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
            CALL.invokeExact(kernels[rows - 1], w, rowBytes, x, xStride, y, yStride, steps, (long) tiles, mask, scales);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** Arguments arrive by the System V convention in rdi, rsi, rdx, rcx, r8, r9 and on the stack. */
    private static byte[] generate(StoredFormat format, Step step) {
        Assembler code = step.out;
        int rows = step.rows;
        boolean readsFile = step.role != Role.MULTIPLY_PANEL;
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
        Address scales = Address.of(RSP, SCRATCH + 48);
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
        code.load(R13, Address.of(RAX, arguments + 24));
        code.store(R13, scales);
        code.load(RAX, Address.of(RAX, arguments + 16));
        code.moveToMask(MASK, RAX);
        code.loadAddress(R10, Address.indexed(RSI, RSI, 2));
        format.constants(step);

        int tile = code.position();
        // Sixteen rows of weights are reached from four pointers and multiples of the stride, rows of x from three.
        if (readsFile) {
            code.loadAddress(RAX, Address.indexed(RDI, RSI, 4));
            code.loadAddress(RBX, Address.indexed(RAX, RSI, 4));
            code.loadAddress(RBP, Address.indexed(RBX, RSI, 4));
            code.loadAddress(R14, Address.indexed(RBP, RSI, 4));
            code.store(R14, nextTile);
            code.load(Step.SCALES, scales);
        }
        if (rows > 0) {
            code.load(RDX, xBase);
            code.loadAddress(R11, Address.indexed(RDX, RCX, 2));
            code.add(R11, RCX);
            code.loadAddress(R12, Address.indexed(R11, RCX, 2));
            code.add(R12, RCX);
        }
        code.load(R13, stepCount);
        for (int row = 0; row < rows; row++) {
            code.vectorZero(Step.RESULT + row);
        }

        int loop = code.position();
        step.bytesAhead = readsFile && rows <= ROWS_WITH_PREFETCH ? OUTPUTS * format.stepBytes() : 0;
        format.step(step);
        step.askAhead(step.bytesAhead);
        if (step.bytesAhead > 0) {
            code.addImmediate(R14, step.bytesAhead);
        }
        if (readsFile) {
            for (int pointer : Step.WEIGHTS) {
                code.addImmediate(pointer, format.stepBytes());
            }
        }
        if (step.role != Role.MULTIPLY) {
            code.addImmediate(step.panel(), step.panelBytes);
        }
        for (int row = 0; row < rows; row += 3) {
            code.addImmediate(Step.X[row / 3], format.operandBytes());
        }
        code.decrementAndLoop(R13, loop);

        if (rows > 0) {
            code.load(R8, yBase);
            code.load(R9, yStride);
            code.move(RAX, R8);
            for (int row = 0; row < rows; row++) {
                code.vectorStore(Step.RESULT + row, Address.of(RAX), MASK);
                code.add(RAX, R9);
            }
            code.addImmediate(R8, 4 * OUTPUTS);
            code.store(R8, yBase);
        }
        if (readsFile) {
            code.load(RDI, nextTile);
        }
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
     * What a format's step is written with, in all roles: reading weights, and their meeting with x. Vectors: {@link #SUM} one integer sum per row of x, {@link #RESULT} one float chain per row of x, then two
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

        /** Points to the scale of the step that is shared by all rows; free where there is none. */
        private static final int SCALES = R8;

        /** Where formats write what decodes weights: thrown away where a panel holds the outcome. */
        final Assembler code;

        private final Assembler out = new Assembler();
        private final Role role;
        private final int rows;

        /** Bytes that a step asks for ahead of their use, and those asked for so far. */
        private int bytesAhead;

        private int asked;

        /** Bytes of the panel so far; in the end, of a step. */
        private int panelBytes;

        Step(Role role, int rows) {
            this.code = role == Role.MULTIPLY_PANEL ? new Assembler() : out;
            this.role = role;
            this.rows = rows;
        }

        /** The register that points to the panel. */
        private int panel() {
            return role == Role.PACK ? RDX : RDI;
        }

        private Address nextOfPanel() {
            Address address = Address.of(panel(), panelBytes);
            panelBytes += 64;
            return address;
        }

        /** A vector that goes into a panel, or comes from it. */
        private void throughPanel(int register) {
            switch (role) {
                case MULTIPLY -> {}
                case PACK -> out.vectorStore(register, nextOfPanel(), 0);
                case MULTIPLY_PANEL -> out.vectorLoad(register, nextOfPanel(), 0);
            }
        }

        /** The same 32 bits in all elements; only in {@link StoredFormat#constants}. */
        void constant(int register, int bits) {
            code.moveImmediate(RAX, bits);
            code.broadcast32(register, RAX);
        }

        /** Sixteen bytes in each quarter; only in {@link StoredFormat#constants}. */
        void table(int register, int[] bytes) {
            toScratch(bytes, 0, 16);
            code.load128(register, scratch(0));
            code.shuffleQuarters(register, register, 0);
        }

        /** 128 bytes in two vectors; only in {@link StoredFormat#constants}. */
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

        /**
         * Tiles follow each other in memory: the steps of this one ask for the next. A turn asks for as much as it reads, for hints that
         * come all at once find the queue full and are dropped.
         */
        private void askAhead(int bytes) {
            int until = Math.min(bytesAhead, asked + bytes);
            for (; asked < until; asked += 64) {
                code.prefetch(Prefetch.SECOND_LEVEL, Address.of(R14, AHEAD + asked));
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

        /** Continues the chains, {@link #RESULT} or {@link #SUM}, by pairs of bf16. */
        void dotBf16(int chains, int weights, int operand) {
            throughPanel(weights);
            for (int row = 0; row < rows; row++) {
                out.dotBf16Broadcast(chains + row, weights, x(row, operand));
            }
        }

        /** A block of floating-point numbers with a scale: its sums begin with zero in both {@link #SUM} and {@link #RESULT}, for one chain alone would wait for itself. */
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

        /** Continues the chains by a float. */
        void multiplyAdd(int weights, int operand) {
            throughPanel(weights);
            for (int row = 0; row < rows; row++) {
                out.multiplyAddBroadcast(RESULT + row, weights, x(row, operand));
            }
        }
    }
}
