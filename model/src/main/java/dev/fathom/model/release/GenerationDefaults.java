package dev.fathom.model.release;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How a model's makers sample from it ({@code generation_config.json}; GGUF files do not have it); null where they do not say.
 *
 * @param sampled {@code do_sample}: false for always taking the most probable token
 * @param temperature {@code temperature}
 * @param topK {@code top_k}
 * @param topP {@code top_p}
 * @param minP {@code min_p}
 * @param repetitionPenalty {@code repetition_penalty}
 */
public record GenerationDefaults(
        @Nullable Boolean sampled,
        @Nullable Double temperature,
        @Nullable Integer topK,
        @Nullable Double topP,
        @Nullable Double minP,
        @Nullable Double repetitionPenalty) {
    /** Nothing said. */
    public static final GenerationDefaults NONE = new GenerationDefaults(null, null, null, null, null, null);

    private static final String FILE = "generation_config.json";

    /** What a model directory says. */
    static GenerationDefaults read(Path directory) {
        Path file = directory.resolve(FILE);
        if (!Files.exists(file)) {
            return NONE;
        }
        ObjectNode json = Json.readObject(file, CheckpointException::new);
        JsonNode sampled = json.get("do_sample");
        if (sampled != null && !sampled.isNull() && !sampled.isBoolean()) {
            throw CheckpointException.of(file, "do_sample", Json.describe(sampled), "true or false");
        }
        Double topK = number(file, json, "top_k");
        return new GenerationDefaults(
                sampled == null || sampled.isNull() ? null : (Boolean) sampled.booleanValue(),
                number(file, json, "temperature"),
                topK == null ? null : (Integer) topK.intValue(),
                number(file, json, "top_p"),
                number(file, json, "min_p"),
                number(file, json, "repetition_penalty"));
    }

    private static @Nullable Double number(Path file, ObjectNode json, String key) {
        JsonNode node = json.get(key);
        if (node == null || node.isNull()) {
            return null;
        }
        if (!node.isNumber() || !(node.doubleValue() >= 0)) {
            throw CheckpointException.of(file, key, Json.describe(node), "a number of at least 0");
        }
        return node.doubleValue();
    }
}
