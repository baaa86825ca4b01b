package dev.fathom.engine;

/** What the operands of matrix products are rounded to. Everything else (norms, router, softmax, loss, optimizer) is f32. */
public enum Precision {
    /** Operands as they are. */
    F32,
    /** Operands rounded to nearest even bfloat16, products and sums in f32. */
    BF16;

    /** The type of a tensor that nothing but products of this precision reads. */
    public DType operands() {
        return this == BF16 ? DType.BF16 : DType.F32;
    }
}
