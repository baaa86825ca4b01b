package dev.fathom.engine;

/**
 * What a kernel checks once at its entry. Behind it stand absolute addresses, so a wrong index would not be an exception but a read of
 * somebody else's memory.
 */
final class Checks {
    private Checks() {}

    /** The tensor is F32. */
    static void f32(String role, Tensor tensor) {
        if (tensor.dtype() != DType.F32) {
            throw new IllegalArgumentException(role + " must be F32, is " + tensor);
        }
    }

    /** The tensor is F32 and has no gaps between its rows. */
    static void denseF32(String role, Tensor tensor, long size) {
        if (tensor.dtype() != DType.F32 || !tensor.isDense() || tensor.size() != size) {
            throw new IllegalArgumentException(role + " must be dense F32 of " + size + " elements, is " + tensor);
        }
    }

    /** The tensor is dense I32 with this many elements. */
    static void denseI32(String role, Tensor tensor, long size) {
        if (tensor.dtype() != DType.I32 || !tensor.isDense() || tensor.size() != size) {
            throw new IllegalArgumentException(role + " must be dense I32 of " + size + " elements, is " + tensor);
        }
    }

    /** The tensor is dense I32 of this size and every element names one of {@code limit} rows. */
    static void indices(String role, Tensor tensor, long size, long limit) {
        denseI32(role, tensor, size);
        for (long i = 0; i < size; i++) {
            int index = intAt(tensor, i);
            if (index < 0 || index >= limit) {
                throw new IndexOutOfBoundsException(
                        role + "[" + i + "] = " + index + " is outside 0.." + (limit - 1) + " (" + tensor + ")");
            }
        }
    }

    /** Element of a dense I32 tensor whose size has been checked. */
    static int intAt(Tensor tensor, long index) {
        return Memory.getInt(tensor.address() + 4 * index);
    }

    /** Element of a dense F32 tensor whose size has been checked. */
    static float floatAt(Tensor tensor, long index) {
        return Memory.getFloat(tensor.address() + 4 * index);
    }

    /** Sets an element of a dense F32 tensor whose size has been checked. */
    static void setFloat(Tensor tensor, long index, float value) {
        Memory.setFloat(tensor.address() + 4 * index, value);
    }

    /** Sets an element of a dense I32 tensor whose size has been checked. */
    static void setInt(Tensor tensor, long index, int value) {
        Memory.setInt(tensor.address() + 4 * index, value);
    }
}
