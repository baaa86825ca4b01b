package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.RAX;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.DType;
import java.util.function.IntConsumer;

/**
 * Writes the loop over the columns of rows of a known width: whole vectors, then what is left under a mask. Rows are F32 or BF16, which is widened as it is
 * loaded and rounded to nearest even as it is stored. Uses rax and r11.
 */
final class Columns {
    private static final int LANES = MicroKernel.LANES;

    /** How far along the row, in bytes of bf16 elements. */
    private static final int OFFSET = RAX;

    private static final int COUNTER = R11;

    private static final int MASK = 1;

    private Columns() {}

    /** Once in a function, before its first loop. */
    static void setMask(Assembler code, int width) {
        setMask(code, MASK, width % LANES);
    }

    /** Sets a mask to the first elements; leaves it where there are none. */
    static void setMask(Assembler code, int mask, int elements) {
        if (elements > 0) {
            code.moveImmediate(RAX, (1 << elements) - 1);
            code.moveToMask(mask, RAX);
        }
    }

    /** @param body writes what is done with a vector, given the mask to do it under, 0 for none */
    static void forEach(Assembler code, int width, IntConsumer body) {
        code.moveImmediate(OFFSET, 0);
        if (width >= LANES) {
            code.moveImmediate(COUNTER, width / LANES);
            int vector = code.position();
            body.accept(0);
            code.addImmediate(OFFSET, 2 * LANES);
            code.decrementAndLoop(COUNTER, vector);
        }
        if (width % LANES != 0) {
            body.accept(MASK);
        }
    }

    /** Where the row's elements of this type are, {@code base} being the register that holds its address. */
    static Address at(DType type, int base) {
        return Address.indexed(base, OFFSET, type == DType.F32 ? 2 : 1);
    }

    static void load(Assembler code, DType type, int target, int base, int mask) {
        if (type == DType.F32) {
            code.vectorLoad(target, at(type, base), mask);
        } else {
            code.widen16(target, at(type, base), mask);
            code.shiftLeft32(target, target, 16);
        }
    }

    /** The source is overwritten. */
    static void store(Assembler code, DType type, int source, int base, int mask) {
        if (type == DType.F32) {
            code.vectorStore(source, at(type, base), mask);
            return;
        }
        code.roundToBf16(source, source);
        if (mask == 0) {
            code.store256(source, at(type, base));
        } else {
            code.vectorStore16(source, at(type, base), mask);
        }
    }
}
