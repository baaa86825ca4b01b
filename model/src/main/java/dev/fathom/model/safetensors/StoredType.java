package dev.fathom.model.safetensors;

import dev.fathom.engine.DType;
import java.util.Arrays;
import java.util.Optional;

/** Element types of the safetensors format. All are understood; {@link StoredTensor#copyTo} says which are converted. */
public enum StoredType {
    F64(8),
    F32(4),
    F16(2),
    BF16(2),
    F8_E4M3(1),
    F8_E5M2(1),
    /** UE8M0: an exponent and nothing else, for scales. */
    F8_E8M0(1),
    I64(8),
    I32(4),
    I16(2),
    I8(1),
    U64(8),
    U32(4),
    U16(2),
    U8(1),
    BOOL(1);

    private final int bytes;

    StoredType(int bytes) {
        this.bytes = bytes;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    /** The stored type with the same bits as an engine type. */
    public static StoredType of(DType type) {
        return switch (type) {
            case F32 -> F32;
            case BF16 -> BF16;
            case I32 -> I32;
            case I8 -> I8;
        };
    }

    /** The type of this name in a header. */
    static Optional<StoredType> named(String name) {
        return Arrays.stream(values()).filter(type -> type.name().equals(name)).findFirst();
    }
}
