package dev.fathom.model.safetensors;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** From binary32 in memory to the half formats of files. */
final class FloatConversion {
    private static final ValueLayout.OfFloat FLOAT = Memory.FLOAT;
    private static final ValueLayout.OfShort SHORT = Memory.SHORT;

    private FloatConversion() {}

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
