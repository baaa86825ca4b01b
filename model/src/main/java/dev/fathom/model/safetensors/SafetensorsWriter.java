package dev.fathom.model.safetensors;

import dev.fathom.engine.Tensor;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.DurableFiles;
import dev.fathom.model.files.Json;
import dev.fathom.model.files.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes safetensors files straight from native memory. A file appears under its name only when it is complete and on the disk.
 */
public final class SafetensorsWriter {
    /** Shard size of Hugging Face tools: a shard is downloaded, retried and mapped as one. */
    public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

    private static final int BUFFER_BYTES = 1 << 20;

    /** A {@link ByteBuffer} ends at 2 GiB, so larger tensors go out in parts. */
    private static final long PART_BYTES = 1L << 28;

    private SafetensorsWriter() {}

    /**
     * A tensor to be written.
     *
     * @param name unique in a checkpoint
     * @param content called once, when its turn comes
     */
    public record Entry(String name, StoredType type, List<Long> shape, Content content) {
        long bytes() {
            return Math.multiplyExact(shape.stream().reduce(1L, Math::multiplyExact), (long) type.bytes());
        }

        private static Entry of(NamedTensor tensor) {
            return new Entry(
                    tensor.name(),
                    tensor.storedAs(),
                    Arrays.stream(tensor.view().shape()).boxed().toList(),
                    channel -> writeTensor(channel, tensor));
        }
    }

    /** Writes a tensor's elements, row after row. */
    @FunctionalInterface
    public interface Content {
        void write(FileChannel channel) throws IOException;
    }

    /**
     * Writes one file.
     *
     * @throws CheckpointException if it cannot be written; no file of this name is left behind then, except an older one
     */
    public static void write(Path file, List<NamedTensor> tensors) {
        writeEntries(file, tensors.stream().map(Entry::of).toList());
    }

    private static void writeEntries(Path file, List<Entry> tensors) {
        MappedFile.requireLittleEndian(file);
        requireUnique(file, tensors);
        // Wide types first, as the reference implementation does: every tensor is then aligned to its element size.
        List<Entry> ordered = new ArrayList<>(tensors);
        ordered.sort(Comparator.comparingInt(tensor -> -tensor.type().bytes()));
        try {
            DurableFiles.write(file, channel -> {
                writeAll(channel, header(ordered));
                for (Entry tensor : ordered) {
                    long begin = channel.position();
                    tensor.content().write(channel);
                    if (channel.position() - begin != tensor.bytes()) {
                        throw new IllegalStateException("tensor \"" + tensor.name() + "\" wrote "
                                + (channel.position() - begin) + " bytes instead of " + tensor.bytes());
                    }
                }
            });
        } catch (IOException e) {
            throw CheckpointException.io(file, "written", e);
        }
    }

    /**
     * Writes {@code <stem>.safetensors}, or, if the tensors are larger than one shard, {@code <stem>-00001-of-0000N.safetensors}
     * and {@code <stem>.safetensors.index.json}.
     *
     * @param maximumShardBytes data per shard; a single tensor may be larger and then has a shard to itself
     */
    public static void write(Path directory, String stem, List<NamedTensor> tensors, long maximumShardBytes) {
        writeEntries(directory, stem, tensors.stream().map(Entry::of).toList(), maximumShardBytes);
    }

    /** The same for tensors that are not in memory. */
    public static void writeEntries(Path directory, String stem, List<Entry> tensors, long maximumShardBytes) {
        Path index = directory.resolve(stem + ".safetensors.index.json");
        requireUnique(index, tensors);
        List<List<Entry>> shards = split(tensors, maximumShardBytes);
        if (shards.size() <= 1) {
            writeEntries(directory.resolve(stem + ".safetensors"), tensors);
            return;
        }
        ObjectNode json = Json.MAPPER.createObjectNode();
        long total = tensors.stream().mapToLong(Entry::bytes).sum();
        json.putObject("metadata").put("total_size", total);
        ObjectNode weightMap = json.putObject("weight_map");
        for (int i = 0; i < shards.size(); i++) {
            String name = String.format(Locale.ROOT, "%s-%05d-of-%05d.safetensors", stem, i + 1, shards.size());
            writeEntries(directory.resolve(name), shards.get(i));
            shards.get(i).forEach(tensor -> weightMap.put(tensor.name(), name));
        }
        try {
            DurableFiles.write(index, channel -> writeAll(channel, ByteBuffer.wrap(Json.bytes(json))));
        } catch (IOException e) {
            throw CheckpointException.io(index, "written", e);
        }
    }

