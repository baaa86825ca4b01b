package dev.fathom.engine;

/** Element types the engine computes with. File formats have more; the {@code model} module converts them. */
public enum DType {
    /** IEEE 754 binary32: parameters, gradients, moments, activations, everything that is reduced. */
    F32(4),
    /** bfloat16, the upper half of a binary32: operands of matrix products. */
    BF16(2),
    /** Token ids, expert indices, row numbers. */
    I32(4),
    /** Bytes of blocks: keys and values that are kept in eight bits. */
    I8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }
}
