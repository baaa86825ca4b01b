package dev.fathom.engine.quant;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the bytes of a block mean: one scalar method per {@link QuantizedType}, slow and obvious. {@link VectorDecoder} and
 * {@link VectorSuperBlocks} are tested against it bit for bit.
 *
 * <p>Layouts are written as C structs would be, {@code half} being an IEEE 754 binary16. They are those of ggml
 * (github.com/ggml-org/ggml, {@code ggml-common.h}), which defines the GGUF types.
 */
final class ReferenceDecoder {
    /** The sixteen values of IQ4_NL and IQ4_XS: denser around zero, where most weights are. */
    static final byte[] NONLINEAR = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    private ReferenceDecoder() {}

    // ---- plain formats: blocks of one element

    static void f32(MemorySegment block, float[] y) {
        y[0] = block.get(Memory.FLOAT, 0);
    }

    static void f16(MemorySegment block, float[] y) {
        y[0] = half(block, 0);
    }

    static void bf16(MemorySegment block, float[] y) {
        y[0] = Memory.fromBf16(block.get(Memory.SHORT, 0));
    }

    // ---- blocks of 32 elements with one scale

    /** {@code half d; int8 q[32]}: {@code y = d q}. */
    static void q8v0(MemorySegment block, float[] y) {
        float d = half(block, 0);
        for (int i = 0; i < 32; i++) {
            y[i] = d * signed(block, 2 + i);
        }
    }

    /** {@code half d; uint4 q[32]}: {@code y = d (q - 8)}. Byte i holds element i in its low and element i + 16 in its high half. */
    static void q4v0(MemorySegment block, float[] y) {
        float d = half(block, 0);
        for (int i = 0; i < 16; i++) {
            y[i] = d * ((unsigned(block, 2 + i) & 15) - 8);
            y[i + 16] = d * ((unsigned(block, 2 + i) >> 4) - 8);
        }
    }