    private static List<List<Entry>> split(List<Entry> tensors, long maximumShardBytes) {
        List<List<Entry>> shards = new ArrayList<>();
        long filled = 0;
        for (Entry tensor : tensors) {
            long bytes = tensor.bytes();
            if (shards.isEmpty() || (filled > 0 && filled + bytes > maximumShardBytes)) {
                shards.add(new ArrayList<>());
                filled = 0;
            }
            shards.getLast().add(tensor);
            filled += bytes;
        }
        return shards;
    }

    private static void requireUnique(Path file, List<Entry> tensors) {
        Set<String> names = new HashSet<>();
        for (Entry tensor : tensors) {
            if (!names.add(tensor.name()) || tensor.name().equals(SafetensorsHeader.METADATA)) {
                throw CheckpointException.of(
                        file,
                        tensor.name(),
                        "name",
                        "a second use",
                        "a name of its own, not " + SafetensorsHeader.METADATA);
            }
        }
    }

    private static ByteBuffer header(List<Entry> tensors) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.putObject(SafetensorsHeader.METADATA).put("format", "pt"); // transformers refuses files without it
        long offset = 0;
        for (Entry tensor : tensors) {
            ObjectNode entry = json.putObject(tensor.name());
            entry.put("dtype", tensor.type().name());
            var shape = entry.putArray("shape");
            tensor.shape().forEach(shape::add);
            entry.putArray("data_offsets").add(offset).add(offset + tensor.bytes());
            offset += tensor.bytes();
        }
        byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
        int padded = (text.length + 7) & -8; // data begins aligned; the padding is spaces, which JSON allows
        ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(padded).put(text);
        while (buffer.hasRemaining()) {
            buffer.put((byte) ' ');
        }
        return buffer.flip();
    }

    private static void writeTensor(FileChannel channel, NamedTensor named) throws IOException {
        Tensor view = named.view();
        boolean convert = named.storedAs() != StoredType.of(view.dtype());
        long rows = view.isDense() ? 1 : view.rows(); // a dense tensor is one long row
        long width = view.isDense() ? view.size() : view.columns();
        int elementBytes = view.dtype().bytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = convert ? arena.allocate(BUFFER_BYTES, 8) : MemorySegment.NULL;
            for (long row = 0; row < rows; row++) {
                MemorySegment elements =
                        view.segment().asSlice(row * view.rowStride() * elementBytes, width * elementBytes);
                if (convert) {
                    writeConverted(channel, named.storedAs(), elements, width, buffer);
                } else {
                    writeParts(channel, elements);
                }
            }
        }
    }

    private static void writeConverted(
            FileChannel channel, StoredType type, MemorySegment floats, long count, MemorySegment buffer)
            throws IOException {
        long capacity = buffer.byteSize() / type.bytes();
        for (long from = 0; from < count; from += capacity) {
            long part = Math.min(capacity, count - from);
            FloatConversion.fromFloats(type, floats.asSlice(from * Float.BYTES, part * Float.BYTES), buffer, part);
            writeAll(channel, buffer.asSlice(0, part * type.bytes()).asByteBuffer());
        }
    }

    private static void writeParts(FileChannel channel, MemorySegment bytes) throws IOException {
        for (long from = 0; from < bytes.byteSize(); from += PART_BYTES) {
            writeAll(
                    channel,
                    bytes.asSlice(from, Math.min(PART_BYTES, bytes.byteSize() - from))
                            .asByteBuffer());
        }
    }

    private static void writeAll(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}
