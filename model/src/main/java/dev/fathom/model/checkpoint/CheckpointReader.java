package dev.fathom.model.checkpoint;

import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.safetensors.TensorLoader;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Reads the parts of a checkpoint or of any Hugging Face model directory of a supported kind. */
public final class CheckpointReader {
    private final Path directory;

    private CheckpointReader(Path directory) {
        this.directory = directory;
    }

    /**
     * Opens a model directory.
     *
     * @throws CheckpointException if it is no directory or has no {@code config.json}
     */
    public static CheckpointReader open(Path directory) {
        if (!Files.isDirectory(directory)) {
            throw new CheckpointException(directory + ": no such directory, expected a model directory");
        }
        if (!Files.exists(directory.resolve("config.json"))) {
            throw new CheckpointException(
                    directory + ": found no config.json, expected a Hugging Face model directory");
        }
        return new CheckpointReader(directory);
    }

    /** Where it is. */
    public Path directory() {
        return directory;
    }

    /** {@code config.json}. */
    public DeepseekConfig config() {
        return DeepseekConfig.read(directory.resolve("config.json"));
    }

    /** {@code tokenizer.json} with the roles in {@code tokenizer_config.json}. */
    public Tokenizer tokenizer() {
        return TokenizerFiles.read(directory);
    }

    /** The chat template, or null if the model has none. */
    public @Nullable String chatTemplate() {
        return TokenizerFiles.chatTemplate(directory);
    }

    /** The weights, mapped into memory. */
    public Safetensors weights() {
        return Safetensors.open(directory, "model");
    }

    /**
     * Copies all weights into existing tensors, converting to F32.
     *
     * @throws CheckpointException listing every missing, unexpected and differently shaped tensor
     */
    public void readWeights(List<NamedTensor> targets) {
        readWeights(targets, name -> false);
    }

    /** @param ignored names in the file that this model leaves out, such as an unused multi-token-prediction module */
    public void readWeights(List<NamedTensor> targets, Predicate<String> ignored) {
        TensorLoader.load(weights(), targets, ignored);
    }

    /** Whether training can go on from here. */
    public boolean hasTrainer() {
        return Files.exists(state());
    }

    /** Copies the optimizer's memory into existing tensors. */
    public void readMoments(List<NamedTensor> targets) {
        TensorLoader.load(Safetensors.open(directory.resolve(Checkpoint.TRAINER), "moments"), targets, name -> false);
    }

    /** {@code trainer/state.json}. */
    public ObjectNode readState() {
        return Json.readObject(state(), CheckpointException::new);
    }

    private Path state() {
        return directory.resolve(Checkpoint.TRAINER).resolve("state.json");
    }
}
