package dev.fathom.cli;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Runs {@code fathom} as a user types it, in this process or in one of its own, and looks at what it leaves behind. */
final class Fathom {

    private Fathom() {}

    /** What a command ended with. */
    record Result(int exitCode, String out, String err) {
        List<String> lines() {
            return out.lines().toList();
        }

        String lastLine() {
            return lines().isEmpty() ? "" : lines().getLast();
        }
    }

    /** In this process. */
    static Result run(Object... words) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int exitCode = Main.commandLine()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(Stream.of(words).map(Object::toString).toArray(String[]::new));
        return new Result(exitCode, out.toString(), err.toString());
    }

    /** In a process of its own, with the flags that the launcher gives. */
    static ProcessBuilder process(String classPath, Object... words) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path") + File.pathSeparator + classPath,
                "dev.fathom.cli.Main"));
        Stream.of(words).map(Object::toString).forEach(command::add);
        return new ProcessBuilder(command);
    }

    /** Runs a process to its end. */
    static Result finish(ProcessBuilder builder, Path folder) throws Exception {
        Path out = Files.createTempFile(folder, "out", ".txt");
        Path err = Files.createTempFile(folder, "err", ".txt");
        Process process = builder.redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .start();
        int exitCode = process.waitFor();
        // The line that the launcher filters.
        String errors = Files.readString(err)
                .lines()
                .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
                .collect(Collectors.joining("\n"));
        return new Result(exitCode, Files.readString(out), errors);
    }

    /** The recipe of these tests: a very small model, 20 steps of pre-training, 8 of reinforcement learning. */
    static Path tinyRecipe(Path folder) throws IOException {
        Path file = folder.resolve("tiny.json");
        try (InputStream in = Fathom.class.getResourceAsStream("tiny.json")) {
            Files.copy(Objects.requireNonNull(in), file, StandardCopyOption.REPLACE_EXISTING);
        }
        return file;
    }

    /** The names of a run's checkpoints, oldest first. */
    static List<String> checkpoints(Path run) throws IOException {
        try (Stream<Path> files = Files.list(run.resolve("checkpoints"))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith("."))
                    .sorted()
                    .toList();
        }
    }

    static Path weights(Path run) throws IOException {
        return run.resolve("checkpoints").resolve(checkpoints(run).getLast()).resolve("model.safetensors");
    }

    /** SHA-256 of the weights of the newest checkpoint. */
    static String fingerprint(Path run) throws IOException {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(weights(run))));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }

    static void copyTree(Path from, Path to) {
        try (Stream<Path> files = Files.walk(from)) {
            files.forEach(file -> {
                try {
                    Files.copy(file, to.resolve(from.relativize(file).toString()));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
