package dev.fathom.model.checkpoint;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.DurableFiles;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * A checkpoint is a directory that appears under its name complete or not at all.
 *
 * <p>It is written beside its place as {@code .<name>.partial}, every file and directory is synced to the disk, and one rename
 * publishes it. A crash at any moment, or a full disk, leaves either no directory of that name or the finished one; a leftover
 * partial directory is deleted by {@link #cleanUp} when the run starts again.
 *
 * <p>One process writes the checkpoints of one parent directory.
 */
public final class Checkpoint {
    private static final System.Logger LOGGER = System.getLogger(Checkpoint.class.getName());

    /** Folder with the state of training; other engines ignore it. */
    static final String TRAINER = "trainer";

    private Checkpoint() {}

    /** Fills a checkpoint. */
    public interface Content {
        void write(CheckpointWriter writer) throws IOException;
    }

    /**
     * Writes a checkpoint and publishes it.
     *
     * @param target the directory to create; parents are created
     * @throws CheckpointException if it exists already or cannot be written; nothing is left behind then. What {@code content}
     *     throws otherwise is passed on
     */
    public static void publish(Path target, Content content) {
        Path partial = DurableFiles.partial(target);
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new CheckpointException(target + ": exists already, expected a new directory");
        }
        try {
            DurableFiles.deleteTree(partial);
            Files.createDirectories(partial);
            content.write(new CheckpointWriter(partial));
            DurableFiles.syncTree(partial);
            rename(partial, target);
        } catch (IOException e) {
            DurableFiles.deleteQuietly(partial, e);
            throw CheckpointException.io(target, "written", e);
        } catch (RuntimeException | Error e) {
            DurableFiles.deleteQuietly(partial, e);
            throw e;
        }
    }

    private static void rename(Path partial, Path target) throws IOException {
        try {
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            throw new IOException("the file system cannot rename a directory atomically", e);
        }
        DurableFiles.syncParent(target);
    }

    /**
     * Deletes what an interrupted {@link #publish} left in a directory of checkpoints. Call it when a run starts or resumes.
     *
     * @return the deleted directories
     */
    public static List<Path> cleanUp(Path parent) {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> children = Files.list(parent)) {
            List<Path> leftovers =
                    children.filter(DurableFiles::isPartial).sorted().toList();
            for (Path leftover : leftovers) {
                LOGGER.log(System.Logger.Level.INFO, "deleting unfinished {0}", leftover);
                DurableFiles.deleteTree(leftover);
            }
            return leftovers;
        } catch (IOException e) {
            throw CheckpointException.io(parent, "cleaned of unfinished checkpoints", e);
        }
    }

    /** The published checkpoints in a directory, sorted by name; empty if there is no such directory. */
    public static List<Path> list(Path parent) {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> children = Files.list(parent)) {
            return children.filter(
                            child -> !DurableFiles.isPartial(child) && Files.exists(child.resolve("config.json")))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw CheckpointException.io(parent, "listed", e);
        }
    }
}
