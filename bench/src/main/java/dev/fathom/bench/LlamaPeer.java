package dev.fathom.bench;

import dev.fathom.learn.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * llama.cpp on a GGUF file, through the npm package {@code node-llama-cpp}.
 *
 * @param node the program
 * @param folder has {@code node_modules/node-llama-cpp}
 * @param model the file
 * @param timeoutSeconds after which a run is given up: some files are repacked for a minute when they are opened
 */
record LlamaPeer(String node, Path folder, Path model, long timeoutSeconds) {
    private static final String HOW =
            " Install it with \"npm install node-llama-cpp\" and name the folder with FATHOM_LLAMA_NODE=/path/to/folder.";

    /**
     * Finds the file, the package, and a Node.js that runs.
     *
     * @throws BenchException if one of them is missing
     */
    static LlamaPeer find(String node, @Nullable String folder, Path model, long timeoutSeconds) {
        if (!Files.isRegularFile(model)) {
            throw new BenchException(model + (Files.isDirectory(model) ? " is a folder" : " is not there")
                    + "; llama.cpp reads GGUF files (fathom convert writes them).");
        }
        if (folder == null || folder.isBlank()) {
            throw new BenchException("llama.cpp is measured through node-llama-cpp." + HOW);
        }
        Path module = Path.of(folder, "node_modules", "node-llama-cpp");
        if (!Files.isDirectory(module)) {
            throw new BenchException(module + " is not there." + HOW);
        }
        String missing = "cannot run " + node + " (Node.js, which llama.cpp is measured through): ";
        try {
            JavaFork.Output output = JavaFork.run(List.of(node, "--version"), Map.of(), List.of(), 60);
            if (output.exitCode() != 0) {
                throw new BenchException(missing + output.complaint());
            }
        } catch (UncheckedIOException e) {
            throw new BenchException(missing + e.getMessage());
        }
        return new LlamaPeer(node, Path.of(folder), model, timeoutSeconds);
    }

    /**
     * One process.
     *
     * @param script a resource beside this class; it is given the folder, the file and the numbers, and prints one line of JSON
     * @return that, with {@code peer}, the version
     * @throws BenchException if it fails
     */
    JsonNode run(String script, int... numbers) {
        Path file = copy(script);
        try {
            List<String> command = new ArrayList<>(List.of(node, file.toString(), folder.toString(), model.toString()));
            Arrays.stream(numbers).mapToObj(Integer::toString).forEach(command::add);
            JavaFork.Output output = JavaFork.run(command, Map.of(), List.of(), timeoutSeconds);
            if (output.exitCode() != 0) {
                throw new BenchException("llama.cpp failed on " + model + ": " + output.complaint());
            }
            return json(output.lastLine());
        } finally {
            file.toFile().delete();
        }
    }

    private static JsonNode json(String line) {
        try {
            JsonNode json = Json.MAPPER.readTree(line);
            if (json.path("peer").isString()) {
                return json;
            }
        } catch (JacksonException e) {
            // Said below.
        }
        throw new BenchException("node-llama-cpp printed no times, but: " + line);
    }

    /** Node.js wants a file. */
    private static Path copy(String script) {
        try (InputStream resource = Objects.requireNonNull(LlamaPeer.class.getResourceAsStream(script))) {
            Path file = Files.createTempFile("fathom-llama", ".mjs");
            Files.write(file, resource.readAllBytes());
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
