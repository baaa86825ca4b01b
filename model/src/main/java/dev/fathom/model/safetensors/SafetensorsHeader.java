package dev.fathom.model.safetensors;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The JSON header of a safetensors file, read token by token: a hostile header never becomes a tree in memory.
 *
 * <p>Accepted is what the format says and nothing more: per tensor exactly {@code dtype}, {@code shape} and
 * {@code data_offsets}; offsets that cover the data from its first to its last byte once.
 */
final class SafetensorsHeader {
    /** The limit of the reference implementation. */
    static final long MAXIMUM_BYTES = 100_000_000;

    /** Ten times the tensors of DeepSeek-V3 in a single file; bounds the memory a header can cost. */
    private static final int MAXIMUM_TENSORS = 1_000_000;

    private static final int MAXIMUM_RANK = 32;

    /** Key of free text (creator, format) instead of a tensor. */
    static final String METADATA = "__metadata__";

    /** One tensor's line: data from {@code begin} (inclusive) to {@code end} (exclusive), counted from the end of the header. */
    record Entry(String name, StoredType type, List<Long> shape, long begin, long end) {}

    private final Path file;
    private final JsonParser parser;
    private final List<Entry> entries = new ArrayList<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private SafetensorsHeader(Path file, JsonParser parser) {
        this.file = file;
        this.parser = parser;
    }

    /**
     * Parses and checks a header.
     *
     * @param dataBytes bytes in the file behind the header
     */
    static SafetensorsHeader read(Path file, byte[] json, long dataBytes) {
        // Jackson would take UTF-16 and UTF-32 too; the format is UTF-8 and begins with a brace.
        if (json.length == 0 || json[0] != '{' || (json.length > 1 && json[1] == 0)) {
            String found = json.length == 0 ? "nothing" : "byte " + json[0];
            throw CheckpointException.of(file, "header", found + " at its start", "a JSON object, \"{\"");
        }
        try (JsonParser parser = Json.MAPPER.createParser(json)) {
            SafetensorsHeader header = new SafetensorsHeader(file, parser);
            header.readTensors();
            header.checkCoverage(dataBytes);
            return header;
        } catch (JacksonException e) {
            throw new CheckpointException(
                    file + ": header: not valid JSON at byte " + offset(e) + ": " + firstLine(e.getOriginalMessage()),
                    e);
        }
    }

    List<Entry> entries() {
        return entries;
    }

    Map<String, String> metadata() {
        return metadata;
    }

