package dev.fathom.model.inspect;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.inspect.ModelSummary.TokenizerSummary;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.safetensors.StoredTensor;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Summary of a Hugging Face model directory. */
final class DirectorySummary {
    private static final Pattern ROUTED = Pattern.compile(".*\\.experts\\.\\d+\\..*");

    private DirectorySummary() {}

    static ModelSummary of(Path directory) {
        Path file = directory.resolve("config.json");
        if (!Files.exists(file)) {
            throw new CheckpointException(
                    directory + ": found no config.json, expected a Hugging Face model directory or a GGUF file");
        }
        ObjectNode config = Json.readObject(file, CheckpointException::new);
        StorageCount count = count(Safetensors.open(directory, "model"));
        // DeepSeek's name of the key, then that of Qwen's mixtures.
        JsonNode experts = config.has("n_routed_experts") ? config.get("n_routed_experts") : config.path("num_experts");
        return new ModelSummary(
                directory,
                "safetensors",
                architecture(file, config),
                null,
                count.parameters(),
                count.activeParameters(config.path("num_experts_per_tok").asLong(0), experts.asLong(0)),
                count.bytes(),
                count.largestFirst(),
                tokenizer(directory),
                TokenizerFiles.chatTemplate(directory) != null,
                null,
                null);
    }

    private static StorageCount count(Safetensors weights) {
        Set<String> scales = new HashSet<>();
        for (StoredTensor tensor : weights.tensors()) {
            if (tensor.scales() != null) {
                scales.add(tensor.scales().name());
            }
        }
        StorageCount count = new StorageCount();
        for (StoredTensor tensor : weights.tensors()) {
            String name = tensor.name();
            boolean isRouted = ROUTED.matcher(name).matches();
            count.add(tensor.type().name(), tensor.size(), tensor.data().byteSize(), !scales.contains(name), isRouted);
        }
        return count;
    }

    private static String architecture(Path file, ObjectNode config) {
        JsonNode architecture = config.path("architectures").path(0);
        if (!architecture.isString()) {
            throw CheckpointException.of(
                    file, "architectures", Json.describe(config.get("architectures")), "an array with a name");
        }
        return architecture.stringValue();
    }

    private static @Nullable TokenizerSummary tokenizer(Path directory) {
        Path file = directory.resolve(TokenizerFiles.TOKENIZER);
        if (!Files.exists(file)) {
            return null;
        }
        ObjectNode json = Json.readObject(file, CheckpointException::new);
        JsonNode vocabulary = json.path("model").path("vocab");
        int tokens = vocabulary.size();
        for (JsonNode added : json.path("added_tokens")) {
            tokens += vocabulary.has(added.path("content").asString("")) ? 0 : 1; // some vocabularies list them, too
        }
        return new TokenizerSummary(json.path("model").path("type").asString("of unnamed kind"), tokens);
    }
}
