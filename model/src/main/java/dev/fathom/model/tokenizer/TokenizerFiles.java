package dev.fathom.model.tokenizer;

import dev.fathom.model.files.DurableFiles;
import dev.fathom.model.files.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tokenizer files of a Hugging Face model directory: {@code tokenizer.json} has vocabulary and rules,
 * {@code tokenizer_config.json} says which token has which role and holds the chat template.
 */
public final class TokenizerFiles {
    /** Vocabulary and rules. */
    public static final String TOKENIZER = "tokenizer.json";

    /** Roles and chat template. */
    public static final String CONFIG = "tokenizer_config.json";

    /** Where transformers 4.52 and later put the chat template; it goes before the one in {@link #CONFIG}. */
    private static final String TEMPLATE = "chat_template.jinja";

    private TokenizerFiles() {}

    /**
     * Reads the tokenizer of a model directory.
     *
     * @throws TokenizerException naming the file, the field, the found and the expected value; tokenizers of other kinds are
     *     refused by name
     */
    public static Tokenizer read(Path directory) {
        ObjectNode config = config(directory);
        Path file = directory.resolve(TOKENIZER);
        return TokenizerJson.read(
                Json.readObject(file, TokenizerException::new),
                file.toString(),
                role(config, directory, "bos_token"),
                role(config, directory, "eos_token"));
    }

    /**
     * Writes the tokenizer's files, {@link #TOKENIZER} last, into a directory that is made if there is none.
     *
     * @throws TokenizerException if they cannot be written
     */
    public static void write(Path directory, Tokenizer tokenizer, @Nullable String chatTemplate) {
        try {
            Files.createDirectories(directory);
            write(directory.resolve(CONFIG), configJson(tokenizer, chatTemplate));
            write(directory.resolve(TOKENIZER), tokenizer.toJson());
        } catch (IOException e) {
            throw new TokenizerException(directory + ": cannot be written (" + Json.describe(e) + ")", e);
        }
    }

    private static void write(Path file, ObjectNode json) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Json.bytes(json));
        DurableFiles.write(file, channel -> {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }

    /** The chat template (Jinja) of a model directory, or null if it has none. */
    public static @Nullable String chatTemplate(Path directory) {
        Path file = directory.resolve(TEMPLATE);
        if (Files.exists(file)) {
            try {
                return Files.readString(file);
            } catch (IOException e) {
                throw new TokenizerException(file + ": cannot be read (" + Json.describe(e) + ")", e);
            }
        }
        JsonNode template = config(directory).get("chat_template");
        if (template == null || template.isNull()) {
            return null;
        }
        if (!template.isString()) {
            throw new TokenizerException(directory.resolve(CONFIG) + ": chat_template: found " + Json.describe(template)
                    + ", expected one template as a string");
        }
        return template.stringValue();
    }

    /** The content of {@code tokenizer_config.json}. */
    public static ObjectNode configJson(Tokenizer tokenizer, @Nullable String chatTemplate) {
        SpecialTokens special = tokenizer.specialTokens();
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("tokenizer_class", "PreTrainedTokenizerFast");
        json.put("bos_token", special.bos());
        json.put("eos_token", special.eos());
        json.put("pad_token", special.eos()); // batches of other engines need one; ours have no padding
        json.put("clean_up_tokenization_spaces", false); // transformers would delete spaces before punctuation
        if (chatTemplate != null) {
            json.put("chat_template", chatTemplate);
        }
        return json;
    }

    /** {@code tokenizer_config.json}, or an empty object where a directory has none. */
    private static ObjectNode config(Path directory) {
        Path file = directory.resolve(CONFIG);
        return Files.exists(file) ? Json.readObject(file, TokenizerException::new) : Json.MAPPER.createObjectNode();
    }

    /** A role is a token, or an object with the token as {@code content}. */
    private static @Nullable String role(ObjectNode config, Path directory, String key) {
        JsonNode node = config.get(key);
        if (node == null || node.isNull()) {
            return null;
        }
        JsonNode content = node.isObject() ? node.path("content") : node;
        if (!content.isString()) {
            throw new TokenizerException(
                    directory.resolve(CONFIG) + ": " + key + ": found " + Json.describe(node) + ", expected a token");
        }
        return content.stringValue();
    }
}
