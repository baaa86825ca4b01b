package dev.fathom.model.gguf;

import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * A metadata value as its bytes in a file, which {@link GgufMetadata} decodes when asked: a vocabulary of megabytes costs nothing until
 * somebody wants it.
 *
 * @param type what it is
 * @param bytes the encoded value, checked to be well formed
 */
public record GgufValue(GgufValueType type, MemorySegment bytes) {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED;

    /** Bytes before the elements of an array: their type and number. */
    static final int ARRAY_HEADER = Integer.BYTES + Long.BYTES;

    // ---- values to write

    /** An unsigned integer below 2^32, as most of GGUF's own keys are. */
    public static GgufValue uint32(long value) {
        if (value < 0 || value > 0xffff_ffffL) {
            throw new IllegalArgumentException(value + " is no unsigned integer of 32 bits");
        }
        return new GgufValue(GgufValueType.UINT32, segment(buffer(4).putInt((int) value)));
    }

    public static GgufValue float32(float value) {
        return new GgufValue(GgufValueType.FLOAT32, segment(buffer(4).putFloat(value)));
    }

    public static GgufValue bool(boolean value) {
        return new GgufValue(GgufValueType.BOOL, segment(buffer(1).put((byte) (value ? 1 : 0))));
    }

    public static GgufValue string(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        return new GgufValue(GgufValueType.STRING, segment(putString(buffer(8 + utf8.length), utf8)));
    }

    public static GgufValue strings(List<String> values) {
        List<byte[]> encoded = values.stream()
                .map(value -> value.getBytes(StandardCharsets.UTF_8))
                .toList();
        int size = encoded.stream().mapToInt(utf8 -> 8 + utf8.length).reduce(0, Math::addExact);
        ByteBuffer buffer = arrayHeader(GgufValueType.STRING, values.size(), size);
        encoded.forEach(utf8 -> putString(buffer, utf8));
        return new GgufValue(GgufValueType.ARRAY, segment(buffer));
    }

    public static GgufValue int32s(int[] values) {
        ByteBuffer buffer = arrayHeader(GgufValueType.INT32, values.length, 4 * values.length);
        for (int value : values) {
            buffer.putInt(value);
        }
        return new GgufValue(GgufValueType.ARRAY, segment(buffer));
    }

    public static GgufValue float32s(float[] values) {
        ByteBuffer buffer = arrayHeader(GgufValueType.FLOAT32, values.length, 4 * values.length);
        for (float value : values) {
            buffer.putFloat(value);
        }
        return new GgufValue(GgufValueType.ARRAY, segment(buffer));
    }

    private static ByteBuffer arrayHeader(GgufValueType element, int count, int bytes) {
        return buffer(ARRAY_HEADER + bytes).putInt(element.ordinal()).putLong(count);
    }

    private static ByteBuffer putString(ByteBuffer buffer, byte[] utf8) {
        return buffer.putLong(utf8.length).put(utf8);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static MemorySegment segment(ByteBuffer buffer) {
        return MemorySegment.ofArray(buffer.array());
    }

    // ---- reading; whoever calls has looked at the type

    /** Type of an array's elements. */
    public GgufValueType elementType() {
        return GgufValueType.values()[bytes.get(Memory.INT, 0)];
    }

    /** Number of an array's elements. */
    public int length() {
        return Math.toIntExact(bytes.get(LONG, Integer.BYTES));
    }

    /** An integer; of an unsigned one of 64 bits, the bits. */
    static long integer(GgufValueType type, MemorySegment bytes, long at) {
        return switch (type) {
            case UINT8 -> bytes.get(ValueLayout.JAVA_BYTE, at) & 0xffL;
            case INT8 -> bytes.get(ValueLayout.JAVA_BYTE, at);
            case UINT16 -> bytes.get(Memory.SHORT, at) & 0xffffL;
            case INT16 -> bytes.get(Memory.SHORT, at);
            case UINT32 -> bytes.get(Memory.INT, at) & 0xffff_ffffL;
            case INT32 -> bytes.get(Memory.INT, at);
            case UINT64, INT64 -> bytes.get(LONG, at);
            case FLOAT32, FLOAT64, BOOL, STRING, ARRAY -> throw new IllegalArgumentException(type + " is no integer");
        };
    }

    /** Any number. */
    static double number(GgufValueType type, MemorySegment bytes, long at) {
        return switch (type) {
            case FLOAT32 -> bytes.get(Memory.FLOAT, at);
            case FLOAT64 -> bytes.get(DOUBLE, at);
            default -> integer(type, bytes, at);
        };
    }

    /** The string whose length is at an offset. */
    static String string(MemorySegment bytes, long at) {
        byte[] utf8 = bytes.asSlice(at + Long.BYTES, bytes.get(LONG, at)).toArray(ValueLayout.JAVA_BYTE);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** Visits the offset of every element of an array of numbers or strings. */
    void forEachElement(LongConsumer visitor) {
        GgufValueType element = elementType();
        long at = ARRAY_HEADER;
        for (int i = length(); i > 0; i--) {
            visitor.accept(at);
            at += element == GgufValueType.STRING ? Long.BYTES + bytes.get(LONG, at) : element.bytes();
        }
    }

    /** What it is, for error messages: {@code UINT32} or {@code ARRAY of STRING}. */
    String describe() {
        return type == GgufValueType.ARRAY ? "an array of " + elementType() : "a value of type " + type;
    }
}
