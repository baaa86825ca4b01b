package dev.fathom.avx512;

import static dev.fathom.avx512.StoredStep.CONSTANT;
import static dev.fathom.avx512.StoredStep.FIRST;
import static dev.fathom.avx512.StoredStep.OPERAND;
import static dev.fathom.avx512.StoredStep.OTHER_TEMPORARY;
import static dev.fathom.avx512.StoredStep.RESULT;
import static dev.fathom.avx512.StoredStep.SCALE;
import static dev.fathom.avx512.StoredStep.SECOND;
import static dev.fathom.avx512.StoredStep.SUM;
import static dev.fathom.avx512.StoredStep.TEMPORARY;
import static dev.fathom.avx512.StoredStep.turned;

import dev.fathom.engine.Memory;
import dev.fathom.engine.quant.Float8;
import java.util.stream.IntStream;

/** The formats without blocks of integers: plain numbers, and the FP8 of DeepSeek-V3. They meet x in floating point. */
final class StoredNumbers {
    private StoredNumbers() {}

    // ---- plain numbers

    static void f32(StoredStep step) {
        for (int quarter = 0; quarter < 4; quarter++) {
            step.turn(FIRST, 16 * quarter);
            for (int word = 0; word < 4; word++) {
                step.multiplyAdd(turned(FIRST, word), 16 * quarter + 4 * word);
            }
        }
    }

    static void f16(StoredStep step) {
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

    static void bf16(StoredStep step) {
        for (int quarter = 0; quarter < 4; quarter++) {
            step.turn(FIRST, 16 * quarter);
            for (int word = 0; word < 4; word++) {
                step.dotBf16(RESULT, turned(FIRST, word), 16 * quarter + 4 * word);
            }
        }
    }

    // ---- FP8

    /** The upper and lower bytes of E4M3 numbers as bf16, without the sign. */
    private static final int[] E4M3_UPPER = e4m3(Byte.SIZE);

    private static final int[] E4M3_LOWER = e4m3(0);

    private static int[] e4m3(int fromBit) {
        return IntStream.rangeClosed(0, Byte.MAX_VALUE)
                .map(bits -> Memory.toBf16(Float8.fromE4m3((byte) bits)) >> fromBit & 0xff)
                .toArray();
    }

    static void e4m3Constants(StoredStep step) {
        step.table(SECOND, SECOND + 1, E4M3_UPPER);
        step.table(SECOND + 2, SECOND + 3, E4M3_LOWER);
        step.constant(CONSTANT, 0x8080_8080);
    }

    /**
     * {@code Float8Blocks}: 128 elements with a scale that 128 rows share. Each is exact in bf16, whatever the scale, and meets x in bf16 as {@link #bf16}
     * does; the scale multiplies the sum of the 128 products, in f32.
     */
    static void e4m3(StoredStep step) {
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
}
