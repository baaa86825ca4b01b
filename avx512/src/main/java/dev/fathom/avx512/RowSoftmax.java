package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The softmax of a row of scores as machine code: a function of its own for blocks of rows, and its instructions for {@link DecodeKernel}, so that
 * training and generation agree to the bit.
 */
final class RowSoftmax {
    private static final long VECTOR = 4L * MicroKernel.LANES;

    /** Vector registers: the sum of the weights, the scaled maximum and the scale; those before them are the {@link Exponential}'s. */
    static final int SUM = 29;

    static final int MAX = 30;
    private static final int SCALE = 31;

    /** Free in between. */
    private static final int SWAPPED = 8;

    static final int MASK = 1;

    /** {@code void softmax(row, vectors, maskOfLast, constants, scaleAndStatistics)}. */
    private static final MethodHandle CALL = MachineCode.call(5);

    private static final MemorySegment FUNCTION = MachineCode.place(generate())[0];

    private RowSoftmax() {}

    /** Which positions of the last vector are attended to. */
    static long maskOfLast(int attended) {
        return 0xffffL >>> (-attended & MicroKernel.LANES - 1);
    }

    /**
     * Turns scores into weights {@code exp(scale s - max)}, rounded to bf16 and written over the first half of the row.
     *
     * @param row address of the scores; what follows the attended ones in their last vector is ignored
     * @param attended positions, at least 1
     * @param statistics address of two floats: in, the scale; out, {@code max = scale * largest score} and the sum of the unrounded weights, vector
     *     after vector, then the lanes pairwise
     */
    static void weights(long row, int attended, float scale, long statistics) {
        long vectors = (attended + MicroKernel.LANES - 1) / MicroKernel.LANES;
        Memory.setFloat(statistics, scale);
        try {
            CALL.invokeExact(FUNCTION, row, vectors, maskOfLast(attended), Exponential.constantsAddress(), statistics);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate() {
        Assembler code = new Assembler();
        code.move(RAX, RDX);
        code.moveToMask(MASK, RAX);
        loadConstants(code, RCX, Address.of(R8));

        code.multiply(RDX, RSI, (int) VECTOR);
        code.add(RDX, RDI);
        Address last = Address.of(RDX, (int) -VECTOR);
        code.vectorLoad(0, last, 0);
        code.select(0, MASK, 0, MAX);
        code.vectorStore(0, last, 0);

        code.move(RAX, RDI);
        code.move(RCX, RSI);
        int vector = code.position();
        code.vectorLoad(0, Address.of(RAX), 0);
        code.vectorMax(MAX, 0, MAX);
        code.addImmediate(RAX, (int) VECTOR);
        code.decrementAndLoop(RCX, vector);

        scaleMaximum(code);
        code.move(RAX, RDI);
        exponentials(code, RDI, RAX, RSI);
        storeStatistics(code, Address.of(R8), Address.of(R8, 4));
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    /** Also sets the maximum to minus infinity. {@code pointer} holds {@link Exponential#constantsAddress}. */
    static void loadConstants(Assembler code, int pointer, Address scale) {
        Exponential.loadConstants(code, pointer);
        code.broadcast32(MAX, Exponential.minusInfinity(pointer));
        code.broadcast32(SCALE, scale);
    }

    /** All elements of the maximum become the largest of them, times the scale. */
    static void scaleMaximum(Assembler code) {
        maximum(code, MAX, SWAPPED);
        code.vectorMultiply(MAX, MAX, SCALE);
    }

    /** All elements become the largest of the sixteen. */
    static void maximum(Assembler code, int largest, int swapped) {
        for (Step step : Step.values()) {
            step.swap(code, swapped, largest);
            code.vectorMax(largest, swapped, largest);
        }
    }

    /**
     * Sums {@code exp(scale s - max)} in {@link #SUM}, in all its elements, and writes them as bf16; the vector that follows the weights is overwritten.
     *
     * @param scores register that walks the scores
     * @param weights register that walks the weights, which may begin where the scores do
     * @param vectors register that counts down
     */
    static void exponentials(Assembler code, int scores, int weights, int vectors) {
        int r = 0;
        int p = 1;
        code.vectorZero(SUM);
        int vector = code.position();
        code.vectorLoad(r, Address.of(scores), 0);
        code.multiplyThenSubtract(r, SCALE, MAX);
        Exponential.of(code, r, p, 2, 3);
        code.vectorAdd(SUM, SUM, p);
        code.roundToBf16(p, p, p);
        code.vectorStore(p, Address.of(weights), 0);
        code.addImmediate(scores, (int) VECTOR);
        code.addImmediate(weights, (int) VECTOR / 2);
        code.decrementAndLoop(vectors, vector);
        sumPairwise(code, SUM, SWAPPED);
    }

    /** All elements become the sum of the sixteen, added 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
    static void sumPairwise(Assembler code, int sum, int swapped) {
        for (Step step : Step.values()) {
            step.swap(code, swapped, sum);
            code.vectorAdd(sum, sum, swapped);
        }
    }

    /** Maximum and sum, a float each. */
    static void storeStatistics(Assembler code, Address max, Address sum) {
        code.moveImmediate(RAX, 1);
        code.moveToMask(MASK, RAX);
        code.vectorStore(MAX, max, MASK);
        code.vectorStore(SUM, sum, MASK);
    }

    /** {@code factor = 1 / sum}, in all elements. */
    static void reciprocalOfSum(Assembler code, int factor) {
        code.vectorDivide(factor, Exponential.ONE, SUM);
    }

    /** Exchanging elements 8, 4, 2 and 1 apart, one after another, brings all sixteen together pairwise. */
    private enum Step {
        HALVES,
        QUARTERS,
        PAIRS,
        ELEMENTS;

        void swap(Assembler code, int target, int source) {
            switch (this) {
                case HALVES -> code.shuffleQuarters(target, source, 0b01_00_11_10);
                case QUARTERS -> code.shuffleQuarters(target, source, 0b10_11_00_01);
                case PAIRS -> code.shuffleInQuarters(target, source, 0b01_00_11_10);
                case ELEMENTS -> code.shuffleInQuarters(target, source, 0b10_11_00_01);
            }
        }
    }
}
