package dev.fathom.bench;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Other processes: this JVM once more, with the same options and class path, or another program. */
public final class JavaFork {
    /** Set by the launcher to a file descriptor that a child does not have. */
    private static final String LAUNCHER_ONLY = "-Dfathom.stderr=";

    private JavaFork() {}

    /** What a process printed before it ended. */
    record Output(int exitCode, String out, String err) {
        /** The last line of standard output: where programs print their JSON. */
        String lastLine() {
            return out.lines().reduce("", (before, line) -> line);
        }

        /** The last words of standard error, for a message. */
        String complaint() {
            List<String> lines = err.lines().filter(line -> !line.isBlank()).toList();
            return lines.isEmpty() ? "exit code " + exitCode : lines.getLast().strip();
        }
    }

    /** A JVM like this one with another main class and arguments. */
    static List<String> command(String mainClass, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> !option.startsWith(LAUNCHER_ONLY))
                .forEach(command::add);
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(mainClass);
        command.addAll(arguments);
        return command;
    }

    /**
     * Runs {@code mainClass} with the arguments in a JVM of its own.
     *
     * @return the last line it printed
     * @throws BenchException if it fails; with what it says
     */
    public static String run(String mainClass, List<String> arguments) {
        Output output = run(command(mainClass, arguments), Map.of(), List.of(), 3600);
        if (output.exitCode != 0) {
            throw new BenchException(
                    "a JVM of its own for " + String.join(" ", arguments) + " failed: " + output.complaint());
        }
        return output.lastLine();
    }

    /**
     * Runs a program to its end.
     *
     * @param seconds after which it is ended
     * @throws BenchException if it takes longer
     */
    static Output run(List<String> command, Map<String, String> set, List<String> unset, long seconds) {
        Path out = temporary();
        Path err = temporary();
        try {
            ProcessBuilder builder = new ProcessBuilder(command);
            builder.environment().putAll(set);
            unset.forEach(builder.environment()::remove);
            builder.redirectInput(new File(isWindows() ? "NUL" : "/dev/null"));
            Process process = builder.redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            try {
                if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
                    throw new BenchException(command.getFirst() + " took longer than " + seconds + " s");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            } finally {
                process.destroyForcibly();
            }
            return new Output(process.exitValue(), read(out), read(err));
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        } finally {
            out.toFile().delete();
            err.toFile().delete();
        }
    }

    private static boolean isWindows() {
        return System.getProperty("os.name").startsWith("Windows");
    }

    private static Path temporary() {
        try {
            return Files.createTempFile("fathom-bench", ".txt");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Programs may print bytes that are no text. */
    private static String read(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
                .collect(Collectors.joining("\n"));
    }
}
