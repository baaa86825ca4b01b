package dev.fathom.model.safetensors;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;

/**
 * A tensor in memory and its name in a file: the source of a write or the target of a read. The view may be part of something
 * larger (one expert of a fused tensor, rows of a joined projection).
 *
 * @param name unique in a checkpoint
 * @param view the elements, {@code [...]} as in the file; rows may have a stride
 * @param storedAs how it is written: the type of the view, or for F32 also BF16 or F16, rounded to nearest even. Reading converts
 *     from what the file holds
 */
public record NamedTensor(String name, Tensor view, StoredType storedAs) {
    public NamedTensor {
        boolean same = StoredType.of(view.dtype()) == storedAs;
        boolean rounded = view.dtype() == DType.F32 && (storedAs == StoredType.BF16 || storedAs == StoredType.F16);
        if (!same && !rounded) {
            throw new IllegalArgumentException(
                    "tensor \"" + name + "\": " + view.dtype() + " cannot be stored as " + storedAs);
        }
    }

    /** Stored with the bits it has. */
    public NamedTensor(String name, Tensor view) {
        this(name, view, StoredType.of(view.dtype()));
    }

    /** The same tensor, written in another type. */
    public NamedTensor as(StoredType type) {
        return new NamedTensor(name, view, type);
    }
}
