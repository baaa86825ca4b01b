package dev.fathom.model.safetensors;

import dev.fathom.engine.Memory;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** Between binary32 in memory and the half formats of files. */
final class FloatConversion {
    private static final ValueLayout.OfFloat FLOAT = Memory.FLOAT;
    private static final ValueLayout.OfShort SHORT = Memory.SHORT;

    private FloatConversion() {}

    /** Files are little-endian and their bytes are used as they lie in memory, so the machine must be little-endian too. */
    static void requireLittleEndian(Path file) {
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            throw CheckpointException.of(file, "byte order", "a big-endian machine", "a little-endian one");
        }
    }

    /** Expands {@code count} bf16 or f16 elements to f32, exactly. */
    static void toFloats(StoredType from, MemorySegment source, MemorySegment target, long count) {
        if (from == StoredType.BF16) {
            for (long i = 0; i < count; i++) {
                target.set(FLOAT, 4 * i, Memory.fromBf16(source.get(SHORT, 2 * i)));
            }
        } else {
            for (long i = 0; i < count; i++) {
                target.set(FLOAT, 4 * i, Float.float16ToFloat(source.get(SHORT, 2 * i)));
            }
        }
    }

    /** Rounds {@code count} f32 elements to bf16 or f16, to nearest even. */
    static void fromFloats(StoredType to, MemorySegment source, MemorySegment target, long count) {
        if (to == StoredType.BF16) {
            for (long i = 0; i < count; i++) {
                target.set(SHORT, 2 * i, Memory.toBf16(source.get(FLOAT, 4 * i)));
            }
        } else {
            for (long i = 0; i < count; i++) {
                target.set(SHORT, 2 * i, Float.floatToFloat16(source.get(FLOAT, 4 * i)));
            }
        }
    }
}
