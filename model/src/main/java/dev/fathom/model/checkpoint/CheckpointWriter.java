package dev.fathom.model.checkpoint;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Writes the parts of one checkpoint into a directory that {@link Checkpoint#publish} then gives its name. */
public final class CheckpointWriter {
    private final Path directory;

    CheckpointWriter(Path directory) {
        this.directory = directory;
    }

    /** {@code config.json}, and {@code generation_config.json} with the tokens at which other engines begin and stop. */
    public void config(DeepseekConfig config) {
        json("config.json", DeepseekConfigFile.toJson(config));
        ObjectNode generation = Json.MAPPER.createObjectNode();
        generation.put("bos_token_id", config.bosTokenId());
        generation.put("eos_token_id", config.eosTokenId());
        json("generation_config.json", generation);
    }

    /**
     * {@code tokenizer.json} and {@code tokenizer_config.json}.
     *
     * @param chatTemplate Jinja, or null for a model without one
     */
    public void tokenizer(Tokenizer tokenizer, @Nullable String chatTemplate) {
        json(TokenizerFiles.TOKENIZER, tokenizer.toJson());
        json(TokenizerFiles.CONFIG, TokenizerFiles.configJson(tokenizer, chatTemplate));
    }

    /** {@code model.safetensors}, in shards with an index above 5 GB. Names are those of Hugging Face. */
    public void weights(List<NamedTensor> tensors) {
        weights(tensors, SafetensorsWriter.DEFAULT_SHARD_BYTES);
    }

    /** {@code model*.safetensors} in shards of at most this many bytes. */
    public void weights(List<NamedTensor> tensors, long maximumShardBytes) {
        SafetensorsWriter.write(directory, "model", tensors, maximumShardBytes);
    }

    /** {@code model*.safetensors} with tensors that are not in memory. */
    public void entries(List<SafetensorsWriter.Entry> tensors) {
        SafetensorsWriter.writeEntries(directory, "model", tensors, SafetensorsWriter.DEFAULT_SHARD_BYTES);
    }

    /** {@code trainer/moments*.safetensors}: what the optimizer remembers. */
    public void moments(List<NamedTensor> tensors) {
        Path trainer = createDirectories(directory.resolve(Checkpoint.TRAINER));
        SafetensorsWriter.write(trainer, "moments", tensors, SafetensorsWriter.DEFAULT_SHARD_BYTES);
    }

    /** {@code trainer/state.json}: counters, data position, run config; whatever the trainer needs to go on. */
    public void state(ObjectNode state) {
        json(Checkpoint.TRAINER + "/state.json", state);
    }

    /** A JSON file at a path relative to the checkpoint. */
    public void json(String path, ObjectNode content) {
        bytes(path, Json.bytes(content));
    }

    /** Any other file at a path relative to the checkpoint, such as a license. */
    public void bytes(String path, byte[] content) {
        Path file = directory.resolve(path).normalize();
        if (!file.startsWith(directory) || file.equals(directory)) {
            throw new IllegalArgumentException(path + " is not a file inside the checkpoint");
        }
        Path parent = file.getParent();
        try {
            if (parent != null) {
                createDirectories(parent);
            }
            Files.write(file, content);
        } catch (IOException e) {
            throw CheckpointException.io(file, "written", e);
        }
    }

    private static Path createDirectories(Path directory) {
        try {
            return Files.createDirectories(directory);
        } catch (IOException e) {
            throw CheckpointException.io(directory, "created", e);
        }
    }
}
