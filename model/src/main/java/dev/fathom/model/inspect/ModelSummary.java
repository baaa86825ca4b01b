package dev.fathom.model.inspect;

import dev.fathom.model.Architecture;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.model.release.ModelSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model on disk in a few lines.
 *
 * @param format {@code GGUF 3} or {@code safetensors}
 * @param architecture as the file names it: {@code deepseek2}, {@code DeepseekV3ForCausalLM}
 * @param name what its makers call it, if the file says so
 * @param parameters elements of all tensors but scales and rotary factors; a multi-token-prediction module counts if the file has it
 * @param activeParameters those that one token uses: of the routed experts, only the chosen ones; equal to {@code parameters} without experts
 * @param bytes of all tensors
 * @param types how many tensors of which type, the largest first
 * @param tokenizer kind and size, or null if there is none
 * @param hasChatTemplate whether a chat template comes with it
 * @param kept what generation keeps of a token; null if the model cannot be run
 * @param notRun why the model cannot be run, or null if its architecture and config are known ones
 */
public record ModelSummary(
        Path path,
        String format,
        String architecture,
        @Nullable String name,
        long parameters,
        long activeParameters,
        long bytes,
        List<Storage> types,
        @Nullable TokenizerSummary tokenizer,
        boolean hasChatTemplate,
        Architecture.@Nullable Kept kept,
        @Nullable String notRun) {

    /** Tensors of one type. */
    public record Storage(String type, int tensors, long elements, long bytes) {}

    /**
     * The tokenizer.
     *
     * @param kind {@code gpt2 (deepseek-llm)} in a GGUF file, {@code BPE} in a tokenizer.json
     * @param tokens entries of the vocabulary
     */
    public record TokenizerSummary(String kind, int tokens) {}

    /**
     * Looks at a GGUF file or at a Hugging Face model directory.
     *
     * @throws CheckpointException if it is neither, or damaged
     */
    public static ModelSummary of(Path path) {
        if (!Files.exists(path)) {
            throw new CheckpointException(
                    path + ": no such file or directory, expected a GGUF file or a model directory");
        }
        ModelSummary summary = Files.isDirectory(path) ? DirectorySummary.of(path) : GgufSummary.of(path);
        try {
            ModelSource source = ModelSource.open(path);
            return summary.running(Architecture.of(source).kept(source), null);
        } catch (ModelFileException e) {
            return summary.running(null, e.getMessage());
        }
    }

    private ModelSummary running(Architecture.@Nullable Kept kept, @Nullable String why) {
        return new ModelSummary(
                path,
                format,
                architecture,
                name,
                parameters,
                activeParameters,
                bytes,
                types,
                tokenizer,
                hasChatTemplate,
                kept,
                why);
    }

    /** Tensors in all. */
    public int tensors() {
        return types.stream().mapToInt(Storage::tensors).sum();
    }
}
