package dev.fathom.engine;

/**
 * The rows of an argument that is F32 or BF16: a kernel reads them as floats, in their place or widened in scratch memory. The counterpart of {@link RowOutput}.
 *
 * @param scratch room for a row of floats
 */
record RowInput(Tensor tensor, long scratch) {
    /** Where the floats of this row are, until the next is asked for. */
    long row(long n) {
        if (tensor.dtype() == DType.F32) {
            return tensor.rowAddress(n);
        }
        Bfloat16.widen(tensor.rowAddress(n), Math.toIntExact(tensor.columns()), scratch);
        return scratch;
    }
}
