package dev.fathom.avx512;

import static dev.fathom.avx512.QuantizedRows.BLOCK_BYTES;
import static dev.fathom.avx512.QuantizedRows.HIGH_SUM;
import static dev.fathom.avx512.QuantizedRows.LOW_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_HIGH_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_LOW_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALE_OF_X;
import static dev.fathom.avx512.QuantizedRows.TOTAL_SUM;
import static dev.fathom.avx512.StoredBlocks.FIFTH_BITS;
import static dev.fathom.avx512.StoredBlocks.LOW_HALVES;
import static dev.fathom.avx512.StoredStep.CONSTANT;
import static dev.fathom.avx512.StoredStep.CONSTANT_2;
import static dev.fathom.avx512.StoredStep.CONSTANT_3;
import static dev.fathom.avx512.StoredStep.FIRST;
import static dev.fathom.avx512.StoredStep.OFFSET;
import static dev.fathom.avx512.StoredStep.OPERAND;
import static dev.fathom.avx512.StoredStep.OTHER_TEMPORARY;
import static dev.fathom.avx512.StoredStep.SCALE;
import static dev.fathom.avx512.StoredStep.SECOND;
import static dev.fathom.avx512.StoredStep.TEMPORARY;
import static dev.fathom.avx512.StoredStep.scratch;
import static dev.fathom.avx512.StoredStep.turned;

import dev.fathom.avx512.StoredStep.Offset;

/**
 * The formats of 256 integers in parts of 16 or 32 that have small integer scales of their own. A super-block is a step and meets eight blocks of
 * {@link QuantizedRows}, one addition to the chain each, or two where parts of sixteen do not make one exact sum. Scales are unpacked first, to the stack.
 */
final class StoredSuperBlocks {
    private StoredSuperBlocks() {}

    // ---- Q2_K

    static void q2kConstants(StoredStep step) {
        step.constant(CONSTANT, 0x0303_0303);
    }

    /** Elements of two bits times their part's scale of four are bytes of at most 45, so that two parts make one exact sum. */
    static void q2k(StoredStep step) {
        step.turn(FIRST, 68);
        factors(step, turned(FIRST, 3));
        step.turn(FIRST, 0);
        for (int part = 0; part < 16; part++) {
            int from = 8 * (part % 4);
            step.bits(TEMPORARY, turned(FIRST, part / 4), from, 4);
            step.code.vectorStore(TEMPORARY, scratch(part), 0);
            step.bits(TEMPORARY, turned(FIRST, part / 4), from + 4, 4);
            step.code.toFloat(TEMPORARY, TEMPORARY);
            step.code.vectorMultiply(TEMPORARY, TEMPORARY, OFFSET);
            step.code.vectorStore(TEMPORARY, scratch(16 + part), 0);
        }
        for (int half = 0; half < 2; half++) {
            step.turn(FIRST, 16 + 32 * half);
            step.turn(SECOND, 32 + 32 * half);
            for (int quarter = 0; quarter < 4; quarter++) {
                int part = 8 * half + 2 * quarter;
                int record = BLOCK_BYTES * (part / 2);
                step.begin();
                for (int odd = 0; odd < 2; odd++) {
                    step.code.vectorLoad(OTHER_TEMPORARY, scratch(part + odd), 0);
                    for (int word = 0; word < 4; word++) {
                        step.code.shiftRight(OPERAND, turned(odd == 0 ? FIRST : SECOND, word), 2 * quarter);
                        step.code.and(OPERAND, OPERAND, CONSTANT);
                        step.code.multiplyInt(OPERAND, OPERAND, OTHER_TEMPORARY);
                        step.dotBytes(OPERAND, record + 16 * odd + 4 * word);
                    }
                }
                step.code.vectorLoad(OPERAND, scratch(16 + part), 0);
                step.code.vectorLoad(OTHER_TEMPORARY, scratch(17 + part), 0);
                step.finish(
                        SCALE,
                        record + SCALE_OF_X,
                        new Offset(OPERAND, record + SCALED_LOW_SUM),
                        new Offset(OTHER_TEMPORARY, record + SCALED_HIGH_SUM));
            }
        }
    }

    // ---- Q3_K

