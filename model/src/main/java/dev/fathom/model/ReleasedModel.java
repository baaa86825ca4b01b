package dev.fathom.model;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.model.release.GenerationDefaults;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.SortedSet;
import org.jspecify.annotations.Nullable;

/**
 * A model as somebody released it, from a Hugging Face directory or a GGUF file: ready to generate with, its weights mapped into memory and used in
 * place. {@link Architecture} knows which models these are.
 *
 * @param path where it is
 * @param architecture as its files name it
 * @param tokenizer text to tokens and back
 * @param chatTemplate how a conversation becomes a prompt; null for a model without one
 * @param generation how its makers sample from it
 * @param stopTokens where an answer ends; may be empty
 */
public record ReleasedModel(
        Path path,
        String architecture,
        LanguageModel model,
        Tokenizer tokenizer,
        @Nullable ChatTemplate chatTemplate,
        GenerationDefaults generation,
        SortedSet<Integer> stopTokens) {

    /**
     * How to open one.
     *
     * @param keyValues the type of kept keys and values, F32, BF16 or I8 (blocks of eight bits); null for what the engine's attention prefers
     */
    public record Options(@Nullable DType keyValues) {
        public static final Options DEFAULT = new Options(null);
    }

    /**
     * Opens a model.
     *
     * @param path a GGUF file (of a split one, the first part) or a Hugging Face model directory
     * @throws ModelFileException if it cannot be run; the message names the file, what was found and what was expected
     * @throws IllegalArgumentException if the engine does not keep keys and values as asked
     */
    public static ReleasedModel open(Path path, Engine engine, Options options) {
        Engine own = options.keyValues == null ? engine : engine.withKeyValues(options.keyValues);
        ModelSource source = ModelSource.open(path);
        LanguageModel model = Architecture.of(source).open(source, own);
        Tokenizer tokenizer = source.tokenizer();
        if (tokenizer.vocabularySize() > model.vocabSize()) {
            throw CheckpointException.of(
                    path,
                    "tokenizer",
                    tokenizer.vocabularySize() + " tokens",
                    "at most " + model.vocabSize() + ", the rows of the model's table");
        }
        return new ReleasedModel(
                path,
                source.architecture(),
                model,
                tokenizer,
                source.chatTemplate(),
                source.generationDefaults(),
                source.stopTokens(tokenizer, model.vocabSize()));
    }
}
