package dev.fathom.learn.run;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.node.ObjectNode;

/**
 * An append-only file with one JSON object per line.
 *
 * <p>A line is handed to the operating system in one write, so that {@code kill -9} leaves at most one torn line, the
 * last. Opening drops it, and reading ignores it. A resumed run cuts the file back to what its checkpoint knows of with
 * {@link #truncate} and continues as if nothing had happened.
 */
public final class JsonLines implements AutoCloseable {
    private final Path file;
    private final FileChannel channel;
    private long lines;

    private JsonLines(Path file, FileChannel channel, long lines) {
        this.file = file;
        this.channel = channel;
        this.lines = lines;
    }

    /** Opens for appending, creating the file if need be. */
    static JsonLines open(Path file) throws IOException {
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            byte[] bytes = Files.readAllBytes(file);
            int end = bytes.length;
            while (end > 0 && bytes[end - 1] != '\n') {
                end--;
            }
            if (end < bytes.length) {
                channel.truncate(end);
            }
            channel.position(end);
            return new JsonLines(file, channel, countLines(bytes, end));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static long countLines(byte[] bytes, int end) {
        long lines = 0;
        for (int i = 0; i < end; i++) {
            lines += bytes[i] == '\n' ? 1 : 0;
        }
        return lines;
    }

    /** Number of lines: what a checkpoint stores and {@link #truncate} takes. */
    public long lines() {
        return lines;
    }

    /** Appends one object as one line. */
    public void append(ObjectNode object) {
        byte[] line = (Json.MAPPER.writeValueAsString(object) + "\n").getBytes(StandardCharsets.UTF_8);
        try {
            long start = channel.position();
            try {
                ByteBuffer buffer = ByteBuffer.wrap(line);
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
            } catch (IOException e) {
                channel.truncate(start); // a full disk: leave whole lines behind
                throw e;
            }
            lines++;
        } catch (IOException e) {
            throw new LearnException(
                    "Cannot write to " + file + ": " + e.getMessage() + ". The run can be resumed.", e);
        }
    }

    /** Keeps the first lines and drops the rest. */
    public void truncate(long linesToKeep) {
        if (linesToKeep > lines) {
            throw new LearnException(file + " has " + lines + " lines, but the checkpoint was written after line "
                    + linesToKeep + ". The file was changed or lines were lost; start a new run.");
        }
        if (linesToKeep == lines) {
            return;
        }
        try {
            byte[] bytes = Files.readAllBytes(file);
            int end = 0;
            for (long kept = 0; kept < linesToKeep; end++) {
                kept += bytes[end] == '\n' ? 1 : 0;
            }
            channel.truncate(end);
            channel.position(end);
            lines = linesToKeep;
        } catch (IOException e) {
            throw new LearnException("Cannot truncate " + file + ": " + e.getMessage() + ".", e);
        }
    }

    /** Makes sure that everything appended so far survives a power failure; called before a checkpoint is published. */
    public void sync() {
        try {
            channel.force(false);
        } catch (IOException e) {
            throw new LearnException("Cannot write to " + file + ": " + e.getMessage() + ".", e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new LearnException("Cannot close " + file + ": " + e.getMessage() + ".", e);
        }
    }

    /** All objects of a file, also while a run is writing to it; none if there is no file yet. */
    public static List<ObjectNode> read(Path file) {
        List<ObjectNode> objects = new ArrayList<>();
        if (!Files.exists(file)) {
            return objects;
        }
        try {
            String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
            int start = 0;
            for (int end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
                objects.add(parse(text.substring(start, end), file, objects.size() + 1));
                start = end + 1;
            }
            return objects;
        } catch (IOException e) {
            throw new LearnException("Cannot read " + file + ": " + e + ".", e);
        }
    }

    private static ObjectNode parse(String line, Path file, int number) {
        try {
            if (Json.MAPPER.readTree(line) instanceof ObjectNode object) {
                return object;
            }
            throw new LearnException(file + ", line " + number + ", is not a JSON object.");
        } catch (JacksonException e) {
            throw new LearnException(file + ", line " + number + ": " + e.getOriginalMessage() + ".", e);
        }
    }
}