    private void readTensors() {
        parser.nextToken(); // the brace seen above
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName(); // a duplicate is a JacksonException
            parser.nextToken();
            if (name.equals(METADATA)) {
                readMetadata();
            } else {
                entries.add(readEntry(name));
            }
            if (entries.size() > MAXIMUM_TENSORS) {
                throw CheckpointException.of(file, "header", "more tensors", "at most " + MAXIMUM_TENSORS);
            }
        }
        JsonToken behind = parser.nextToken();
        if (behind != null) {
            throw CheckpointException.of(file, "header", behind + " behind the JSON object", "only spaces");
        }
    }

    private void readMetadata() {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw CheckpointException.of(file, METADATA, found(), "an object of strings");
        }
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw CheckpointException.of(file, METADATA + "." + key, found(), "a string");
            }
            metadata.put(key, parser.getString());
        }
    }

    private Entry readEntry(String name) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw CheckpointException.of(file, name, "entry", found(), "an object");
        }
        StoredType type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "dtype" -> type = readType(name);
                case "shape" -> shape = readNumbers(name, key, MAXIMUM_RANK);
                case "data_offsets" -> offsets = readNumbers(name, key, 2);
                default ->
                    throw CheckpointException.of(file, name, key, "an unknown field", "dtype, shape and data_offsets");
            }
        }
        return checked(
                name,
                require(name, "dtype", type),
                require(name, "shape", shape),
                require(name, "data_offsets", offsets));
    }

    private <T> T require(String name, String field, @Nullable T value) {
        if (value == null) {
            throw CheckpointException.of(file, name, field, "nothing", "the field");
        }
        return value;
    }

    private StoredType readType(String name) {
        String text = parser.currentToken() == JsonToken.VALUE_STRING ? parser.getString() : "";
        return StoredType.named(text)
                .orElseThrow(() ->
                        CheckpointException.of(file, name, "dtype", found(), "one of " + List.of(StoredType.values())));
    }

    private List<Long> readNumbers(String name, String field, int most) {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw CheckpointException.of(file, name, field, found(), "an array of integers");
        }
        List<Long> numbers = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            boolean integer = parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                    && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
            if (!integer || parser.getLongValue() < 0) {
                throw CheckpointException.of(file, name, field, found(), "integers from 0 to 2^63 - 1");
            }
            if (numbers.size() == most) {
                throw CheckpointException.of(file, name, field, "more numbers", "at most " + most);
            }
            numbers.add(parser.getLongValue());
        }
        return List.copyOf(numbers);
    }

    private Entry checked(String name, StoredType type, List<Long> shape, List<Long> offsets) {
        if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
            throw CheckpointException.of(file, name, "data_offsets", offsets, "[begin, end] with begin <= end");
        }
        long bytes = offsets.get(1) - offsets.get(0);
        long needed = bytesOf(name, type, shape);
        if (bytes != needed) {
            throw CheckpointException.of(
                    file, name, "data_offsets", bytes + " bytes " + offsets, needed + " bytes for " + type + shape);
        }
        return new Entry(name, type, shape, offsets.get(0), offsets.get(1));
    }

    private long bytesOf(String name, StoredType type, List<Long> shape) {
        long bytes = type.bytes();
        try {
            for (long dimension : shape) {
                bytes = Math.multiplyExact(
                        bytes, Math.max(1, dimension)); // [2^62, 0] is no shape to compute with either
            }
        } catch (ArithmeticException e) {
            throw CheckpointException.of(file, name, "shape", shape, "fewer than 2^63 bytes of " + type);
        }
        if (shape.contains(0L)) {
            return 0;
        }
        return bytes;
    }

    /** Tensors in the order of their data must follow each other without gap or overlap, from the first byte to the last. */
    private void checkCoverage(long dataBytes) {
        List<Entry> byPlace = new ArrayList<>(entries);
        byPlace.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        long end = 0;
        for (Entry entry : byPlace) {
            if (entry.end > dataBytes) {
                throw CheckpointException.of(
                        file,
                        entry.name,
                        "data_offsets",
                        "[" + entry.begin + ", " + entry.end + "]",
                        "an end within the file's " + dataBytes + " bytes of data (truncated file?)");
            }
            if (entry.begin != end) {
                throw CheckpointException.of(
                        file,
                        entry.name,
                        "data_offsets",
                        "begin " + entry.begin + (entry.begin > end ? ", a gap" : ", an overlap"),
                        "begin " + end + ", where the tensor before ends");
            }
            end = entry.end;
        }
        if (end != dataBytes) {
            throw CheckpointException.of(
                    file, "data", dataBytes + " bytes", end + " bytes, the end of the last tensor");
        }
    }

    private String found() {
        JsonToken token = parser.currentToken();
        if (token == null) {
            return "the end of the header";
        }
        if (!token.isScalarValue()) {
            return token.isStructStart() ? (token == JsonToken.START_OBJECT ? "an object" : "an array") : token.name();
        }
        String text = parser.getString();
        String shown = text.length() <= 80 ? text : text.substring(0, 77) + "...";
        return token == JsonToken.VALUE_STRING ? "\"" + shown + "\"" : shown;
    }

    private static long offset(JacksonException e) {
        return e.getLocation() == null ? -1 : e.getLocation().getByteOffset();
    }

    private static String firstLine(@Nullable String message) {
        return message == null ? "unreadable" : message.lines().findFirst().orElse("unreadable");
    }
}
