package dev.fathom.avx512;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.Memory;
import dev.fathom.engine.VectorMath;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@link VectorMath#exp} in machine code, operation for operation; its last, a product with a power of two in two steps that rounds once, is one
 * instruction here.
 */
final class Exponential {
    /** Vector registers that hold its thirteen numbers. */
    static final int LOWEST = 16;

    private static final int HIGHEST = 17;
    private static final int INVERSE_LN2 = 18;
    private static final int ROUNDER = 19;
    private static final int MINUS_LN2_HIGH = 20;
    private static final int MINUS_LN2_LOW = 21;
    private static final int HIGHEST_POWER = 22;
    private static final int LOWEST_POWER = 27;
    static final int ONE = 28;

    private static final MemorySegment CONSTANTS = constants();

    private Exponential() {}

    private static MemorySegment constants() {
        float[] numbers = VectorMath.expConstants();
        MemorySegment memory = Arena.global().allocate(4L * (numbers.length + 1), Memory.ALIGNMENT);
        MemorySegment.copy(numbers, 0, memory, ValueLayout.JAVA_FLOAT, 0, numbers.length);
        memory.setAtIndex(ValueLayout.JAVA_FLOAT, numbers.length, Float.NEGATIVE_INFINITY);
        return memory;
    }

    /** Address of what {@link #loadConstants} reads. */
    static long constantsAddress() {
        return CONSTANTS.address();
    }

    /** {@code pointer} holds {@link #constantsAddress}. */
    static void loadConstants(Assembler code, int pointer) {
        for (int register = LOWEST; register <= ONE; register++) {
            code.broadcast32(register, Address.of(pointer, 4 * (register - LOWEST)));
        }
    }

    /** Minus infinity, which lies behind the constants. */
    static Address minusInfinity(int pointer) {
        return Address.of(pointer, 4 * (ONE - LOWEST + 1));
    }

    /**
     * {@code p = e^x}.
     *
     * @param x overwritten, as are n and square
     */
    static void of(Assembler code, int x, int p, int n, int square) {
        code.vectorMax(x, LOWEST, x);
        code.vectorMin(x, HIGHEST, x);
        code.vectorMove(p, x);
        code.multiplyThenAdd(p, INVERSE_LN2, ROUNDER);
        code.vectorSubtract(n, p, ROUNDER);
        code.multiplyAdd(x, n, MINUS_LN2_HIGH);
        code.multiplyAdd(x, n, MINUS_LN2_LOW);
        code.vectorMove(p, HIGHEST_POWER);
        for (int power = HIGHEST_POWER + 1; power <= LOWEST_POWER; power++) {
            code.multiplyThenAdd(p, x, power);
        }
        code.vectorMultiply(square, x, x);
        code.multiplyThenAdd(p, square, x);
        code.vectorAdd(p, p, ONE);
        code.scaleByPowerOf2(p, p, n);
    }
}