    static void q3kConstants(StoredStep step) {
        step.constant(CONSTANT, 0x0303_0303);
        step.constant(CONSTANT_2, 0x0404_0404);
        step.constant(CONSTANT_3, 0x8080_8080);
        int place = 16;
        for (int bits : new int[] {LOW_HALVES, 0x3030_3030, 32}) {
            step.constant(OPERAND, bits);
            step.code.vectorStore(OPERAND, scratch(place++), 0);
        }
    }

    /**
     * Elements from -4 to 3 times their part's scale from -32 to 31 are bytes once they are negated and 128 is added, so that two parts make one exact
     * sum. The four products of a vector's element are one product: what a byte borrows from the next, the 128 give back.
     */
    static void q3k(StoredStep step) {
        q3kScales(step);
        for (int odd = 0; odd < 2; odd++) {
            step.turn(FIRST, 16 * odd);
            for (int word = 0; word < 4; word++) {
                step.code.vectorStore(turned(FIRST, word), scratch(19 + 4 * odd + word), 0);
            }
        }
        for (int half = 0; half < 2; half++) {
            step.turn(FIRST, 32 + 32 * half);
            step.turn(SECOND, 48 + 32 * half);
            for (int block = 4 * half; block < 4 * half + 4; block++) {
                int record = BLOCK_BYTES * block;
                step.begin(7, record + TOTAL_SUM);
                q3kPart(step, 2 * block, FIRST);
                q3kPart(step, 2 * block + 1, SECOND);
                step.finish(SCALE, record + SCALE_OF_X);
            }
        }
    }

    /** Minus the factor of all, and 32 - scale of each part to the stack. */
    private static void q3kScales(StoredStep step) {
        step.halves(SCALE, 108);
        step.code.vectorZero(TEMPORARY);
        step.code.vectorSubtract(SCALE, TEMPORARY, SCALE);
        for (int i = 0; i < 3; i++) {
            step.code.vectorLoad(SECOND + i, scratch(16 + i), 0);
        }
        step.turn(FIRST, 92);
        for (int word = 0; word < 4; word++) {
            int high = turned(FIRST, 3); // two bits of each scale, to bits 4 and 5 of their bytes
            if (word < 2) {
                step.code.shiftLeft32(TEMPORARY, high, 4 - 2 * word);
            } else {
                step.code.shiftRight(TEMPORARY, high, 2 * word - 4);
            }
            step.code.and(TEMPORARY, TEMPORARY, SECOND + 1);
            step.code.shiftRight(OPERAND, turned(FIRST, 1 + word % 2), 4 * (word / 2));
            step.code.andOr(OPERAND, SECOND, TEMPORARY);
            for (int i = 0; i < 4; i++) {
                step.bits(TEMPORARY, OPERAND, 8 * i, 8);
                step.code.subtractInt(TEMPORARY, SECOND + 2, TEMPORARY);
                step.code.vectorStore(TEMPORARY, scratch(4 * word + i), 0);
            }
        }
    }

    /** Sixteen elements. */
    private static void q3kPart(StoredStep step, int part, int turned) {
        int block = part / 2;
        step.code.vectorLoad(OTHER_TEMPORARY, scratch(part), 0);
        step.code.multiplyInt(TEMPORARY, OTHER_TEMPORARY, CONSTANT_2); // minus four times the scale, and plus 128
        step.code.subtractInt(TEMPORARY, CONSTANT_3, TEMPORARY);
        for (int word = 0; word < 4; word++) {
            step.code.vectorLoad(OFFSET, scratch(19 + 4 * (part % 2) + word), 0);
            if (block < 2) {
                step.code.shiftLeft32(OFFSET, OFFSET, 2 - block);
            } else {
                step.code.shiftRight(OFFSET, OFFSET, block - 2);
            }
            step.code.and(OFFSET, OFFSET, CONSTANT_2);
            step.code.shiftRight(OPERAND, turned(turned, word), 2 * (block % 4));
            step.code.andOr(OPERAND, CONSTANT, OFFSET);
            step.code.multiplyInt(OPERAND, OPERAND, OTHER_TEMPORARY);
            step.code.addInt(OPERAND, OPERAND, TEMPORARY);
            step.dotBytes(OPERAND, BLOCK_BYTES * block + 16 * (part % 2) + 4 * word);
        }
    }

    // ---- Q4_K, Q5_K: the same scales and offsets

