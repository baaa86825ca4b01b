package dev.fathom.learn.run;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;

/**
 * The directory of one run, held by one process at a time:
 *
 * <pre>{@code
 * run.json         what the run is: recipe, seed, versions, machine (RunInfo); replaced atomically
 * metrics.jsonl    one line per reporting step and per evaluation (Metrics)
 * samples.jsonl    responses (Sample)
 * checkpoints/     model directories, written by the stages
 * report.html      made from the files above alone (Report)
 * .lock            locked while a process works on the run; holds its process id
 * }</pre>
 */
public final class RunDirectory implements AutoCloseable {
    private static final String INFO = "run.json";
    private static final String METRICS = "metrics.jsonl";
    private static final String SAMPLES = "samples.jsonl";
    private static final String LOCK = ".lock";
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

    private final Path path;
    private final FileChannel lock;
    private final JsonLines metrics;
    private final JsonLines samples;

    private RunDirectory(Path path, FileChannel lock, JsonLines metrics, JsonLines samples) {
        this.path = path;
        this.lock = lock;
        this.metrics = metrics;
        this.samples = samples;
    }

    /** A path for a new run that does not exist yet, such as {@code runs/r1-zero-20261122-101530}. */
    public static Path newPath(Path parent, String recipe, LocalDateTime now) {
        String name = recipe + "-" + TIMESTAMP.format(now);
        Path path = parent.resolve(name);
        for (int i = 2; Files.exists(path); i++) {
            path = parent.resolve(name + "-" + i);
        }
        return path;
    }

    /** Makes a new run directory and locks it. A directory that already holds a run is refused. */
    public static RunDirectory create(Path path, RunInfo info) {
        if (isRun(path)) {
            throw new LearnException(path + " already holds a run. Resume it, or choose another directory with --out.");
        }
        for (String left : List.of(METRICS, SAMPLES, "checkpoints")) {
            if (Files.exists(path.resolve(left))) {
                throw new LearnException(path + " has " + left + " but no " + INFO
                        + ": something else's, or what is left of a run. Choose another directory with --out.");
            }
        }
        try {
            Files.createDirectories(path);
        } catch (FileAlreadyExistsException e) {
            throw new LearnException(path + " is a file; a run needs a directory.", e);
        } catch (IOException e) {
            throw new LearnException("Cannot make the run directory " + path + ": " + e + ".", e);
        }
        RunDirectory run = lockAndOpen(path);
        run.update(info);
        return run;
    }

    /** Locks an existing run directory to continue it. A line torn by {@code kill -9} is dropped. */
    public static RunDirectory open(Path path) {
        requireRun(path);
        return lockAndOpen(path);
    }

    private static RunDirectory lockAndOpen(Path path) {
        FileChannel lock = lock(path);
        try {
            Files.createDirectories(path.resolve("checkpoints"));
            JsonLines metrics = JsonLines.open(path.resolve(METRICS));
            JsonLines samples = JsonLines.open(path.resolve(SAMPLES));
            return new RunDirectory(path, lock, metrics, samples);
        } catch (IOException e) {
            try {
                lock.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw new LearnException("Cannot open the run directory " + path + ": " + e + ".", e);
        }
    }

    private static FileChannel lock(Path path) {
        Path file = path.resolve(LOCK);
        try {
            FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
            boolean locked = false;
            try {
                locked = channel.tryLock() != null;
            } catch (OverlappingFileLockException e) {
                // Held by another thread of this very process.
            }
            if (!locked) {
                String owner = Files.readString(file).strip();
                channel.close();
                throw new LearnException("The run directory " + path + " is in use by another process"
                        + (owner.isEmpty() ? "" : " (process id " + owner + ")")
                        + ". Wait for it to end, or stop it, and try again.");
            }
            // The system releases the lock when this process ends, however it ends. The file stays: removing it would
            // race.
            channel.truncate(0);
            channel.write(
                    ByteBuffer.wrap((ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.US_ASCII)), 0);
            return channel;
        } catch (IOException e) {
            throw new LearnException("Cannot lock the run directory " + path + ": " + e + ".", e);
        }
    }

    public Path path() {
        return path;
    }

    public Path checkpoints() {
        return path.resolve("checkpoints");
    }

    public Path report() {
        return path.resolve("report.html");
    }

    public JsonLines metrics() {
        return metrics;
    }

    public JsonLines samples() {
        return samples;
    }

    public RunInfo info() {
        return readInfo(path);
    }

    /** Replaces {@code run.json}: a reader sees the old one or the new one, never half of one. */
    public void update(RunInfo info) {
        writeAtomically(
                path.resolve(INFO), Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(info) + "\n");
    }

    @Override
    public void close() {
        metrics.close();
        samples.close();
        try {
            lock.truncate(0);
            lock.close();
        } catch (IOException e) {
            throw new LearnException("Cannot unlock the run directory " + path + ": " + e + ".", e);
        }
    }

    /** Writes beside, makes durable, renames. */
    public static void writeAtomically(Path file, String text) {
        Path beside = file.resolveSibling("." + file.getFileName() + ".tmp");
        try {
            try (FileChannel channel = FileChannel.open(
                    beside,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE)) {
                ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new LearnException("Cannot write " + file + ": " + e + ".", e);
        }
    }

    // Reading, without a lock: also while a run is going on.

    public static boolean isRun(Path path) {
        return Files.isRegularFile(path.resolve(INFO));
    }

    /** Whether a process works on the run. A run that says it is running and is not in use was interrupted. */
    public static boolean isInUse(Path path) {
        try {
            String owner = Files.readString(path.resolve(LOCK)).strip();
            return !owner.isEmpty()
                    && ProcessHandle.of(Long.parseLong(owner))
                            .map(ProcessHandle::isAlive)
                            .orElse(false);
        } catch (IOException | NumberFormatException e) {
            return false; // no such file, or one that is just being written
        }
    }

    private static void requireRun(Path path) {
        if (!isRun(path)) {
            throw new LearnException(path
                    + (Files.exists(path) ? " is not a run directory (it has no " + INFO + ")." : " does not exist."));
        }
    }

    /** Reads {@code run.json} of a run directory. */
    public static RunInfo readInfo(Path path) {
        requireRun(path);
        Path file = path.resolve(INFO);
        try {
            RunInfo info = Json.MAPPER.readValue(Files.readString(file), RunInfo.class);
            if (info.recipe() == null) {
                throw new LearnException(file + " is not valid: found no recipe, expected one.");
            }
            return info;
        } catch (JacksonException e) {
            throw new LearnException(file + " is not valid: " + e.getOriginalMessage() + ".", e);
        } catch (IOException e) {
            throw new LearnException("Cannot read " + file + ": " + e + ".", e);
        }
    }

    /** The file of a run directory with its metrics, for {@link JsonLines#read}. */
    public static Path metricsFile(Path path) {
        return path.resolve(METRICS);
    }

    /** The file of a run directory with its samples, for {@link JsonLines#read}. */
    public static Path samplesFile(Path path) {
        return path.resolve(SAMPLES);
    }

    /** The run directories under {@code parent}, newest first. */
    public static List<Path> list(Path parent) {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(parent)) {
            return entries.filter(RunDirectory::isRun)
                    .sorted(Comparator.comparing((Path run) -> readInfo(run).created())
                            .thenComparing(Path::toString)
                            .reversed())
                    .toList();
        } catch (IOException | UncheckedIOException e) {
            throw new LearnException("Cannot list " + parent + ": " + e + ".", e);
        }
    }

    /** The run under {@code parent} that began last. */
    public static Optional<Path> newest(Path parent) {
        return list(parent).stream().findFirst();
    }
}
