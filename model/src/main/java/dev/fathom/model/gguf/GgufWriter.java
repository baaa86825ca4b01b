package dev.fathom.model.gguf;

import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.DurableFiles;
import dev.fathom.model.files.MappedFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Writes GGUF files, version 3. A file appears under its name only when it is complete and on the disk. */
public final class GgufWriter {
    private GgufWriter() {}

    /**
     * A tensor to be written.
     *
     * @param name at most 64 bytes of UTF-8
     * @param shape dimensions, the last one contiguous and a whole number of blocks
     * @param content called once, when its turn comes
     */
    public record Entry(String name, QuantizedType type, List<Long> shape, Content content) {
        /** Bytes of data. */
        public long bytes() {
            return type.bytes(shape.stream().reduce(1L, Math::multiplyExact));
        }
    }

    /** Writes a tensor's blocks, exactly {@link Entry#bytes()}, row after row. */
    @FunctionalInterface
    public interface Content {
        void write(FileChannel channel) throws IOException;
    }

    /**
     * Writes one file.
     *
     * @param metadata in this order; {@code general.alignment} decides the alignment, 32 without it
     * @throws CheckpointException if it cannot be written; no file of this name is left behind then, except an older one
     */
    public static void write(Path file, Map<String, GgufValue> metadata, List<Entry> tensors) {
        MappedFile.requireLittleEndian(file);
        check(file, tensors);
        long alignment = new GgufMetadata(file, metadata).has(GgufHeader.ALIGNMENT)
                ? new GgufMetadata(file, metadata).integer(GgufHeader.ALIGNMENT)
                : GgufHeader.DEFAULT_ALIGNMENT;
        byte[] header = header(metadata, tensors, alignment);
        try {
            DurableFiles.write(file, channel -> {
                writeAll(channel, ByteBuffer.wrap(header));
                for (Entry tensor : tensors) {
                    pad(channel, alignment);
                    long begin = channel.position();
                    tensor.content().write(channel);
                    if (channel.position() - begin != tensor.bytes()) {
                        throw new IllegalStateException("tensor \"" + tensor.name() + "\" wrote "
                                + (channel.position() - begin) + " bytes instead of " + tensor.bytes());
                    }
                }
                pad(channel, alignment);
            });
        } catch (IOException e) {
            throw CheckpointException.io(file, "written", e);
        }
    }

    /** Whatever {@link GgufHeader} would refuse is not written. */
    private static void check(Path file, List<Entry> tensors) {
        Set<String> names = new HashSet<>();
        for (Entry tensor : tensors) {
            if (!names.add(tensor.name())) {
                throw CheckpointException.of(file, tensor.name(), "name", "a second use", "a name of its own");
            }
            int bytes = utf8(tensor.name()).length;
            if (bytes == 0 || bytes > GgufHeader.MAXIMUM_NAME_BYTES) {
                throw CheckpointException.of(
                        file, tensor.name(), "name", bytes + " bytes", "1 to " + GgufHeader.MAXIMUM_NAME_BYTES);
            }
            List<Long> shape = tensor.shape();
            boolean whole = shape.isEmpty() || shape.getLast() % tensor.type().blockSize() == 0;
            if (shape.size() > GgufHeader.MAXIMUM_RANK || shape.stream().anyMatch(n -> n < 1) || !whole) {
                throw CheckpointException.of(
                        file,
                        tensor.name(),
                        "shape",
                        shape,
                        "at most " + GgufHeader.MAXIMUM_RANK + " dimensions from 1 and rows of whole " + tensor.type()
                                + " blocks of " + tensor.type().blockSize());
            }
        }
    }

    private static byte[] header(Map<String, GgufValue> metadata, List<Entry> tensors, long alignment) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(buffer(24)
                .putInt(GgufHeader.MAGIC)
                .putInt(3)
                .putLong(tensors.size())
                .putLong(metadata.size())
                .array());
        metadata.forEach((key, value) -> {
            putString(out, key);
            out.writeBytes(buffer(4).putInt(value.type().ordinal()).array());
            out.writeBytes(value.bytes().toArray(ValueLayout.JAVA_BYTE));
        });
        long offset = 0;
        for (Entry tensor : tensors) {
            putString(out, tensor.name());
            ByteBuffer info =
                    buffer(16 + 8 * tensor.shape().size()).putInt(tensor.shape().size());
            tensor.shape().reversed().forEach(info::putLong);
            out.writeBytes(info.putInt(tensor.type().id()).putLong(offset).array());
            offset = GgufHeader.align(offset + tensor.bytes(), alignment);
        }
        return out.toByteArray();
    }

    private static void putString(ByteArrayOutputStream out, String text) {
        byte[] utf8 = utf8(text);
        out.writeBytes(buffer(8 + utf8.length).putLong(utf8.length).put(utf8).array());
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void pad(FileChannel channel, long alignment) throws IOException {
        long padding = GgufHeader.align(channel.position(), alignment) - channel.position();
        writeAll(channel, ByteBuffer.allocate((int) padding));
    }

    private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
