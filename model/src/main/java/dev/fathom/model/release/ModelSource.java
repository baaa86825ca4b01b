package dev.fathom.model.release;

import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.tokenizer.GgufVocabulary;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** A released model on disk: its headers have been read, its weights are mapped. */
public sealed interface ModelSource {
    /** Where it is. */
    Path path();

    /** As the model names it: {@code Qwen2ForCausalLM}, {@code qwen2}. */
    String architecture();

    /** Its tensors; each call begins to count anew what has been taken. */
    ReleasedTensors tensors();

    Tokenizer tokenizer();

    @Nullable
    ChatTemplate chatTemplate();

    GenerationDefaults generationDefaults();

    /** The tokens at which an answer ends. */
    SortedSet<Integer> stopTokens(Tokenizer tokenizer, int vocabulary);

    /**
     * Opens a GGUF file or a Hugging Face model directory.
     *
     * @throws CheckpointException if it is neither, or damaged
     */
    static ModelSource open(Path path) {
        if (!Files.exists(path)) {
            throw new CheckpointException(
                    path + ": no such file or directory, expected a GGUF file or a model directory");
        }
        return Files.isDirectory(path) ? Directory.open(path) : new File(Gguf.open(path));
    }

    /** A Hugging Face model directory. */
    record Directory(Path path, ObjectNode config, Safetensors weights) implements ModelSource {
        static Directory open(Path path) {
            Path config = path.resolve("config.json");
            if (!Files.exists(config)) {
                throw new CheckpointException(
                        path + ": found no config.json, expected a Hugging Face model directory or a GGUF file");
            }
            return new Directory(
                    path, Json.readObject(config, CheckpointException::new), Safetensors.open(path, "model"));
        }

        /** {@code config.json}. */
        public Path configFile() {
            return path.resolve("config.json");
        }

        @Override
        public String architecture() {
            JsonNode architectures = config.path("architectures");
            if (architectures.size() != 1 || !architectures.path(0).isString()) {
                throw CheckpointException.of(
                        configFile(),
                        "architectures",
                        Json.describe(config.get("architectures")),
                        "an array with one name");
            }
            return architectures.path(0).stringValue();
        }

        @Override
        public ReleasedTensors tensors() {
            return new SafetensorsTensors(weights);
        }

        @Override
        public Tokenizer tokenizer() {
            return TokenizerFiles.read(path);
        }

        @Override
        public @Nullable ChatTemplate chatTemplate() {
            String template = TokenizerFiles.chatTemplate(path);
            return template == null ? null : ChatTemplate.parse(template, path + ": chat template");
        }

        @Override
        public GenerationDefaults generationDefaults() {
            return GenerationDefaults.read(path);
        }

        @Override
        public SortedSet<Integer> stopTokens(Tokenizer tokenizer, int vocabulary) {
            return StopTokens.of(path, tokenizer, vocabulary);
        }
    }

    /** A GGUF file. */
    record File(Gguf gguf) implements ModelSource {
        @Override
        public Path path() {
            return gguf.source();
        }

        @Override
        public String architecture() {
            return GgufConfig.architecture(gguf);
        }

        @Override
        public ReleasedTensors tensors() {
            return new GgufTensors(gguf);
        }

        @Override
        public Tokenizer tokenizer() {
            return GgufVocabulary.of(gguf.metadata()).tokenizer(path().toString());
        }

        @Override
        public @Nullable ChatTemplate chatTemplate() {
            return gguf.metadata()
                    .findString("tokenizer.chat_template")
                    .map(template -> ChatTemplate.parse(template, path() + ": tokenizer.chat_template"))
                    .orElse(null);
        }

        @Override
        public GenerationDefaults generationDefaults() {
            return GenerationDefaults.NONE;
        }

        @Override
        public SortedSet<Integer> stopTokens(Tokenizer tokenizer, int vocabulary) {
            return StopTokens.of(path(), gguf.metadata(), tokenizer, vocabulary);
        }
    }
}
