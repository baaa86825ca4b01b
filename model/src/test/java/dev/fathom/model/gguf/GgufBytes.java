package dev.fathom.model.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** GGUF files byte by byte, as others or an attacker might write them: nothing of the writer is used. */
final class GgufBytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    GgufBytes header(int version, long tensors, long entries) {
        return raw("GGUF".getBytes(StandardCharsets.US_ASCII))
                .u32(version)
                .u64(tensors)
                .u64(entries);
    }

    GgufBytes raw(byte... bytes) {
        out.writeBytes(bytes);
        return this;
    }

    GgufBytes u8(int value) {
        out.write(value);
        return this;
    }

    GgufBytes u16(int value) {
        return u8(value).u8(value >> 8);
    }

    GgufBytes u32(int value) {
        return raw(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    GgufBytes u64(long value) {
        return raw(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array());
    }

    GgufBytes f32(float value) {
        return u32(Float.floatToRawIntBits(value));
    }

    GgufBytes string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return u64(utf8.length).raw(utf8);
    }

    /** A key and the type of its value. */
    GgufBytes key(String key, int type) {
        return string(key).u32(type);
    }

    /** A tensor's line; dimensions as the file has them, the contiguous one first. */
    GgufBytes info(String name, int type, long offset, long... dimensions) {
        string(name).u32(dimensions.length);
        for (long dimension : dimensions) {
            u64(dimension);
        }
        return u32(type).u64(offset);
    }

    GgufBytes pad(int alignment) {
        while (out.size() % alignment != 0) {
            u8(0);
        }
        return this;
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    /** A file with a value of every type, nested arrays, and tensors of several types. */
    static byte[] model() {
        return new GgufBytes()
                .header(3, 3, 16)
                .key("general.architecture", 8)
                .string("llama")
                .key("a.u8", 0)
                .u8(200)
                .key("a.i8", 1)
                .u8(200)
                .key("a.u16", 2)
                .u16(65000)
                .key("a.i16", 3)
                .u16(65000)
                .key("a.u32", 4)
                .u32(-2)
                .key("a.i32", 5)
                .u32(-2)
                .key("a.f32", 6)
                .f32(1.5f)
                .key("a.bool", 7)
                .u8(1)
                .key("a.u64", 10)
                .u64(-1)
                .key("a.i64", 11)
                .u64(-1)
                .key("a.f64", 12)
                .u64(Double.doubleToRawLongBits(0.1))
                .key("tokenizer.ggml.tokens", 9)
                .u32(8)
                .u64(3)
                .string("a")
                .string("")
                .string("ü中🙂")
                .key("a.nested", 9)
                .u32(9)
                .u64(2)
                .u32(5)
                .u64(2)
                .u32(1)
                .u32(2)
                .u32(8)
                .u64(1)
                .string("x")
                .key("a.numbers", 9)
                .u32(6)
                .u64(2)
                .f32(0.5f)
                .f32(-1)
                .key("general.alignment", 4)
                .u32(64)
                .info("token_embd.weight", 8, 0, 32, 3)
                .info("norm", 0, 128, 2)
                .info("scalar", 1, 192)
                .pad(64)
                .raw(blocks())
                .pad(64)
                .f32(7)
                .f32(8)
                .pad(64)
                .u16(0x3c00)
                .bytes();
    }

    /** Three blocks of Q8_0: scale 1, 2 and 4, all integers 1. */
    private static byte[] blocks() {
        GgufBytes blocks = new GgufBytes();
        for (int half : new int[] {0x3c00, 0x4000, 0x4400}) {
            blocks.u16(half);
            for (int i = 0; i < 32; i++) {
                blocks.u8(1);
            }
        }
        return blocks.bytes();
    }
}