    static void q4kConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.constant(CONSTANT_2, 0x30);
    }

    static void q4k(StoredStep step) {
        scalesAndOffsets(step);
        for (int part = 0; part < 8; part += 2) {
            step.turn(FIRST, 16 + 16 * part);
            step.turn(SECOND, 32 + 16 * part);
            step.begin();
            StoredBlocks.lowHalves(step, FIRST, BLOCK_BYTES * part);
            StoredBlocks.lowHalves(step, SECOND, BLOCK_BYTES * part + 16);
            finishPart(step, part);
            step.begin();
            StoredBlocks.highHalves(step, FIRST, BLOCK_BYTES * (part + 1));
            StoredBlocks.highHalves(step, SECOND, BLOCK_BYTES * (part + 1) + 16);
            finishPart(step, part + 1);
        }
    }

    static void q5kConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.constant(CONSTANT_2, 0x30);
        step.constant(CONSTANT_3, FIFTH_BITS);
    }

    static void q5k(StoredStep step) {
        scalesAndOffsets(step);
        for (int part = 0; part < 8; part++) {
            step.begin();
            for (int half = 0; half < 2; half++) {
                step.turn(FIRST, 48 + 32 * (part / 2) + 16 * half);
                step.turn(SECOND, 16 + 16 * half);
                for (int word = 0; word < 4; word++) {
                    int high = turned(SECOND, word); // bit "part" of each byte, to its bit 4
                    if (part < 4) {
                        step.code.shiftLeft32(high, high, 4 - part);
                    } else {
                        step.code.shiftRight(high, high, part - 4);
                    }
                    step.code.and(high, high, CONSTANT_3);
                    int low = turned(FIRST, word);
                    step.code.shiftRight(low, low, 4 * (part % 2));
                    step.code.andOr(low, CONSTANT, high);
                    step.dotBytes(low, BLOCK_BYTES * part + 16 * half + 4 * word);
                }
            }
            finishPart(step, part);
        }
    }

    /** The sixteen bytes at the beginning of a Q4_K or Q5_K block, to the stack: scales of the eight parts, then their offsets. */
    private static void scalesAndOffsets(StoredStep step) {
        step.turn(FIRST, 0);
        factors(step, turned(FIRST, 0));
        for (int part = 0; part < 8; part++) {
            int low = 8 * (part % 4);
            sixBits(step, part, turned(FIRST, 1), turned(FIRST, 3), low);
            step.code.vectorMultiply(TEMPORARY, TEMPORARY, SCALE);
            step.code.vectorStore(TEMPORARY, scratch(part), 0);
            sixBits(step, part, turned(FIRST, 2), turned(FIRST, 3), low + 4);
            step.code.vectorMultiply(TEMPORARY, TEMPORARY, OFFSET);
            step.code.vectorStore(TEMPORARY, scratch(8 + part), 0);
        }
    }

    /**
     * Six bits as a float: of the first four parts the lower bits of a byte of {@code bytes}; of the others that byte's upper two bits, above the four
     * bits of {@code rest} from {@code restFrom} on.
     */
    private static void sixBits(StoredStep step, int part, int bytes, int rest, int restFrom) {
        int from = 8 * (part % 4);
        if (part < 4) {
            step.bits(TEMPORARY, bytes, from, 6);
        } else {
            step.bits(OTHER_TEMPORARY, rest, restFrom, 4);
            step.bits(TEMPORARY, bytes, from + 2, 6); // the upper two of these, after masking
            step.code.andOr(TEMPORARY, CONSTANT_2, OTHER_TEMPORARY);
        }
        step.code.toFloat(TEMPORARY, TEMPORARY);
    }

    private static void finishPart(StoredStep step, int part) {
        int record = BLOCK_BYTES * part;
        step.code.vectorLoad(SCALE, scratch(part), 0);
        step.code.vectorLoad(OFFSET, scratch(8 + part), 0);
        step.finish(SCALE, record + SCALE_OF_X, new Offset(OFFSET, record + SCALED_SUM));
    }

    // ---- Q6_K

    static void q6kConstants(StoredStep step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.constant(CONSTANT_2, 0x3030_3030);
    }

    static void q6k(StoredStep step) {
        step.halves(SCALE, 208);
        step.turn(FIRST, 192);
        for (int part = 0; part < 16; part++) {
            step.code.shiftLeft32(TEMPORARY, turned(FIRST, part / 4), 24 - 8 * (part % 4));
            step.code.shiftRightSigned(TEMPORARY, TEMPORARY, 24);
            step.code.toFloat(TEMPORARY, TEMPORARY);
            step.code.vectorMultiply(TEMPORARY, TEMPORARY, SCALE);
            step.code.vectorStore(TEMPORARY, scratch(part), 0);
        }
        for (int half = 0; half < 2; half++) {
            for (int odd = 0; odd < 2; odd++) {
                step.turn(SECOND, 128 + 32 * half + 16 * odd);
                for (int low = odd; low < 4; low += 2) {
                    step.turn(FIRST, 64 * half + 16 * low);
                    q6kPart(step, 8 * half + low + 4, true);
                    q6kPart(step, 8 * half + low, false);
                }
            }
        }
    }

    /** Sixteen elements; the parts with the low halves of bytes come last, because they overwrite them. */
    private static void q6kPart(StoredStep step, int part, boolean inHighHalves) {
        int record = BLOCK_BYTES * (part / 2);
        step.begin(5, record + (part % 2 == 0 ? LOW_SUM : HIGH_SUM));
        for (int word = 0; word < 4; word++) {
            int low = turned(FIRST, word);
            int high = turned(SECOND, word);
            switch (part % 8 / 2) { // two bits of each byte, to its bits 4 and 5
                case 0 -> step.code.shiftLeft32(TEMPORARY, high, 4);
                case 1 -> step.code.shiftLeft32(TEMPORARY, high, 2);
                case 2 -> step.code.shiftRight(TEMPORARY, high, 0);
                default -> step.code.shiftRight(TEMPORARY, high, 2);
            }
            step.code.and(TEMPORARY, TEMPORARY, CONSTANT_2);
            if (inHighHalves) {
                step.code.shiftRight(OPERAND, low, 4);
                low = OPERAND;
            }
            step.code.andOr(low, CONSTANT, TEMPORARY);
            step.dotBytes(low, record + 16 * (part % 2) + 4 * word);
        }
        step.code.vectorLoad(SCALE, scratch(part), 0);
        step.finish(SCALE, record + SCALE_OF_X);
    }

    // ---- IQ4_XS

    static void iq4xsConstants(StoredStep step) {
        StoredBlocks.nonlinearConstants(step);
        step.constant(CONSTANT_3, Float.floatToRawIntBits(32));
    }

    static void iq4xs(StoredStep step) {
        step.turn(FIRST, 0);
        int first = turned(FIRST, 0); // binary16 factor, two upper bits of each scale
        step.code.narrowTo16(TEMPORARY, first);
        step.code.halfToFloat(SCALE, TEMPORARY);
        for (int part = 0; part < 8; part++) {
            step.bits(TEMPORARY, first, 16 + 2 * part, 2);
            step.code.shiftLeft32(TEMPORARY, TEMPORARY, 4);
            step.bits(OTHER_TEMPORARY, turned(FIRST, 1), 4 * part, 4);
            step.code.or(TEMPORARY, TEMPORARY, OTHER_TEMPORARY);
            step.code.toFloat(TEMPORARY, TEMPORARY);
            step.code.vectorSubtract(TEMPORARY, TEMPORARY, CONSTANT_3);
            step.code.vectorMultiply(TEMPORARY, TEMPORARY, SCALE);
            step.code.vectorStore(TEMPORARY, scratch(part), 0);
        }
        for (int part = 0; part < 8; part++) {
            int record = BLOCK_BYTES * part;
            StoredBlocks.nonlinear(step, 8 + 16 * part, record);
            step.code.vectorLoad(SCALE, scratch(part), 0);
            step.finish(SCALE, record + SCALE_OF_X);
        }
    }

    // ---- shared

    /** Two binary16 numbers: what scales are multiplied by, and what offsets are. */
    private static void factors(StoredStep step, int both) {
        step.code.narrowTo16(TEMPORARY, both);
        step.code.halfToFloat(SCALE, TEMPORARY);
        step.code.shiftRight(TEMPORARY, both, 16);
        step.code.narrowTo16(TEMPORARY, TEMPORARY);
        step.code.halfToFloat(OFFSET, TEMPORARY);
    }
}
