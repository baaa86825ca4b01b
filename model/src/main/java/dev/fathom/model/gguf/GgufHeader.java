package dev.fathom.model.gguf;

import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.files.CheckpointException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Everything before the data of a GGUF file, read from its first byte to its last and checked on the way. What is kept is bounded by limits far
 * above any released model, whatever counts and lengths a hostile file states.
 */
final class GgufHeader {
    /** "GGUF", the first letter in the lowest byte. */
    static final int MAGIC = 0x46554747;

    static final String ALIGNMENT = "general.alignment";

    static final int DEFAULT_ALIGNMENT = 32;

    private static final int MAXIMUM_ALIGNMENT = 1 << 20;

    /** A hundred times the tensors of DeepSeek-V3. */
    private static final int MAXIMUM_TENSORS = 1 << 17;

    private static final int MAXIMUM_ENTRIES = 1 << 12;

    private static final int MAXIMUM_KEY_BYTES = 1 << 12;

    /** What the specification allows. */
    static final int MAXIMUM_NAME_BYTES = 64;

    static final int MAXIMUM_RANK = 4;

    private static final Map<Integer, String> OTHER_TYPES = Map.ofEntries(
            Map.entry(4, "Q4_2, removed from GGUF"),
            Map.entry(5, "Q4_3, removed from GGUF"),
            Map.entry(9, "Q8_1"),
            Map.entry(15, "Q8_K"),
            Map.entry(16, "IQ2_XXS"),
            Map.entry(17, "IQ2_XS"),
            Map.entry(18, "IQ3_XXS"),
            Map.entry(19, "IQ1_S"),
            Map.entry(21, "IQ3_S"),
            Map.entry(22, "IQ2_S"),
            Map.entry(24, "I8"),
            Map.entry(25, "I16"),
            Map.entry(26, "I32"),
            Map.entry(27, "I64"),
            Map.entry(28, "F64"),
            Map.entry(29, "IQ1_M"),
            Map.entry(31, "Q4_0_4_4, removed from GGUF"),
            Map.entry(32, "Q4_0_4_8, removed from GGUF"),
            Map.entry(33, "Q4_0_8_8, removed from GGUF"),
            Map.entry(34, "TQ1_0"),
            Map.entry(35, "TQ2_0"),
            Map.entry(39, "MXFP4"));

    private final Path file;
    private final GgufCursor cursor;
    private final int version;
    private final GgufMetadata metadata;
    private final List<GgufTensor> tensors;

    private GgufHeader(Path file, MemorySegment bytes) {
        this.file = file;
        this.cursor = new GgufCursor(file, bytes);
        this.version = readVersion();
        long tensorCount = cursor.count("number of tensors", MAXIMUM_TENSORS);
        long entryCount = cursor.count("number of metadata entries", MAXIMUM_ENTRIES);
        this.metadata = new GgufMetadata(file, readMetadata(entryCount));
        this.tensors = readTensors(tensorCount, bytes);
    }

    static GgufHeader read(Path file, MemorySegment bytes) {
        return new GgufHeader(file, bytes);
    }

    int version() {
        return version;
    }

    GgufMetadata metadata() {
        return metadata;
    }

    List<GgufTensor> tensors() {
        return tensors;
    }

    private int readVersion() {
        int magic = cursor.int32("magic");
        if (magic != MAGIC) {
            throw CheckpointException.of(
                    file, "magic", "bytes " + hex(magic), "\"GGUF\", bytes 47475546 (is this a GGUF file?)");
        }
        int found = cursor.int32("version");
        if (found != 2 && found != 3) {
            int swapped = Integer.reverseBytes(found);
            boolean bigEndian = swapped > 0 && swapped < 1 << 16;
            throw CheckpointException.of(
                    file,
                    "version",
                    bigEndian ? swapped + " in big-endian byte order" : Integer.toUnsignedString(found),
                    "2 or 3, little-endian");
        }
        return found;
    }

    private static String hex(int littleEndian) {
        return String.format(Locale.ROOT, "%08x", Integer.reverseBytes(littleEndian));
    }

    // ---- metadata

