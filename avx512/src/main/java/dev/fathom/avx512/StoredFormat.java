package dev.fathom.avx512;

import static dev.fathom.avx512.QuantizedRows.BLOCK_BYTES;
import static dev.fathom.avx512.QuantizedRows.HIGH_SUM;
import static dev.fathom.avx512.QuantizedRows.LOW_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALE_OF_X;
import static dev.fathom.avx512.QuantizedRows.TOTAL_SUM;
import static dev.fathom.avx512.StoredKernel.Step.CONSTANT;
import static dev.fathom.avx512.StoredKernel.Step.CONSTANT_2;
import static dev.fathom.avx512.StoredKernel.Step.FIRST;
import static dev.fathom.avx512.StoredKernel.Step.OFFSET;
import static dev.fathom.avx512.StoredKernel.Step.OPERAND;
import static dev.fathom.avx512.StoredKernel.Step.OTHER_TEMPORARY;
import static dev.fathom.avx512.StoredKernel.Step.SCALE;
import static dev.fathom.avx512.StoredKernel.Step.SECOND;
import static dev.fathom.avx512.StoredKernel.Step.TEMPORARY;
import static dev.fathom.avx512.StoredKernel.Step.scratch;
import static dev.fathom.avx512.StoredKernel.Step.turned;

import dev.fathom.avx512.StoredKernel.Step;

/**
 * The types of stored weights that {@link StoredKernel} reads as they are: a step takes some elements of each of sixteen rows. What the bytes mean
 * is in {@code ReferenceDecoder} of {@code engine.quant}; a vector here holds four bytes of each row ({@link Step#turn}).
 *
 * <p>Blocks of integers meet {@link QuantizedRows}: their products are summed exactly, and each block (part of a super-block) is one addition to the chain.
 */
enum StoredFormat {
    F32(16, 64, Operand.FLOATS, 64) {
        @Override
        void step(Step step) {
            for (int quarter = 0; quarter < 4; quarter++) {
                step.turn(FIRST, 16 * quarter);
                for (int word = 0; word < 4; word++) {
                    step.multiplyAdd(turned(FIRST, word), 16 * quarter + 4 * word);
                }
            }
        }
    },

    BF16(32, 64, Operand.BF16, 64) {
        @Override
        void step(Step step) {
            for (int quarter = 0; quarter < 4; quarter++) {
                step.turn(FIRST, 16 * quarter);
                for (int word = 0; word < 4; word++) {
                    step.dotBf16(turned(FIRST, word), 16 * quarter + 4 * word);
                }
            }
        }
    },

    Q8_0(32, 34, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, 0x8080_8080);
        }

        @Override
        void step(Step step) {
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
    },

    Q4_0(32, 18, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
        }

        @Override
        void step(Step step) {
            step.halves(SCALE, 0);
            step.begin(3, TOTAL_SUM);
            step.turn(FIRST, 2);
            lowHalves(step, FIRST, 0);
            highHalves(step, FIRST, 16);
            step.finish(SCALE, SCALE_OF_X);
        }
    },

    Q4_K(256, 144, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
            step.constant(CONSTANT_2, 0x30);
        }

        @Override
        void step(Step step) {
            scalesAndOffsets(step);
            for (int part = 0; part < 8; part += 2) {
                step.turn(FIRST, 16 + 16 * part);
                step.turn(SECOND, 32 + 16 * part);
                step.begin();
                lowHalves(step, FIRST, BLOCK_BYTES * part);
                lowHalves(step, SECOND, BLOCK_BYTES * part + 16);
                finishPart(step, part);
                step.begin();
                highHalves(step, FIRST, BLOCK_BYTES * (part + 1));
                highHalves(step, SECOND, BLOCK_BYTES * (part + 1) + 16);
                finishPart(step, part + 1);
            }
        }
    },

    Q6_K(256, 210, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
            step.constant(CONSTANT_2, 0x3030_3030);
        }

        @Override
        void step(Step step) {
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
                        part(step, 8 * half + low + 4, true);
                        part(step, 8 * half + low, false);
                    }
                }
            }
        }

        /** Sixteen elements; the parts with the low halves of bytes come last, because they overwrite them. */
        private void part(Step step, int part, boolean inHighHalves) {
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
    };

    /** What becomes of x. */
    enum Operand {
        FLOATS,
        BF16,
        QUANTIZED
    }

    private static final int LOW_HALVES = 0x0f0f_0f0f;

    private final int elements;
    private final int stepBytes;
    private final Operand operand;
    private final int operandBytes;

    StoredFormat(int elements, int stepBytes, Operand operand, int operandBytes) {
        this.elements = elements;
        this.stepBytes = stepBytes;
        this.operand = operand;
        this.operandBytes = operandBytes;
    }

    /** Elements of a row in a step: a row must consist of whole steps. */
    int elements() {
        return elements;
    }

    /** Bytes of a row in a step. */
    int stepBytes() {
        return stepBytes;
    }

    Operand operand() {
        return operand;
    }

    /** Bytes of a row of x in a step. */
    int operandBytes() {
        return operandBytes;
    }

    /** Vectors that stay the same. */
    void constants(Step step) {}

    abstract void step(Step step);

    private static void lowHalves(Step step, int turned, int operand) {
        for (int word = 0; word < 4; word++) {
            step.code.and(OPERAND, turned(turned, word), CONSTANT);
            step.dotBytes(OPERAND, operand + 4 * word);
        }
    }

    private static void highHalves(Step step, int turned, int operand) {
        for (int word = 0; word < 4; word++) {
            step.code.shiftRight(OPERAND, turned(turned, word), 4);
            step.code.and(OPERAND, OPERAND, CONSTANT);
            step.dotBytes(OPERAND, operand + 4 * word);
        }
    }

    /** The sixteen bytes at the beginning of a Q4_K or Q5_K block, to the stack: scales of the eight parts, then their offsets. */
    private static void scalesAndOffsets(Step step) {
        step.turn(FIRST, 0);
        int factors = turned(FIRST, 0);
        step.code.narrowTo16(TEMPORARY, factors);
        step.code.halfToFloat(SCALE, TEMPORARY);
        step.code.shiftRight(TEMPORARY, factors, 16);
        step.code.narrowTo16(TEMPORARY, TEMPORARY);
        step.code.halfToFloat(OFFSET, TEMPORARY);
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
    private static void sixBits(Step step, int part, int bytes, int rest, int restFrom) {
        int from = 8 * (part % 4);
        if (part < 4) {
            step.code.shiftLeft32(TEMPORARY, bytes, 26 - from);
            step.code.shiftRight(TEMPORARY, TEMPORARY, 26);
        } else {
            step.code.shiftLeft32(OTHER_TEMPORARY, rest, 28 - restFrom);
            step.code.shiftRight(OTHER_TEMPORARY, OTHER_TEMPORARY, 28);
            step.code.shiftLeft32(TEMPORARY, bytes, 24 - from);
            step.code.shiftRight(TEMPORARY, TEMPORARY, 26);
            step.code.andOr(TEMPORARY, CONSTANT_2, OTHER_TEMPORARY);
        }
        step.code.toFloat(TEMPORARY, TEMPORARY);
    }

    private static void finishPart(Step step, int part) {
        int record = BLOCK_BYTES * part;
        step.code.vectorLoad(SCALE, scratch(part), 0);
        step.code.vectorLoad(OFFSET, scratch(8 + part), 0);
        step.finish(SCALE, record + SCALE_OF_X, OFFSET, record + SCALED_SUM);
    }
}
