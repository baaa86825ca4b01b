package dev.fathom.model.files;

import dev.fathom.engine.Memory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Weight files as memory. */
public final class MappedFile {
    private MappedFile() {}

    /**
     * A whole file, read-only. The mapping lives as long as the segment or a slice of it is reachable: views outlive whoever opened the file,
     * and unmapping under a kernel would crash the JVM.
     *
     * @throws CheckpointException if there is no such file or it cannot be read
     */
    public static MemorySegment map(Path file) {
        requireLittleEndian(file);
        if (Files.isDirectory(file)) {
            throw new CheckpointException(file + ": found a directory, expected a file");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
            Memory.adviseLargePages(mapped);
            return mapped;
        } catch (NoSuchFileException e) {
            throw new CheckpointException(file + ": no such file", e);
        } catch (IOException e) {
            throw CheckpointException.io(file, "read", e);
        }
    }

    /** Files are little-endian and their bytes are used as they lie in memory, so the machine must be little-endian too. */
    public static void requireLittleEndian(Path file) {
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            throw CheckpointException.of(file, "byte order", "a big-endian machine", "a little-endian one");
        }
    }
}
