package dev.fathom.avx512;

import static dev.fathom.avx512.QuantizedRows.BLOCK_BYTES;
import static dev.fathom.avx512.QuantizedRows.HIGH_SUM;
import static dev.fathom.avx512.QuantizedRows.LOW_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_HIGH_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_LOW_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALED_SUM;
import static dev.fathom.avx512.QuantizedRows.SCALE_OF_X;
import static dev.fathom.avx512.QuantizedRows.TOTAL_SUM;
import static dev.fathom.avx512.StoredKernel.Step.CONSTANT;
import static dev.fathom.avx512.StoredKernel.Step.CONSTANT_2;
import static dev.fathom.avx512.StoredKernel.Step.CONSTANT_3;
import static dev.fathom.avx512.StoredKernel.Step.FIRST;
import static dev.fathom.avx512.StoredKernel.Step.OFFSET;
import static dev.fathom.avx512.StoredKernel.Step.OPERAND;
import static dev.fathom.avx512.StoredKernel.Step.OTHER_TEMPORARY;
import static dev.fathom.avx512.StoredKernel.Step.RESULT;
import static dev.fathom.avx512.StoredKernel.Step.SCALE;
import static dev.fathom.avx512.StoredKernel.Step.SECOND;
import static dev.fathom.avx512.StoredKernel.Step.SUM;
import static dev.fathom.avx512.StoredKernel.Step.TEMPORARY;
import static dev.fathom.avx512.StoredKernel.Step.scratch;
import static dev.fathom.avx512.StoredKernel.Step.turned;

