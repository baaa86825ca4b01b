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
import dev.fathom.avx512.StoredStep.Role;
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

    private static final int[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    /**
     * {@code void kernel(w, bytes from row to row, x, bytes from row to row, y, bytes from row to row, steps, tiles, mask of outputs, scales)}. To multiply by
     * a panel, it is w; to write one, it is x, and there is no y.
     */
    private static final MethodHandle CALL = MachineCode.call(10);

    /** Bytes of the stack for a format's vectors; beyond them lie the caller's stack pointer, x, the steps, the next tile, y and scales. */
    private static final int SCRATCH = 64 * StoredStep.SCRATCH_VECTORS;

    private static final int MASK = 1;

    private final MemorySegment[] kernels;
    private final MemorySegment[] panelKernels;
    private final MemorySegment pack;
    private final int panelStepBytes;

    StoredKernel(StoredFormat format) {
        kernels = kernels(format, Role.MULTIPLY);
        panelKernels = kernels(format, Role.MULTIPLY_PANEL);
        StoredStep packing = new StoredStep(format, Role.PACK, 0);
        pack = MachineCode.place(generate(packing))[0];
        panelStepBytes = packing.panelBytes();
    }

    private static MemorySegment[] kernels(StoredFormat format, Role role) {
        byte[][] codes = new byte[ROWS][];
        for (int rows = 1; rows <= ROWS; rows++) {
            codes[rows - 1] = generate(new StoredStep(format, role, rows));
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
    private static byte[] generate(StoredStep step) {
        Assembler code = step.out;
        int rows = step.rows;
        boolean readsFile = step.role.readsFile();
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
        step.format.constants(step);

        int tile = code.position();
        if (readsFile) {
            code.loadAddress(RAX, Address.indexed(RDI, RSI, 4));
            code.loadAddress(RBX, Address.indexed(RAX, RSI, 4));
            code.loadAddress(RBP, Address.indexed(RBX, RSI, 4));
            code.loadAddress(StoredStep.HINTS, Address.indexed(RBP, RSI, 4));
            code.store(StoredStep.HINTS, nextTile);
            code.load(StoredStep.SCALES, scales);
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
            code.vectorZero(StoredStep.RESULT + row);
        }

        int loop = code.position();
        step.format.step(step);
        step.advance();
        code.decrementAndLoop(R13, loop);

        if (rows > 0) {
            code.load(R8, yBase);
            code.load(R9, yStride);
            code.move(RAX, R8);
            for (int row = 0; row < rows; row++) {
                code.vectorStore(StoredStep.RESULT + row, Address.of(RAX), MASK);
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
}