    private Map<String, GgufValue> readMetadata(long count) {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            String key = cursor.string("key of metadata entry " + i, MAXIMUM_KEY_BYTES);
            String field = "metadata \"" + shorten(key) + "\"";
            GgufValueType type = cursor.valueType(field);
            if (values.put(key, cursor.value(field, type)) != null) {
                throw CheckpointException.of(file, field, "a second value", "one");
            }
        }
        return values;
    }

    private static String shorten(String key) {
        return key.length() <= 200 ? key : key.substring(0, 197) + "...";
    }

    private long alignment() {
        if (!metadata.has(ALIGNMENT)) {
            return DEFAULT_ALIGNMENT;
        }
        long alignment = metadata.integer(ALIGNMENT);
        if (alignment < 1 || alignment > MAXIMUM_ALIGNMENT || Long.bitCount(alignment) != 1) {
            throw CheckpointException.of(file, ALIGNMENT, alignment, "a power of two from 1 to " + MAXIMUM_ALIGNMENT);
        }
        return alignment;
    }

    // ---- tensors

    /** Name, type, shape and place of a tensor before it is known where the data begins. */
    private record Info(String name, QuantizedType type, List<Long> shape, long offset, long bytes) {}

    private List<GgufTensor> readTensors(long count, MemorySegment bytes) {
        long alignment = alignment();
        List<Info> infos = new ArrayList<>();
        Set<String> names = new HashSet<>();
        long end = 0;
        for (long i = 0; i < count; i++) {
            Info info = readInfo(i);
            if (!names.add(info.name)) {
                throw CheckpointException.of(file, info.name, "name", "a second use", "a name of its own");
            }
            long begin = align(end, alignment);
            if (begin < 0 || info.offset != begin) {
                throw CheckpointException.of(
                        file,
                        info.name,
                        "offset",
                        Long.toUnsignedString(info.offset),
                        Long.toUnsignedString(begin) + ", where the tensor before ends, rounded up to the alignment "
                                + alignment);
            }
            end = begin + info.bytes; // checked against the file below
            if (end < 0) {
                throw CheckpointException.of(file, info.name, "shape", info.shape, "fewer than 2^63 bytes in all");
            }
            infos.add(info);
        }
        long data = align(cursor.position(), alignment);
        List<GgufTensor> read = new ArrayList<>(infos.size());
        for (Info info : infos) {
            if (data > bytes.byteSize() - info.bytes || info.offset > bytes.byteSize() - info.bytes - data) {
                throw CheckpointException.of(
                        file,
                        info.name,
                        "data",
                        "the end of the file at byte " + bytes.byteSize(),
                        info.bytes + " bytes from byte " + data + " + " + info.offset + " (truncated file?)");
            }
            MemorySegment part = bytes.asSlice(data + info.offset, info.bytes);
            read.add(new GgufTensor(file, info.name, info.type, info.shape, part));
        }
        return Collections.unmodifiableList(read);
    }

    private Info readInfo(long index) {
        String name = cursor.string("name of tensor " + index, MAXIMUM_NAME_BYTES);
        String field = "tensor \"" + name + "\"";
        int rank = cursor.int32(field + ": rank");
        if (rank < 0 || rank > MAXIMUM_RANK) {
            throw CheckpointException.of(file, name, "rank", Integer.toUnsignedString(rank), "at most " + MAXIMUM_RANK);
        }
        Long[] shape = new Long[rank];
        for (int i = rank - 1; i >= 0; i--) {
            shape[i] = cursor.int64(field + ": shape");
        }
        QuantizedType type = type(name, cursor.int32(field + ": type"));
        List<Long> dimensions = List.of(shape);
        return new Info(name, type, dimensions, cursor.int64(field + ": offset"), bytes(name, type, dimensions));
    }

    private QuantizedType type(String name, int id) {
        return QuantizedType.ofId(id).orElseThrow(() -> {
            String known = OTHER_TYPES.get(id);
            String found = Integer.toUnsignedString(id) + (known == null ? ", an unknown type" : " (" + known + ")");
            return CheckpointException.of(
                    file, name, "type", found, "one of " + Arrays.toString(QuantizedType.values()));
        });
    }

    private long bytes(String name, QuantizedType type, List<Long> shape) {
        long elements = 1;
        for (long dimension : shape) {
            if (dimension < 1) {
                throw CheckpointException.of(file, name, "shape", unsigned(shape), "dimensions from 1 to 2^63 - 1");
            }
            elements = elements > Long.MAX_VALUE / dimension ? Long.MAX_VALUE : elements * dimension;
        }
        long columns = shape.isEmpty() ? 1 : shape.getLast();
        if (columns % type.blockSize() != 0) {
            throw CheckpointException.of(
                    file, name, "shape", shape, "rows of whole " + type + " blocks of " + type.blockSize());
        }
        long blocks = elements / type.blockSize();
        if (elements == Long.MAX_VALUE || blocks > Long.MAX_VALUE / type.blockBytes()) {
            throw CheckpointException.of(file, name, "shape", shape, "fewer than 2^63 bytes of " + type);
        }
        return blocks * type.blockBytes();
    }

    private static List<String> unsigned(List<Long> shape) {
        return shape.stream().map(Long::toUnsignedString).toList();
    }

    /** The next multiple of a power of two; negative if there is none below 2^63. */
    static long align(long offset, long alignment) {
        return (offset + alignment - 1) & -alignment;
    }
}
