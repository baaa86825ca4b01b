package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.files.Json;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** llama.cpp in a process of Node.js, as the npm package {@code node-llama-cpp}. */
final class LlamaCpp {
    /** The folder in whose {@code node_modules} it is installed, if there is one. */
    private static final @Nullable String FOLDER = System.getenv("FATHOM_LLAMA_NODE");

    private LlamaCpp() {}

    /** Why it cannot be run, or an empty string. */
    static String unavailable() {
        return FOLDER == null ? "FATHOM_LLAMA_NODE names no folder with node_modules/node-llama-cpp" : "";
    }

    /** What llama.cpp wrote, and the logits that it chose each token from, {@code [tokens][V]}. */
    record Text(int[] tokens, double[][] logits) {}

    /**
     * Goes on greedily from each prompt.
     *
     * @param file a GGUF file; script and log are left beside it
     * @param tokens to write after each prompt
     */
    static List<Text> write(Path file, List<int[]> prompts, int tokens) throws Exception {
        Path script = file.resolveSibling("llama.mjs");
        try (InputStream in = LlamaCpp.class.getResourceAsStream("/llama.mjs")) {
            Files.write(script, in.readAllBytes());
        }
        Path log = file.resolveSibling("llama.log");
        Process process = new ProcessBuilder(
                        "node",
                        script.toString(),
                        Objects.requireNonNull(FOLDER),
                        file.toString(),
                        String.valueOf(tokens))
                .redirectError(log.toFile())
                .start();
        String input = prompts.stream()
                .map(prompt -> Arrays.stream(prompt).mapToObj(String::valueOf).collect(Collectors.joining(" ")))
                .collect(Collectors.joining("\n"));
        process.getOutputStream().write(input.getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        List<Text> texts = new ArrayList<>();
        for (String line : new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            if (line.startsWith("{")) {
                JsonNode answer = Json.MAPPER.readTree(line);
                texts.add(new Text(
                        IntStream.range(0, tokens)
                                .map(n -> answer.get("ids").get(n).intValue())
                                .toArray(),
                        IntStream.range(0, tokens)
                                .mapToObj(n -> row(answer.get("logits").get(n)))
                                .toArray(double[][]::new)));
            }
        }
        assertThat(process.waitFor()).as(Files.readString(log)).isZero();
        assertThat(texts).hasSize(prompts.size());
        return texts;
    }

    private static double[] row(JsonNode numbers) {
        return IntStream.range(0, numbers.size())
                .mapToDouble(i -> numbers.get(i).doubleValue())
                .toArray();
    }
}