    /** {@code half d, m; uint4 q[32]}: {@code y = d q + m}, halves of bytes as in Q4_0. */
    static void q4v1(MemorySegment block, float[] y) {
        float d = half(block, 0);
        float m = half(block, 2);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (unsigned(block, 4 + i) & 15) + m;
            y[i + 16] = d * (unsigned(block, 4 + i) >> 4) + m;
        }
    }

    /** {@code half d; uint32 h; uint4 q[32]}: {@code y = d (q + 16 h_i - 16)} with bit i of h as the fifth bit of element i. */
    static void q5v0(MemorySegment block, float[] y) {
        float d = half(block, 0);
        int high = block.get(Memory.INT, 2);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (((unsigned(block, 6 + i) & 15) | (high >>> i & 1) << 4) - 16);
            y[i + 16] = d * (((unsigned(block, 6 + i) >> 4) | (high >>> (i + 16) & 1) << 4) - 16);
        }
    }

    /** {@code half d, m; uint32 h; uint4 q[32]}: {@code y = d (q + 16 h_i) + m}. */
    static void q5v1(MemorySegment block, float[] y) {
        float d = half(block, 0);
        float m = half(block, 2);
        int high = block.get(Memory.INT, 4);
        for (int i = 0; i < 16; i++) {
            y[i] = d * ((unsigned(block, 8 + i) & 15) | (high >>> i & 1) << 4) + m;
            y[i + 16] = d * ((unsigned(block, 8 + i) >> 4) | (high >>> (i + 16) & 1) << 4) + m;
        }
    }

    /** {@code half d; uint4 q[32]}: {@code y = d NONLINEAR[q]}, halves of bytes as in Q4_0. */
    static void iq4nl(MemorySegment block, float[] y) {
        float d = half(block, 0);
        for (int i = 0; i < 16; i++) {
            y[i] = d * NONLINEAR[unsigned(block, 2 + i) & 15];
            y[i + 16] = d * NONLINEAR[unsigned(block, 2 + i) >> 4];
        }
    }

    // ---- super-blocks of 256 elements: parts of 16 or 32 with small integer scales of their own

    /**
     * {@code struct { uint4 scale, min; } part[16]; uint2 q[256]; half d, dmin}: {@code y = d scale q - dmin min}, a part of 16 elements each.
     * The scale is the low half of its byte. Of each 128 elements, byte i (of 32) holds elements i, i + 32, i + 64 and i + 96 from its lowest bits up.
     */
    static void q2k(MemorySegment block, float[] y) {
        float d = half(block, 80);
        float dMin = half(block, 82);
        for (int i = 0; i < 256; i++) {
            int part = unsigned(block, i / 16);
            int q = unsigned(block, 16 + 32 * (i / 128) + i % 32) >> 2 * (i % 128 / 32) & 3;
            y[i] = d * (part & 15) * q - dMin * (part >> 4);
        }
    }

    /**
     * {@code uint1 high[256]; uint2 low[256]; uint6 scale[16]; half d}: {@code y = d (scale - 32) (low + 4 high - 4)}, a part of 16 elements each.
     * Low bits lie as in Q2_K. Bit j of byte i (of 32) is the high bit of element 32 j + i. Of the twelve bytes of scales, the first eight hold
     * the low four bits of scales 0-7 and, in their high halves, of 8-15; the last four hold the upper two bits of scales 0-3, 4-7, 8-11 and
     * 12-15 from their lowest bits up.
     */
    static void q3k(MemorySegment block, float[] y) {
        float d = half(block, 108);
        for (int i = 0; i < 256; i++) {
            int low = unsigned(block, 32 + 32 * (i / 128) + i % 32) >> 2 * (i % 128 / 32) & 3;
            int high = unsigned(block, i % 32) >> i / 32 & 1;
            y[i] = d * (q3kScale(block, i / 16) - 32) * ((low | high << 2) - 4);
        }
    }

    /** Scale of a part of a Q3_K block, 0 to 63. */
    private static int q3kScale(MemorySegment block, int part) {
        int low = unsigned(block, 96 + part % 8) >> 4 * (part / 8) & 15;
        int high = unsigned(block, 104 + part % 4) >> 2 * (part / 4) & 3;
        return low | high << 4;
    }

    /**
     * {@code half d, dmin; struct { uint6 scale, min; } part[8]; uint4 q[256]}: {@code y = d scale q - dmin min}, a part of 32 elements each. Of
     * each 64 elements, byte i (of 32) holds element i in its low and element i + 32 in its high half.
     */
    static void q4k(MemorySegment block, float[] y) {
        float d = half(block, 0);
        float dMin = half(block, 2);
        for (int i = 0; i < 256; i++) {
            int q = unsigned(block, 16 + 32 * (i / 64) + i % 32) >> 4 * (i % 64 / 32) & 15;
            y[i] = d * scale(block, i / 32) * q - dMin * min(block, i / 32);
        }
    }

    /**
     * {@code half d, dmin; struct { uint6 scale, min; } part[8]; uint1 high[256]; uint4 low[256]}: {@code y = d scale (low + 16 high) - dmin min}.
     * Scales and low bits lie as in Q4_K. Bit j of byte i (of 32) is the high bit of element 32 j + i.
     */
    static void q5k(MemorySegment block, float[] y) {
        float d = half(block, 0);
        float dMin = half(block, 2);
        for (int i = 0; i < 256; i++) {
            int low = unsigned(block, 48 + 32 * (i / 64) + i % 32) >> 4 * (i % 64 / 32) & 15;
            int high = unsigned(block, 16 + i % 32) >> i / 32 & 1;
            y[i] = d * scale(block, i / 32) * (low | high << 4) - dMin * min(block, i / 32);
        }
    }

    /**
     * Scale of a part of a Q4_K or Q5_K block, 0 to 63. Twelve bytes from byte 4: of parts 0-3, bytes 0-3 hold the scale and bytes 4-7 the min in
     * their low six bits; of parts 4-7, bytes 8-11 hold the low four bits of scale and min, and the two bits left over in bytes 0-3 and 4-7 are
     * their upper bits.
     */
    private static int scale(MemorySegment block, int part) {
        return part < 4
                ? unsigned(block, 4 + part) & 63
                : unsigned(block, 8 + part) & 15 | unsigned(block, part) >> 6 << 4;
    }

    /** Min of a part of a Q4_K or Q5_K block, 0 to 63. */
    private static int min(MemorySegment block, int part) {
        return part < 4
                ? unsigned(block, 8 + part) & 63
                : unsigned(block, 8 + part) >> 4 | unsigned(block, 4 + part) >> 6 << 4;
    }

    /**
     * {@code uint4 low[256]; uint2 high[256]; int8 scale[16]; half d}: {@code y = d scale (low + 16 high - 32)}, a part of 16 elements each. Of each
     * 128 elements, low byte i (of 64) holds element i in its low and element i + 64 in its high half; high bits lie as the bits of Q2_K.
     */
    static void q6k(MemorySegment block, float[] y) {
        float d = half(block, 208);
        for (int i = 0; i < 256; i++) {
            int low = unsigned(block, 64 * (i / 128) + i % 64) >> 4 * (i % 128 / 64) & 15;
            int high = unsigned(block, 128 + 32 * (i / 128) + i % 32) >> 2 * (i % 128 / 32) & 3;
            y[i] = d * signed(block, 192 + i / 16) * ((low | high << 4) - 32);
        }
    }

    /**
     * {@code half d; uint2 high[8]; uint4 low[8]; uint4 q[256]}: {@code y = d (low + 16 high - 32) NONLINEAR[q]}, a part of 32 elements each, its
     * sixteen bytes as in Q4_0. Scale bits lie from the lowest up.
     */
    static void iq4xs(MemorySegment block, float[] y) {
        float d = half(block, 0);
        for (int i = 0; i < 256; i++) {
            int part = i / 32;
            int low = unsigned(block, 4 + part / 2) >> 4 * (part % 2) & 15;
            int high = block.get(Memory.SHORT, 2) >> 2 * part & 3;
            int q = unsigned(block, 8 + 16 * part + i % 16) >> 4 * (i % 32 / 16) & 15;
            y[i] = d * ((low | high << 4) - 32) * NONLINEAR[q];
        }
    }

    private static float half(MemorySegment block, long at) {
        return Float.float16ToFloat(block.get(Memory.SHORT, at));
    }

    private static int unsigned(MemorySegment block, long at) {
        return signed(block, at) & 0xff;
    }

    private static int signed(MemorySegment block, long at) {
        return block.get(ValueLayout.JAVA_BYTE, at);
    }
}
