package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Rows of x as integers, to meet stored blocks of integers: blocks of 32 elements, {@code x = dx q} with q = {@code x 127 / max |x|} rounded to
 * nearest even and {@code dx = max |x| / 127} rounded to the eleven significant bits of a binary16 (of any exponent). An error of q is at most a 254th of the
 * block's largest element; rounding dx adds a 2048th of x at most. That is what llama.cpp does, whose blocks of activations are its Q8_0 blocks, so that
 * results may be compared closely. Blocks of numbers that no model has: below 2^-100 they become smaller than they are; from 2^122 on, or with an
 * infinity or NaN among them, all of the block is NaN, and so is every output.
 *
 * <p>A block is a record of 64 bytes: {@code int8 q[32]; float dx, dx Σ q; int32 -Σ q, -Σ q[0..15], -Σ q[16..31]; float dx Σ q[0..15], dx Σ q[16..31]}
 * and four bytes of nothing. The sums are what weights with an offset are multiplied by.
 */
final class QuantizedRows {
    /** Elements of a block. */
    static final int BLOCK = 32;

    static final int BLOCK_BYTES = 64;

    /** Where in a record things are. */
    static final int SCALE_OF_X = 32;

    static final int SCALED_SUM = 36;
    static final int TOTAL_SUM = 40;
    static final int LOW_SUM = 44;
    static final int HIGH_SUM = 48;
    static final int SCALED_LOW_SUM = 52;
    static final int SCALED_HIGH_SUM = 56;

    /** {@code void quantize(from, bytes from row to row, to, bytes from row to row, rows, blocks)}. */
    private static final MethodHandle CALL = MachineCode.call(6);

    private static final MemorySegment CODE = MachineCode.place(generate())[0];

    private QuantizedRows() {}

    /** Bytes from one row to the next: an odd number of cache lines, so that eight rows do not fall on the same few places of the cache. */
    static long rowBytes(long columns) {
        return columns / BLOCK * BLOCK_BYTES | BLOCK_BYTES;
    }

    /**
     * Quantizes rows.
     *
     * @param from address of the first row's floats, rows {@code fromStride} bytes apart
     * @param columns a multiple of {@link #BLOCK}
     * @param to where the first row's records go, rows {@code toStride} bytes apart
     */
    static void quantize(long from, long fromStride, long rows, long columns, long to, long toStride) {
        try {
            CALL.invokeExact(CODE, from, fromStride, to, toStride, rows, columns / BLOCK);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate() {
        int low = 0;
        int high = 1;
        int magnitude = 2;
        int other = 3;
        int scale = 4;
        int inverse = 5;
        int sums = 6;
        int total = 7;
        int magnitudeBits = 31;
        int largest = 30;
        int tiny = 29;
        int splitter = 26;
        int ones = 28;
        int zero = 27;
        Assembler code = new Assembler();
        constant(code, magnitudeBits, 0x7fff_ffff);
        constant(code, largest, Float.floatToRawIntBits(127));
        constant(code, tiny, Float.floatToRawIntBits(0x1p-100f));
        constant(code, splitter, Float.floatToRawIntBits(0x1p13f + 1));
        constant(code, ones, 0x0101_0101);
        code.vectorZero(zero);
        int row = code.position();
        code.move(R10, RDI);
        code.move(R11, RDX);
        code.move(RAX, R9);
        int block = code.position();
        code.vectorLoad(low, Address.of(R10), 0);
        code.vectorLoad(high, Address.of(R10, 64), 0);
        // Magnitudes are compared as integers: a NaN is then the largest, and stays visible in dx.
        code.and(magnitude, low, magnitudeBits);
        code.and(other, high, magnitudeBits);
        code.maxInt(magnitude, magnitude, other);
        for (int quarters : new int[] {0x4e, 0xb1}) {
            code.shuffleQuarters(other, magnitude, quarters);
            code.maxInt(magnitude, magnitude, other);
        }
        for (int elements : new int[] {0x4e, 0xb1}) {
            code.shuffleInQuarters(other, magnitude, elements);
            code.maxInt(magnitude, magnitude, other);
        }
        code.vectorDivide(scale, magnitude, largest);
        // Eleven bits, as many as binary16 has: c = s (2^13 + 1), then c - (c - s) is s rounded to them.
        code.vectorMultiply(other, scale, splitter);
        code.vectorSubtract(inverse, other, scale);
        code.vectorSubtract(scale, other, inverse);
        code.vectorMax(magnitude, magnitude, tiny); // a block of zeros
        code.vectorDivide(inverse, largest, magnitude);
        code.vectorMultiply(low, low, inverse);
        code.vectorMultiply(high, high, inverse);
        code.toInt(low, low);
        code.toInt(high, high);
        code.narrowTo8(low, low);
        code.narrowTo8(high, high);
        code.store128(low, Address.of(R11));
        code.store128(high, Address.of(R11, 16));
        // Sums of four bytes each, then of sixteen: those of low in the first 128 bits, those of high in the second.
        code.insert128(low, low, high, 1);
        code.vectorZero(sums);
        code.dotBytes(sums, ones, low);
        for (int elements : new int[] {0x4e, 0xb1}) {
            code.shuffleInQuarters(other, sums, elements);
            code.addInt(sums, sums, other);
        }
        code.shuffleQuarters(other, sums, 0xb1);
        code.addInt(total, sums, other);
        code.storeFirst(scale, Address.of(R11, SCALE_OF_X));
        code.toFloat(magnitude, total);
        code.vectorMultiply(magnitude, magnitude, scale);
        code.storeFirst(magnitude, Address.of(R11, SCALED_SUM));
        code.toFloat(magnitude, sums);
        code.vectorMultiply(magnitude, magnitude, scale);
        code.storeFirst(magnitude, Address.of(R11, SCALED_LOW_SUM));
        code.toFloat(magnitude, other);
        code.vectorMultiply(magnitude, magnitude, scale);
        code.storeFirst(magnitude, Address.of(R11, SCALED_HIGH_SUM));
        code.subtractInt(total, zero, total);
        code.storeFirst(total, Address.of(R11, TOTAL_SUM));
        code.subtractInt(sums, zero, sums);
        code.storeFirst(sums, Address.of(R11, LOW_SUM));
        code.subtractInt(other, zero, other);
        code.storeFirst(other, Address.of(R11, HIGH_SUM));
        code.addImmediate(R10, 4 * BLOCK);
        code.addImmediate(R11, BLOCK_BYTES);
        code.decrementAndLoop(RAX, block);
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, row);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    private static void constant(Assembler code, int register, int bits) {
        code.moveImmediate(RAX, bits);
        code.broadcast32(register, RAX);
    }
}
