package dev.fathom.model.safetensors;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.files.MappedFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tensors of one safetensors file, or of a model split into shards with an index. Files are mapped into memory; a mapping
 * lives as long as a tensor of it is reachable.
 *
 * <p>Everything that can be wrong with a file is found when it is opened, as a {@link CheckpointException} that names file, tensor,
 * field, found and expected value.
 */
public final class Safetensors {
    private final Path source;
    private final Map<String, StoredTensor> tensors;
    private final Map<String, String> metadata;

    private Safetensors(Path source, Map<String, StoredTensor> tensors, Map<String, String> metadata) {
        this.source = source;
        this.tensors = Collections.unmodifiableMap(withScales(tensors));
        this.metadata = Collections.unmodifiableMap(metadata);
    }

    /** Opens one file. */
    public static Safetensors open(Path file) {
        return open(file, MappedFile.map(file));
    }

    /** Reads a file that is in memory already. */
    static Safetensors open(Path file, MemorySegment mapped) {
        long size = mapped.byteSize();
        if (size < Long.BYTES) {
            throw CheckpointException.of(file, "file", size + " bytes", "at least the 8 bytes of the header length");
        }
        long headerBytes = mapped.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
        if (headerBytes < 0 || headerBytes > SafetensorsHeader.MAXIMUM_BYTES) {
            throw CheckpointException.of(
                    file,
                    "header length",
                    Long.toUnsignedString(headerBytes),
                    "at most " + SafetensorsHeader.MAXIMUM_BYTES + " (is this a safetensors file?)");
        }
        long dataAt = Long.BYTES + headerBytes;
        if (dataAt > size) {
            throw CheckpointException.of(
                    file,
                    "header length",
                    headerBytes,
                    "at most " + (size - Long.BYTES) + ", the rest of the file (truncated file?)");
        }
        byte[] json = mapped.asSlice(Long.BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
        SafetensorsHeader header = SafetensorsHeader.read(file, json, size - dataAt);
        MemorySegment data = mapped.asSlice(dataAt);
        Map<String, StoredTensor> tensors =
                LinkedHashMap.newLinkedHashMap(header.entries().size());
        for (SafetensorsHeader.Entry entry : header.entries()) {
            MemorySegment part = data.asSlice(entry.begin(), entry.end() - entry.begin());
            tensors.put(entry.name(), new StoredTensor(file, entry.name(), entry.type(), entry.shape(), part));
        }
        return new Safetensors(file, tensors, header.metadata());
    }

    /**
     * Opens {@code <stem>.safetensors}, or the shards that {@code <stem>.safetensors.index.json} lists.
     *
     * @param stem {@code model} in a Hugging Face model directory
     */
    public static Safetensors open(Path directory, String stem) {
        Path single = directory.resolve(stem + ".safetensors");
        Path index = directory.resolve(stem + ".safetensors.index.json");
        boolean sharded = Files.exists(index);
        if (sharded && Files.exists(single)) {
            throw new CheckpointException(directory + ": found " + single.getFileName() + " and " + index.getFileName()
                    + ", expected one of the two");
        }
        if (!sharded && !Files.exists(single)) {
            throw new CheckpointException(
                    directory + ": found no weights, expected " + single.getFileName() + " or " + index.getFileName());
        }
        return sharded ? openIndex(index) : open(single);
    }

    private static Safetensors openIndex(Path index) {
        ObjectNode json = Json.readObject(index, CheckpointException::new);
        if (!(json.get("weight_map") instanceof ObjectNode weightMap)) {
            throw CheckpointException.of(
                    index, "weight_map", Json.describe(json.get("weight_map")), "an object of tensor name to file");
        }
        Map<String, Safetensors> shards = new HashMap<>();
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
            String shard = shardName(index, entry.getKey(), entry.getValue());
            Safetensors opened = shards.computeIfAbsent(shard, name -> open(index.resolveSibling(name)));
            StoredTensor tensor = opened.tensors.get(entry.getKey());
            if (tensor == null) {
                throw CheckpointException.of(
                        index, entry.getKey(), "file", shard + " without it", "a file that holds it");
            }
            tensors.put(entry.getKey(), tensor);
        }
        for (Safetensors shard : shards.values()) {
            Set<String> unlisted = new LinkedHashSet<>(shard.tensors.keySet());
            unlisted.removeIf(name -> {
                StoredTensor listed = tensors.get(name);
                return listed != null && listed.file().equals(shard.source);
            });
            if (!unlisted.isEmpty()) {
                String name = unlisted.iterator().next();
                throw CheckpointException.of(
                        index, name, "file", "nothing", shard.source.getFileName() + ", which holds it");
            }
        }
        return new Safetensors(index, tensors, Map.of());
    }

    /** A shard is a file beside its index: a path in its name would let a downloaded index read any file. */
    private static String shardName(Path index, String tensor, JsonNode node) {
        String name = node.stringValue("");
        if (!name.endsWith(".safetensors") || name.contains("/") || name.contains("\\")) {
            throw CheckpointException.of(
                    index,
                    tensor,
                    "file",
                    Json.describe(node),
                    "the name of a .safetensors file in the same directory");
        }
        return name;
    }

    /** Scales belong to their matrix; those of a sharded model may lie in another file. */
    private static Map<String, StoredTensor> withScales(Map<String, StoredTensor> tensors) {
        Map<String, StoredTensor> result = new LinkedHashMap<>(tensors);
        result.replaceAll((name, tensor) -> {
            StoredTensor scales = tensors.get(name + StoredTensor.SCALES);
            return tensor.type() == StoredType.F8_E4M3 && scales != null ? tensor.withScales(scales) : tensor;
        });
        return result;
    }

    /** The file, or the index of a sharded model. */
    public Path source() {
        return source;
    }

    /** All tensors, in the order of the header or index. */
    public Collection<StoredTensor> tensors() {
        return tensors.values();
    }

    /** The tensor of this name. */
    public Optional<StoredTensor> find(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /**
     * The tensor of this name.
     *
     * @throws CheckpointException if there is none
     */
    public StoredTensor get(String name) {
        return find(name).orElseThrow(() -> CheckpointException.of(source, name, "entry", "nothing", "the tensor"));
    }

    /** {@code __metadata__} of a single file; empty for a sharded model. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** Names of all tensors. */
    public Set<String> names() {
        return tensors.keySet();
    }
}
