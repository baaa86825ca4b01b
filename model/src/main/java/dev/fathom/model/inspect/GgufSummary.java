package dev.fathom.model.inspect;

import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufMetadata;
import dev.fathom.model.gguf.GgufTensor;
import dev.fathom.model.inspect.ModelSummary.TokenizerSummary;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Summary of a GGUF file. */
final class GgufSummary {
    private GgufSummary() {}

    static ModelSummary of(Path file) {
        Gguf model = Gguf.open(file);
        GgufMetadata metadata = model.metadata();
        String architecture = metadata.string("general.architecture");
        StorageCount count = new StorageCount();
        for (GgufTensor tensor : model.tensors()) {
            boolean isParameter = !tensor.name().startsWith("rope_");
            boolean isRouted = tensor.name().contains("_exps.");
            count.add(tensor.type().name(), tensor.size(), tensor.data().byteSize(), isParameter, isRouted);
        }
        String experts = architecture + ".expert_count";
        String used = architecture + ".expert_used_count";
        return new ModelSummary(
                file,
                "GGUF " + model.version(),
                architecture,
                metadata.findString("general.name").orElse(null),
                count.parameters(),
                metadata.has(experts) && metadata.has(used)
                        ? count.activeParameters(metadata.size(used), metadata.size(experts))
                        : count.parameters(),
                count.bytes(),
                count.largestFirst(),
                tokenizer(metadata),
                metadata.has("tokenizer.chat_template"),
                null,
                null);
    }

    private static @Nullable TokenizerSummary tokenizer(GgufMetadata metadata) {
        if (!metadata.has("tokenizer.ggml.model")) {
            return null;
        }
        String kind = metadata.string("tokenizer.ggml.model");
        String splitting = metadata.findString("tokenizer.ggml.pre")
                .map(name -> " (" + name + ")")
                .orElse("");
        return new TokenizerSummary(
                kind + splitting, metadata.strings("tokenizer.ggml.tokens").size());
    }
}
