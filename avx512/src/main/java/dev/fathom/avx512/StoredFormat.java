package dev.fathom.avx512;

import static dev.fathom.avx512.QuantizedRows.BLOCK_BYTES;

import dev.fathom.engine.quant.QuantizedType;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The types of stored weights that {@link StoredKernel} reads as they are: a step takes some elements of each of sixteen rows. What the bytes mean
 * is in {@code ReferenceDecoder} of {@code engine.quant}; a vector here holds four bytes of each row ({@link StoredStep#turn}).
 *
 * <p>Blocks of integers meet {@link QuantizedRows}: their products are summed exactly, and each block (part of a super-block) is one addition to the chain.
 */
enum StoredFormat {
    F32(16, 64, Operand.FLOATS, 64, StoredNumbers::f32),
    F16(32, 64, Operand.FLOATS, 128, StoredNumbers::f16),
    BF16(32, 64, Operand.BF16, 64, StoredNumbers::bf16),
    E4M3(128, 128, Operand.BF16, 256, StoredNumbers::e4m3Constants, StoredNumbers::e4m3),
    Q8_0(32, 34, StoredBlocks::q8v0Constants, StoredBlocks::q8v0),
    Q4_0(32, 18, StoredBlocks::halvesConstants, StoredBlocks::q4v0),
    Q4_1(32, 20, StoredBlocks::halvesConstants, StoredBlocks::q4v1),
    Q5_0(32, 22, StoredBlocks::fifthBitConstants, StoredBlocks::q5v0),
    Q5_1(32, 24, StoredBlocks::fifthBitConstants, StoredBlocks::q5v1),
    IQ4_NL(32, 18, StoredBlocks::nonlinearConstants, StoredBlocks::iq4nl),
    IQ4_XS(256, 136, StoredSuperBlocks::iq4xsConstants, StoredSuperBlocks::iq4xs),
    Q2_K(256, 84, StoredSuperBlocks::q2kConstants, StoredSuperBlocks::q2k),
    Q3_K(256, 110, StoredSuperBlocks::q3kConstants, StoredSuperBlocks::q3k),
    Q4_K(256, 144, StoredSuperBlocks::q4kConstants, StoredSuperBlocks::q4k),
    Q5_K(256, 176, StoredSuperBlocks::q5kConstants, StoredSuperBlocks::q5k),
    Q6_K(256, 210, StoredSuperBlocks::q6kConstants, StoredSuperBlocks::q6k);

    /** What becomes of x. */
    enum Operand {
        FLOATS,
        BF16,
        QUANTIZED
    }

    private final int elements;
    private final int stepBytes;
    private final Operand operand;
    private final int operandBytes;
    private final Consumer<StoredStep> constants;
    private final Consumer<StoredStep> step;

    StoredFormat(
            int elements,
            int stepBytes,
            Operand operand,
            int operandBytes,
            Consumer<StoredStep> constants,
            Consumer<StoredStep> step) {
        this.elements = elements;
        this.stepBytes = stepBytes;
        this.operand = operand;
        this.operandBytes = operandBytes;
        this.constants = constants;
        this.step = step;
    }

    StoredFormat(int elements, int stepBytes, Operand operand, int operandBytes, Consumer<StoredStep> step) {
        this(elements, stepBytes, operand, operandBytes, none -> {}, step);
    }

    /** Blocks of integers: a step is a block. */
    StoredFormat(int elements, int blockBytes, Consumer<StoredStep> constants, Consumer<StoredStep> step) {
        this(elements, blockBytes, Operand.QUANTIZED, elements / QuantizedRows.BLOCK * BLOCK_BYTES, constants, step);
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

    /** Writes what loads the vectors that stay the same. */
    void constants(StoredStep step) {
        constants.accept(step);
    }

    /** Writes the products of a step's elements. */
    void step(StoredStep step) {
        this.step.accept(step);
    }
}
