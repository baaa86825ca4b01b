package dev.fathom.model.tokenizer;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code tokenizer.json} of the Hugging Face {@code tokenizers} library: which kind of tokenizer a file is. */
final class TokenizerJson {
    private TokenizerJson() {}

    /**
     * @param source what to call the file in an error
     * @param bos role from {@code tokenizer_config.json}
     * @param eos role from {@code tokenizer_config.json}
     */
    static Tokenizer read(ObjectNode json, String source, @Nullable String bos, @Nullable String eos) {
        try {
            return isOfCharacters(json)
                    ? CharacterTokenizerJson.read(json, source, bos, eos)
                    : new BytePairTokenizer(BytePairJson.read(json, source, bos, eos));
        } catch (TokenizerException e) {
            String message = Objects.requireNonNullElse(e.getMessage(), "");
            throw message.startsWith(source) ? e : new TokenizerException(source + ": " + message, e);
        }
    }

    /** BPE that merges nothing, tokens put together as they are: what {@link CharacterTokenizer} writes. */
    private static boolean isOfCharacters(ObjectNode json) {
        JsonNode model = json.path("model");
        JsonNode merges = model.path("merges");
        return model.path("type").stringValue("").equals("BPE")
                && merges.isArray()
                && merges.isEmpty()
                && json.path("decoder").path("type").stringValue("").equals("Fuse");
    }
}
