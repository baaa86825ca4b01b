package dev.fathom.avx512;

import static dev.fathom.avx512.QuantizedRows.SCALED_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALE_OF_X;
import static dev.fathom.avx512.QuantizedRows.TOTAL_SUM;
import static dev.fathom.avx512.StoredStep.CONSTANT;
import static dev.fathom.avx512.StoredStep.CONSTANT_2;
import static dev.fathom.avx512.StoredStep.CONSTANT_3;
import static dev.fathom.avx512.StoredStep.FIRST;
import static dev.fathom.avx512.StoredStep.OFFSET;
import static dev.fathom.avx512.StoredStep.OPERAND;
import static dev.fathom.avx512.StoredStep.SCALE;
import static dev.fathom.avx512.StoredStep.SECOND;
import static dev.fathom.avx512.StoredStep.TEMPORARY;
import static dev.fathom.avx512.StoredStep.turned;

import dev.fathom.avx512.StoredStep.Offset;

/**
 * The formats of 32 integers with one scale, maybe an offset. A block is a step; it meets a block of {@link QuantizedRows}. The integers become unsigned bytes, as
 * the sums of products want them: {@code w + 2^bits} where they have a sign, which the sum begins by taking away.
 */
final class StoredBlocks {
    private StoredBlocks() {}

    static void q8v0Constants(StoredStep step) {
        step.constant(CONSTANT, 0x8080_8080);
    }

    static void q8v0(StoredStep step) {
        step.halves(SCALE, 0);
        step.begin(7, TOTAL_SUM);
        for (int half = 0; half < 2; half++) {
            step.turn(FIRST, 2 + 16 * half);
            for (int word = 0; word < 4; word++) {
                step.code.xor(turned(FIRST, word), turned(FIRST, word), CONSTANT); // + 128: unsigned
                step.dotBytes(turned(FIRST, word), 16 * half + 4 * word);
            }
        }
        step.finish(SCALE, SCALE_OF_X);
    }

    // ---- halves of bytes

    /** The lower four bits of each byte. */
    static final int LOW_HALVES = 0x0f0f_0f0f;

    static void halvesConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
    }

    static void q4v0(StoredStep step) {
        step.halves(SCALE, 0);
        step.begin(3, TOTAL_SUM);
        step.turn(FIRST, 2);
        lowHalves(step, FIRST, 0);
        highHalves(step, FIRST, 16);
        step.finish(SCALE, SCALE_OF_X);
    }

    static void q4v1(StoredStep step) {
        scaleAndNegativeOffset(step);
        step.begin();
        step.turn(FIRST, 4);
        lowHalves(step, FIRST, 0);
        highHalves(step, FIRST, 16);
        step.finish(SCALE, SCALE_OF_X, new Offset(OFFSET, SCALED_SUM));
    }

    /** The products of sixteen elements in the lower halves of turned bytes; {@code operand} is where those of x are. */
    static void lowHalves(StoredStep step, int turned, int operand) {
        for (int word = 0; word < 4; word++) {
            step.code.and(OPERAND, turned(turned, word), CONSTANT);
            step.dotBytes(OPERAND, operand + 4 * word);
        }
    }

    /** As {@link #lowHalves}, in the upper halves. */
    static void highHalves(StoredStep step, int turned, int operand) {
        for (int word = 0; word < 4; word++) {
            step.code.shiftRight(OPERAND, turned(turned, word), 4);
            step.code.and(OPERAND, OPERAND, CONSTANT);
            step.dotBytes(OPERAND, operand + 4 * word);
        }
    }

    /** Two binary16 numbers: the scale, and what is added to each element. */
    private static void scaleAndNegativeOffset(StoredStep step) {
        step.halves(SCALE, 0);
        step.halves(OFFSET, 2);
        step.code.vectorZero(TEMPORARY);
        step.code.vectorSubtract(OFFSET, TEMPORARY, OFFSET);
    }

    // ---- a fifth bit apart

    /** The fifth bit of each byte. */
    static final int FIFTH_BITS = 0x1010_1010;

    static void fifthBitConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.constant(CONSTANT_2, 0x0204_0810); // times four bits: bit i to bit 8 i + 4, and others
        step.constant(CONSTANT_3, FIFTH_BITS);
    }

    static void q5v0(StoredStep step) {
        step.halves(SCALE, 0);
        step.begin(4, TOTAL_SUM);
        fiveBits(step, 2);
        step.finish(SCALE, SCALE_OF_X);
    }

    static void q5v1(StoredStep step) {
        scaleAndNegativeOffset(step);
        step.begin();
        fiveBits(step, 4);
        step.finish(SCALE, SCALE_OF_X, new Offset(OFFSET, SCALED_SUM));
    }

    /** The products of a Q5_0 or Q5_1 block: four bytes with an upper bit of each of the 32 elements, then sixteen with halves as in Q4_0. */
    private static void fiveBits(StoredStep step, int displacement) {
        step.turn(SECOND, displacement);
        int upper = turned(SECOND, 0);
        step.turn(FIRST, displacement + 4);
        for (int half = 1; half >= 0; half--) {
            for (int word = 0; word < 4; word++) {
                step.bits(TEMPORARY, upper, 16 * half + 4 * word, 4);
                step.code.multiplyInt(TEMPORARY, TEMPORARY, CONSTANT_2);
                step.code.and(TEMPORARY, TEMPORARY, CONSTANT_3);
                step.code.shiftRight(OPERAND, turned(FIRST, word), 4 * half);
                step.code.andOr(OPERAND, CONSTANT, TEMPORARY);
                step.dotBytes(OPERAND, 16 * half + 4 * word);
            }
        }
    }

    // ---- a table

    /** The values of IQ4_NL and IQ4_XS, each 128 higher and so unsigned. */
    private static final int[] NONLINEAR = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

    static void nonlinearConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.table(CONSTANT_2, NONLINEAR);
    }

    static void iq4nl(StoredStep step) {
        step.halves(SCALE, 0);
        nonlinear(step, 2, 0);
        step.finish(SCALE, SCALE_OF_X);
    }

    /** The products of 32 elements that are looked up in the table; the sums begin here. */
    static void nonlinear(StoredStep step, int displacement, int record) {
        step.begin(7, record + TOTAL_SUM);
        step.turn(FIRST, displacement);
        for (int half = 0; half < 2; half++) {
            for (int word = 0; word < 4; word++) {
                step.code.shiftRight(OPERAND, turned(FIRST, word), 4 * half);
                step.code.and(OPERAND, OPERAND, CONSTANT);
                step.code.lookUp(OPERAND, CONSTANT_2, OPERAND);
                step.dotBytes(OPERAND, record + 16 * half + 4 * word);
            }
        }
    }
}
