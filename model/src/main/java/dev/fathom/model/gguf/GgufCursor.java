package dev.fathom.model.gguf;

import dev.fathom.engine.Memory;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** Reads a header from front to back; whatever does not fit into the file is an error that names the field. */
final class GgufCursor {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    /** A tokenizer as one JSON text has 30 MB. */
    private static final long MAXIMUM_STRING_BYTES = 64L << 20;

    /** Some ten times the merges of the largest vocabularies. */
    private static final int MAXIMUM_ELEMENTS = 1 << 22;

    /** Arrays of arrays exist in the format but in no released model. */
    private static final int MAXIMUM_DEPTH = 8;

    private final Path file;
    private final MemorySegment bytes;
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder(); // reports malformed input
    private long at;

    GgufCursor(Path file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    long position() {
        return at;
    }

    int int32(String field) {
        return bytes.get(Memory.INT, advance(Integer.BYTES, field));
    }

    long int64(String field) {
        return bytes.get(LONG, advance(Long.BYTES, field));
    }

    /** An unsigned number of things. */
    long count(String field, long most) {
        long count = int64(field);
        if (count < 0 || count > most) {
            throw CheckpointException.of(file, field, Long.toUnsignedString(count), "at most " + most);
        }
        return count;
    }

    String string(String field, long mostBytes) {
        long begin = at;
        skipString(field, mostBytes);
        if (at - begin == Long.BYTES) {
            throw CheckpointException.of(file, field, "an empty string", "a name");
        }
        return GgufValue.string(bytes, begin);
    }

    GgufValueType valueType(String field) {
        int id = int32(field + ": type");
        return GgufValueType.ofId(id)
                .orElseThrow(() -> CheckpointException.of(
                        file,
                        field + ": type",
                        Integer.toUnsignedString(id),
                        "0 to " + (GgufValueType.values().length - 1) + ", one of "
                                + Arrays.toString(GgufValueType.values())));
    }

    GgufValue value(String field, GgufValueType type) {
        long begin = at;
        skip(field, type, 0);
        return new GgufValue(type, bytes.asSlice(begin, at - begin));
    }

    private void skip(String field, GgufValueType type, int depth) {
        switch (type) {
            case STRING -> skipString(field, MAXIMUM_STRING_BYTES);
            case ARRAY -> skipArray(field, depth + 1);
            case BOOL -> {
                byte value = bytes.get(ValueLayout.JAVA_BYTE, advance(1, field));
                if (value != 0 && value != 1) {
                    throw CheckpointException.of(file, field, "byte " + value, "0 or 1 for a boolean");
                }
            }
            default -> advance(type.bytes(), field);
        }
    }

    private void skipArray(String field, int depth) {
        if (depth > MAXIMUM_DEPTH) {
            throw CheckpointException.of(
                    file, field, "arrays nested more than " + MAXIMUM_DEPTH + " deep", "fewer levels");
        }
        GgufValueType element = valueType(field + ": element");
        long count = count(field + ": length", MAXIMUM_ELEMENTS);
        if (count > (bytes.byteSize() - at) / element.leastBytes()) {
            throw CheckpointException.of(
                    file,
                    field + ": length",
                    count + " elements of " + element,
                    "no more than the file's remaining " + (bytes.byteSize() - at) + " bytes hold (truncated file?)");
        }
        if (element.bytes() > 0 && element != GgufValueType.BOOL) {
            advance(count * element.bytes(), field);
            return;
        }
        for (long i = 0; i < count; i++) {
            skip(field, element, depth);
        }
    }

    private void skipString(String field, long mostBytes) {
        long length = count(field + ": length", mostBytes);
        long begin = advance(length, field);
        for (long i = begin; i < at; i++) {
            if (bytes.get(ValueLayout.JAVA_BYTE, i) < 0) {
                requireUtf8(field, bytes.asSlice(begin, length));
                return;
            }
        }
    }

    private void requireUtf8(String field, MemorySegment text) {
        try {
            utf8.decode(text.asByteBuffer());
        } catch (CharacterCodingException e) {
            throw CheckpointException.of(file, field, "a string that is not UTF-8", "UTF-8");
        }
    }

    /** Where the next bytes begin, if the file has so many. */
    private long advance(long count, String field) {
        long begin = at;
        if (count > bytes.byteSize() - begin) {
            throw CheckpointException.of(
                    file,
                    field,
                    "the end of the file at byte " + bytes.byteSize(),
                    count + " bytes from byte " + begin + " (truncated file?)");
        }
        at = begin + count;
        return begin;
    }
}
