package dev.fathom.engine;

/**
 * The rows of a result that is F32 or BF16. A kernel computes a row as floats at {@link #row}, which is its place or scratch memory, and says so: then, while
 * the row is in the first-level cache, it is rounded. So kernels are written once, for floats.
 *
 * @param scratch room for a row of floats
 */
record RowOutput(Tensor tensor, long scratch) {
    /** Checks type and shape. */
    static void require(String role, Tensor tensor, long rows, long columns) {
        tensor.require(role, tensor.dtype() == DType.BF16 ? DType.BF16 : DType.F32, rows, columns);
    }

    /** Bytes of scratch memory for rows of so many columns. */
    static long scratchBytes(long columns) {
        return Memory.align(4 * columns);
    }

    /** Where the floats of this row go. */
    long row(long n) {
        return tensor.dtype() == DType.F32 ? tensor.rowAddress(n) : scratch;
    }

    /** The row has been written. */
    void written(long n) {
        if (tensor.dtype() == DType.BF16) {
            Bfloat16.round(scratch, tensor.columns(), tensor.rowAddress(n));
        }
    }
}
