package dev.fathom.engine.quant;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;

/**
 * How the elements of a row of weights are stored: in blocks of {@link #blockSize()} elements and {@link #blockBytes()} bytes that follow
 * each other without gaps. A plain number format has blocks of one element.
 *
 * <p>Block layouts, bit by bit, are in {@link ReferenceDecoder}. All numbers are little-endian. Decoding is exact where the type allows it:
 * the product of scales and integer fits a binary32 significand in every type here, so that only a subtraction or addition of an offset rounds,
 * once, and the order of evaluation cannot show in the result.
 */
public enum QuantizedType {
    F32(0, 1, 4, ReferenceDecoder::f32, VectorDecoder::f32),
    F16(1, 1, 2, ReferenceDecoder::f16, VectorDecoder::f16),
    BF16(30, 1, 2, ReferenceDecoder::bf16, VectorDecoder::bf16),
    Q8_0(8, 32, 34, ReferenceDecoder::q8v0, VectorDecoder::q8v0),
    Q4_0(2, 32, 18, ReferenceDecoder::q4v0, VectorDecoder::q4v0),
    Q4_1(3, 32, 20, ReferenceDecoder::q4v1, VectorDecoder::q4v1),
    Q5_0(6, 32, 22, ReferenceDecoder::q5v0, VectorDecoder::q5v0),
    Q5_1(7, 32, 24, ReferenceDecoder::q5v1, VectorDecoder::q5v1),
    Q2_K(10, 256, 84, ReferenceDecoder::q2k, VectorSuperBlocks::q2k),
    Q3_K(11, 256, 110, ReferenceDecoder::q3k, VectorSuperBlocks::q3k),
    Q4_K(12, 256, 144, ReferenceDecoder::q4k, VectorSuperBlocks::q4k),
    Q5_K(13, 256, 176, ReferenceDecoder::q5k, VectorSuperBlocks::q5k),
    Q6_K(14, 256, 210, ReferenceDecoder::q6k, VectorSuperBlocks::q6k),
    IQ4_NL(20, 32, 18, ReferenceDecoder::iq4nl, VectorDecoder::iq4nl),
    IQ4_XS(23, 256, 136, ReferenceDecoder::iq4xs, VectorSuperBlocks::iq4xs);

    /** Decodes one block as its specification says. */
    @FunctionalInterface
    interface BlockDecoder {
        /** @param block exactly one block; @param values one float per element */
        void decode(MemorySegment block, float[] values);
    }

    /** Decodes consecutive blocks between absolute addresses. */
    @FunctionalInterface
    interface BlocksDecoder {
        void decode(long blocks, long count, long values);
    }

    private final int id;
    private final int blockSize;
    private final int blockBytes;
    private final BlockDecoder reference;
    private final BlocksDecoder vector;

    QuantizedType(int id, int blockSize, int blockBytes, BlockDecoder reference, BlocksDecoder vector) {
        this.id = id;
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
        this.reference = reference;
        this.vector = vector;
    }

    /** The type's number in GGUF files. */
    public int id() {
        return id;
    }

    /** The type with this number in GGUF files. */
    public static Optional<QuantizedType> ofId(int id) {
        return Arrays.stream(values()).filter(type -> type.id == id).findFirst();
    }

    /** Elements of a block. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /**
     * Bytes of so many elements.
     *
     * @throws IllegalArgumentException if they are no whole number of blocks
     * @throws ArithmeticException if they are 2^63 or more
     */
    public long bytes(long elements) {
        if (elements < 0 || elements % blockSize != 0) {
            throw new IllegalArgumentException(
                    elements + " elements are no whole number of " + this + " blocks of " + blockSize);
        }
        return Math.multiplyExact(elements / blockSize, blockBytes);
    }

    /**
     * Expands {@code count} elements to binary32.
     *
     * @param source native memory with the first block at {@code sourceOffset} (bytes)
     * @param target native memory for {@code count} floats from {@code targetOffset} (bytes)
     * @throws IllegalArgumentException if {@code count} is no whole number of blocks
     * @throws IndexOutOfBoundsException if either segment is too small
     */
    public void decode(MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        check(source, sourceOffset, target, targetOffset, count);
        vector.decode(source.address() + sourceOffset, count / blockSize, target.address() + targetOffset);
        // The kernel sees addresses only; until here the segments keep their memory alive.
        Reference.reachabilityFence(source);
        Reference.reachabilityFence(target);
    }

    /** The same values as {@link #decode}, computed as the specification is written. */
    public void decodeReference(
            MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        check(source, sourceOffset, target, targetOffset, count);
        float[] values = new float[blockSize];
        for (long block = 0; block < count / blockSize; block++) {
            reference.decode(source.asSlice(sourceOffset + block * blockBytes, blockBytes), values);
            long to = targetOffset + Float.BYTES * block * blockSize;
            MemorySegment.copy(values, 0, target, Memory.FLOAT, to, blockSize);
        }
    }

    private void check(MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        if (!source.isNative() || !target.isNative()) {
            throw new IllegalArgumentException("blocks are decoded between native segments only");
        }
        Objects.checkFromIndexSize(sourceOffset, bytes(count), source.byteSize());
        Objects.checkFromIndexSize(targetOffset, Math.multiplyExact(count, (long) Float.BYTES), target.byteSize());
    }
}
