package dev.fathom.model.gguf;

import java.util.Arrays;
import java.util.Optional;

/** Types of metadata values; the ordinal is the number in a file. */
public enum GgufValueType {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    /** One byte, 0 or 1. */
    BOOL(1),
    STRING(0),
    ARRAY(0),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    private final int bytes;

    GgufValueType(int bytes) {
        this.bytes = bytes;
    }

    /** Size of a value in bytes; 0 where it has a length of its own. */
    int bytes() {
        return bytes;
    }

    /** Smallest number of bytes of a value. */
    int leastBytes() {
        return switch (this) {
            case STRING -> Long.BYTES;
            case ARRAY -> Integer.BYTES + Long.BYTES;
            default -> bytes;
        };
    }

    boolean isInteger() {
        return switch (this) {
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64 -> true;
            case FLOAT32, FLOAT64, BOOL, STRING, ARRAY -> false;
        };
    }

    boolean isNumber() {
        return isInteger() || this == FLOAT32 || this == FLOAT64;
    }

    static Optional<GgufValueType> ofId(int id) {
        return Arrays.stream(values()).filter(type -> type.ordinal() == id).findFirst();
    }
}
