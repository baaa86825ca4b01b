package dev.fathom.model.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Files that are either complete or not there. What was written reaches the disk (fsync) before a rename gives it its name; a
 * rename within a directory is atomic, and durable once the directory itself is synced.
 */
public final class DurableFiles {
    private static final System.Logger LOGGER = System.getLogger(DurableFiles.class.getName());

    private DurableFiles() {}

    /** Something that writes one file. */
    public interface Writer {
        void write(FileChannel channel) throws IOException;
    }

    /** Where a file or directory is while it is being written: beside its final place, so that the rename stays on one disk. */
    public static Path partial(Path target) {
        return target.resolveSibling("." + target.getFileName() + ".partial");
    }

    /** Whether a path is one of {@link #partial}. */
    public static boolean isPartial(Path path) {
        String name = String.valueOf(path.getFileName());
        return name.startsWith(".") && name.endsWith(".partial");
    }

    /** Writes a file under a temporary name, syncs it and gives it its final name, replacing a file that has it. */
    public static void write(Path target, Writer writer) throws IOException {
        Path partial = partial(target);
        try {
            try (FileChannel channel = FileChannel.open(
                    partial,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE)) {
                writer.write(channel);
                channel.force(true);
            }
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException | Error e) {
            deleteQuietly(partial, e);
            throw e;
        }
        syncParent(target);
    }

    /** Syncs everything below a directory, then its directories from the deepest up. */
    public static void syncTree(Path root) throws IOException {
        List<Path> directories = new ArrayList<>();
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(root)) {
            paths = walk.toList();
        }
        for (Path path : paths) {
            if (Files.isDirectory(path)) {
                directories.add(path);
            } else {
                try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
            }
        }
        for (Path directory : directories.reversed()) {
            syncDirectory(directory);
        }
    }

    /** Makes renames and creations in a directory durable. Windows cannot open directories and does not need it. */
    public static void syncDirectory(Path directory) throws IOException {
        if (directory.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    /** Syncs the directory a path is in. */
    public static void syncParent(Path path) throws IOException {
        Path parent = path.toAbsolutePath().getParent();
        if (parent != null) {
            syncDirectory(parent);
        }
    }

    /** Deletes a file or a directory with everything in it; nothing happens if it does not exist. */
    public static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(root)) { // does not follow links
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.deleteIfExists(path);
        }
    }

    /** Cleans up behind a failure that matters more than a failure to clean up. */
    public static void deleteQuietly(Path root, Throwable failure) {
        try {
            deleteTree(root);
        } catch (IOException e) {
            LOGGER.log(System.Logger.Level.WARNING, "could not delete " + root, e);
            failure.addSuppressed(e);
        }
    }
}