import dev.fathom.avx512.StoredKernel.Offset;
import dev.fathom.avx512.StoredKernel.Step;
import dev.fathom.engine.Memory;
import dev.fathom.engine.quant.Float8;
import dev.fathom.engine.quant.QuantizedType;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;

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

    F16(32, 64, Operand.FLOATS, 128) {
        @Override
        void step(Step step) {
            for (int quarter = 0; quarter < 4; quarter++) {
                step.turn(FIRST, 16 * quarter);
                for (int word = 0; word < 4; word++) {
                    int operand = 32 * quarter + 8 * word;
                    step.code.narrowTo16(OPERAND, turned(FIRST, word));
                    step.code.halfToFloat(OPERAND, OPERAND);
                    step.multiplyAdd(OPERAND, operand);
                    step.code.shiftRight(OPERAND, turned(FIRST, word), 16);
                    step.code.narrowTo16(OPERAND, OPERAND);
                    step.code.halfToFloat(OPERAND, OPERAND);
                    step.multiplyAdd(OPERAND, operand + 4);
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
                    step.dotBf16(RESULT, turned(FIRST, word), 16 * quarter + 4 * word);
                }
            }
        }
    },

    /**
     * {@code Float8Blocks}: 128 elements with a scale that 128 rows share. Each is exact in bf16, whatever the scale, and meets x in bf16 as {@link #BF16}
     * does; the scale multiplies the sum of the 128 products, in f32.
     */
    E4M3(128, 128, Operand.BF16, 256) {
        @Override
        void constants(Step step) {
            step.table(SECOND, SECOND + 1, E4M3_UPPER);
            step.table(SECOND + 2, SECOND + 3, E4M3_LOWER);
            step.constant(CONSTANT, 0x8080_8080);
        }

        @Override
        void step(Step step) {
            step.beginFloats();
            for (int eighth = 0; eighth < 8; eighth++) {
                step.turnPairs(FIRST, 16 * eighth);
                for (int word = 0; word < 4; word++) {
                    int lower = turned(FIRST, word);
                    int upper = OPERAND;
                    step.code.vectorMove(upper, lower);
                    step.code.lookUpInTwo(upper, SECOND, SECOND + 1);
                    step.code.orAnd(upper, lower, CONSTANT); // the sign
                    step.code.lookUpInTwo(lower, SECOND + 2, SECOND + 3);
                    step.code.interleaveLow8(TEMPORARY, lower, upper);
                    step.code.interleaveHigh8(OTHER_TEMPORARY, lower, upper);
                    step.dotBf16(SUM, TEMPORARY, 32 * eighth + 8 * word);
                    step.dotBf16(RESULT, OTHER_TEMPORARY, 32 * eighth + 8 * word + 4);
                }
            }
            step.sharedScale(SCALE);
            step.finishFloats(SCALE);
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

    Q4_1(32, 20, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
        }

        @Override
        void step(Step step) {
            scaleAndNegativeOffset(step);
            step.begin();
            step.turn(FIRST, 4);
            lowHalves(step, FIRST, 0);
            highHalves(step, FIRST, 16);
            step.finish(SCALE, SCALE_OF_X, new Offset(OFFSET, SCALED_SUM));
        }
    },

    Q5_0(32, 22, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            fifthBitConstants(step);
        }

        @Override
        void step(Step step) {
            step.halves(SCALE, 0);
            step.begin(4, TOTAL_SUM);
            fiveBits(step, 2);
            step.finish(SCALE, SCALE_OF_X);
        }
    },

    Q5_1(32, 24, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            fifthBitConstants(step);
        }

        @Override
        void step(Step step) {
            scaleAndNegativeOffset(step);
            step.begin();
            fiveBits(step, 4);
            step.finish(SCALE, SCALE_OF_X, new Offset(OFFSET, SCALED_SUM));
        }
    },

    IQ4_NL(32, 18, Operand.QUANTIZED, BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
            step.table(CONSTANT_2, NONLINEAR);
        }

        @Override
        void step(Step step) {
            step.halves(SCALE, 0);
            nonlinear(step, 2, 0);
            step.finish(SCALE, SCALE_OF_X);
        }
    },

    IQ4_XS(256, 136, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
            step.table(CONSTANT_2, NONLINEAR);
            step.constant(CONSTANT_3, Float.floatToRawIntBits(32));
        }

        @Override
        void step(Step step) {
            step.turn(FIRST, 0);
            int first = turned(FIRST, 0); // binary16 factor, two upper bits of each scale
            step.code.narrowTo16(TEMPORARY, first);
            step.code.halfToFloat(SCALE, TEMPORARY);
            for (int part = 0; part < 8; part++) {
                bits(step, TEMPORARY, first, 16 + 2 * part, 2);
                step.code.shiftLeft32(TEMPORARY, TEMPORARY, 4);
                bits(step, OTHER_TEMPORARY, turned(FIRST, 1), 4 * part, 4);
                step.code.or(TEMPORARY, TEMPORARY, OTHER_TEMPORARY);
                step.code.toFloat(TEMPORARY, TEMPORARY);
                step.code.vectorSubtract(TEMPORARY, TEMPORARY, CONSTANT_3);
                step.code.vectorMultiply(TEMPORARY, TEMPORARY, SCALE);
                step.code.vectorStore(TEMPORARY, scratch(part), 0);
            }
            for (int part = 0; part < 8; part++) {
                int record = BLOCK_BYTES * part;
                nonlinear(step, 8 + 16 * part, record);
                step.code.vectorLoad(SCALE, scratch(part), 0);
                step.finish(SCALE, record + SCALE_OF_X);
            }
        }
    },

    /** Elements of two bits times their part's scale of four are bytes of at most 45, so that two parts make one exact sum. */
    Q2_K(256, 84, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, 0x0303_0303);
        }

        @Override
        void step(Step step) {
            step.turn(FIRST, 68);
            factors(step, turned(FIRST, 3));
            step.turn(FIRST, 0);
            for (int part = 0; part < 16; part++) {
                int from = 8 * (part % 4);
                bits(step, TEMPORARY, turned(FIRST, part / 4), from, 4);
                step.code.vectorStore(TEMPORARY, scratch(part), 0);
                bits(step, TEMPORARY, turned(FIRST, part / 4), from + 4, 4);
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
    },

    /**
     * Elements from -4 to 3 times their part's scale from -32 to 31 are bytes once they are negated and 128 is added, so that two parts make one exact
     * sum. The four products of a vector's element are one product: what a byte borrows from the next, the 128 give back.
     */
    Q3_K(256, 110, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, 0x0303_0303);
            step.constant(CONSTANT_2, 0x0404_0404);
            step.constant(CONSTANT_3, 0x8080_8080);
            int place = 16;
            for (int bits : new int[] {LOW_HALVES, 0x3030_3030, 32}) {
                step.constant(OPERAND, bits);
                step.code.vectorStore(OPERAND, scratch(place++), 0);
            }
        }

        @Override
        void step(Step step) {
            scales(step);
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
                    part(step, 2 * block, FIRST);
                    part(step, 2 * block + 1, SECOND);
                    step.finish(SCALE, record + SCALE_OF_X);
                }
            }
        }

        /** Minus the factor of all, and 32 - scale of each part to the stack. */
        private void scales(Step step) {
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
                    bits(step, TEMPORARY, OPERAND, 8 * i, 8);
                    step.code.subtractInt(TEMPORARY, SECOND + 2, TEMPORARY);
                    step.code.vectorStore(TEMPORARY, scratch(4 * word + i), 0);
                }
            }
        }

        private void part(Step step, int part, int turned) {
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

    Q5_K(256, 176, Operand.QUANTIZED, 8 * BLOCK_BYTES) {
        @Override
        void constants(Step step) {
            step.constant(CONSTANT, LOW_HALVES);
            step.constant(CONSTANT_2, 0x30);
            step.constant(CONSTANT_3, FIFTH_BITS);
        }

        @Override
        void step(Step step) {
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
    private static final int FIFTH_BITS = 0x1010_1010;

    /** The values of IQ4_NL and IQ4_XS, each 128 higher and so unsigned. */
    private static final int[] NONLINEAR = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

    /** The upper and lower bytes of E4M3 numbers as bf16, without the sign. */
    private static final int[] E4M3_UPPER = e4m3(Byte.SIZE);

    private static final int[] E4M3_LOWER = e4m3(0);

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

    /** The format of a type of blocks, if there is one. */
    static Optional<StoredFormat> of(QuantizedType type) {
        return Arrays.stream(values())
                .filter(format -> format.name().equals(type.name()))
                .findFirst();
    }

    private static int[] e4m3(int fromBit) {
        return IntStream.rangeClosed(0, Byte.MAX_VALUE)
                .map(bits -> Memory.toBf16(Float8.fromE4m3((byte) bits)) >> fromBit & 0xff)
                .toArray();
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

    /** Two binary16 numbers: the scale, and what is added to each element. */
    private static void scaleAndNegativeOffset(Step step) {
        step.halves(SCALE, 0);
        step.halves(OFFSET, 2);
        step.code.vectorZero(TEMPORARY);
        step.code.vectorSubtract(OFFSET, TEMPORARY, OFFSET);
    }

    private static void fifthBitConstants(Step step) {
        step.constant(CONSTANT, LOW_HALVES);
        step.constant(CONSTANT_2, 0x0204_0810); // times four bits: bit i to bit 8 i + 4, and others
        step.constant(CONSTANT_3, FIFTH_BITS);
    }

    /** The products of a Q5_0 or Q5_1 block: four bytes with an upper bit of each of the 32 elements, then sixteen with halves as in Q4_0. */
    private static void fiveBits(Step step, int displacement) {
        step.turn(SECOND, displacement);
        int upper = turned(SECOND, 0);
        step.turn(FIRST, displacement + 4);
        for (int half = 1; half >= 0; half--) {
            for (int word = 0; word < 4; word++) {
                bits(step, TEMPORARY, upper, 16 * half + 4 * word, 4);
                step.code.multiplyInt(TEMPORARY, TEMPORARY, CONSTANT_2);
                step.code.and(TEMPORARY, TEMPORARY, CONSTANT_3);
                step.code.shiftRight(OPERAND, turned(FIRST, word), 4 * half);
                step.code.andOr(OPERAND, CONSTANT, TEMPORARY);
                step.dotBytes(OPERAND, 16 * half + 4 * word);
            }
        }
    }

    /** Some bits of each element, as an integer. */
    private static void bits(Step step, int target, int source, int from, int count) {
        step.code.shiftLeft32(target, source, 32 - count - from);
        step.code.shiftRight(target, target, 32 - count);
    }

    /** The products of 32 elements that are looked up in the table; the sums begin here. */
    private static void nonlinear(Step step, int displacement, int record) {
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

    /** Two binary16 numbers: what scales are multiplied by, and what offsets are. */
    private static void factors(Step step, int both) {
        step.code.narrowTo16(TEMPORARY, both);
        step.code.halfToFloat(SCALE, TEMPORARY);
        step.code.shiftRight(TEMPORARY, both, 16);
        step.code.narrowTo16(TEMPORARY, TEMPORARY);
        step.code.halfToFloat(OFFSET, TEMPORARY);
    }

    /** The sixteen bytes at the beginning of a Q4_K or Q5_K block, to the stack: scales of the eight parts, then their offsets. */
    private static void scalesAndOffsets(Step step) {
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
    private static void sixBits(Step step, int part, int bytes, int rest, int restFrom) {
        int from = 8 * (part % 4);
        if (part < 4) {
            bits(step, TEMPORARY, bytes, from, 6);
        } else {
            bits(step, OTHER_TEMPORARY, rest, restFrom, 4);
            bits(step, TEMPORARY, bytes, from + 2, 6); // the upper two of these, after masking
            step.code.andOr(TEMPORARY, CONSTANT_2, OTHER_TEMPORARY);
        }
        step.code.toFloat(TEMPORARY, TEMPORARY);
    }

    private static void finishPart(Step step, int part) {
        int record = BLOCK_BYTES * part;
        step.code.vectorLoad(SCALE, scratch(part), 0);
        step.code.vectorLoad(OFFSET, scratch(8 + part), 0);
        step.finish(SCALE, record + SCALE_OF_X, new Offset(OFFSET, record + SCALED_SUM));
    }
}
