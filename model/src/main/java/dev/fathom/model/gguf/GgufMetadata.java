package dev.fathom.model.gguf;

import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The metadata of a GGUF file: architecture, sizes, tokenizer, chat template.
 *
 * <p>Every accessor that is given a key throws a {@link CheckpointException} that names file, key, found and expected if the key is missing
 * or its value of another kind. Integers of any width count as integers, and integers as numbers.
 */
public final class GgufMetadata {
    private final Path file;
    private final Map<String, GgufValue> values;

    GgufMetadata(Path file, Map<String, GgufValue> values) {
        this.file = file;
        this.values = Collections.unmodifiableMap(values);
    }

    /** All keys with their values, in the order of the file. */
    public Map<String, GgufValue> values() {
        return values;
    }

    public Set<String> keys() {
        return values.keySet();
    }

    public boolean has(String key) {
        return values.containsKey(key);
    }

    /** A string. */
    public String string(String key) {
        GgufValue value = require(key, "a string");
        expect(value.type() == GgufValueType.STRING, key, value, "a string");
        return GgufValue.string(value.bytes(), 0);
    }

    /** A string, or nothing if there is no such key. */
    public Optional<String> findString(String key) {
        return has(key) ? Optional.of(string(key)) : Optional.empty();
    }

    /** An integer below 2^63. */
    public long integer(String key) {
        GgufValue value = require(key, "an integer");
        expect(value.type().isInteger(), key, value, "an integer");
        return checked(key, value.type(), GgufValue.integer(value.type(), value.bytes(), 0));
    }

    /** A size: an integer from 0 to 2^31 - 1. */
    public int size(String key) {
        long size = integer(key);
        if (size < 0 || size > Integer.MAX_VALUE) {
            throw CheckpointException.of(file, key, size, "an integer from 0 to 2^31 - 1");
        }
        return (int) size;
    }

    /** A number, integer or not. */
    public double number(String key) {
        GgufValue value = require(key, "a number");
        expect(value.type().isNumber(), key, value, "a number");
        return GgufValue.number(value.type(), value.bytes(), 0);
    }

    /** True or false. */
    public boolean flag(String key) {
        GgufValue value = require(key, "a boolean");
        expect(value.type() == GgufValueType.BOOL, key, value, "a boolean");
        return value.bytes().get(ValueLayout.JAVA_BYTE, 0) != 0;
    }

    /** Whether a key's value is an array. */
    public boolean isArray(String key) {
        GgufValue value = values.get(key);
        return value != null && value.type() == GgufValueType.ARRAY;
    }

    /** An array of strings. */
    public List<String> strings(String key) {
        String expected = "an array of strings";
        GgufValue value = requireArray(key, expected);
        expect(value.length() == 0 || value.elementType() == GgufValueType.STRING, key, value, expected);
        List<String> strings = new ArrayList<>(value.length());
        value.forEachElement(at -> strings.add(GgufValue.string(value.bytes(), at)));
        return Collections.unmodifiableList(strings);
    }

    /** An array of integers below 2^63. */
    public long[] integers(String key) {
        String expected = "an array of integers";
        GgufValue value = requireArray(key, expected);
        expect(value.length() == 0 || value.elementType().isInteger(), key, value, expected);
        long[] integers = new long[value.length()];
        GgufValueType type = value.elementType();
        for (int i = 0; i < integers.length; i++) {
            long at = GgufValue.ARRAY_HEADER + (long) i * type.bytes();
            integers[i] = checked(key, type, GgufValue.integer(type, value.bytes(), at));
        }
        return integers;
    }

    /** An array of numbers. */
    public float[] numbers(String key) {
        String expected = "an array of numbers";
        GgufValue value = requireArray(key, expected);
        expect(value.length() == 0 || value.elementType().isNumber(), key, value, expected);
        float[] numbers = new float[value.length()];
        GgufValueType type = value.elementType();
        for (int i = 0; i < numbers.length; i++) {
            long at = GgufValue.ARRAY_HEADER + (long) i * type.bytes();
            numbers[i] = (float) GgufValue.number(type, value.bytes(), at);
        }
        return numbers;
    }

    private long checked(String key, GgufValueType type, long value) {
        if (type == GgufValueType.UINT64 && value < 0) {
            throw CheckpointException.of(file, key, Long.toUnsignedString(value), "an integer below 2^63");
        }
        return value;
    }

    private GgufValue requireArray(String key, String expected) {
        GgufValue value = require(key, expected);
        expect(value.type() == GgufValueType.ARRAY, key, value, expected);
        return value;
    }

    private GgufValue require(String key, String expected) {
        GgufValue value = values.get(key);
        if (value == null) {
            throw CheckpointException.of(file, key, "nothing", expected);
        }
        return value;
    }

    private void expect(boolean condition, String key, GgufValue value, String expected) {
        if (!condition) {
            throw CheckpointException.of(file, key, value.describe(), expected);
        }
    }
}
