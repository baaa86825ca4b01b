package dev.fathom.model.tokenizer;

import dev.fathom.model.files.Json;
import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code tokenizer.json} of the Hugging Face {@code tokenizers} library, as far as a {@link CharacterTokenizer} goes: a BPE
 * model with single characters and no merges leaves every character alone, and the decoder {@code Fuse} puts tokens together
 * without spaces.
 *
 * <p>A part of the file that would change ids (a normalizer, a pre-tokenizer, merges, …) is refused by name.
 */
final class CharacterTokenizerJson {
    private static final Set<String> TOP_LEVEL = Set.of(
            "version",
            "truncation",
            "padding",
            "added_tokens",
            "normalizer",
            "pre_tokenizer",
            "post_processor",
            "decoder",
            "model");

    private final ObjectNode json;
    private final String source;

    private CharacterTokenizerJson(ObjectNode json, String source) {
        this.json = json;
        this.source = source;
    }

    static ObjectNode write(List<String> tokens, SpecialTokens special) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("version", "1.0");
        json.putNull("truncation");
        json.putNull("padding");
        ArrayNode added = json.putArray("added_tokens");
        for (SpecialToken token : special.tokens()) {
            ObjectNode entry = added.addObject();
            entry.put("id", tokens.indexOf(token.text()));
            entry.put("content", token.text());
            entry.put("single_word", false);
            entry.put("lstrip", false);
            entry.put("rstrip", false);
            entry.put("normalized", false);
            entry.put("special", token.control());
        }
        json.putNull("normalizer");
        json.putNull("pre_tokenizer");
        json.putNull("post_processor");
        json.putObject("decoder").put("type", "Fuse");
        ObjectNode model = json.putObject("model");
        model.put("type", "BPE");
        model.putNull("dropout");
        model.putNull("unk_token");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        model.put("fuse_unk", false);
        model.put("byte_fallback", false);
        model.put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
        model.putArray("merges");
        return json;
    }

    /**
     * @param bos role from {@code tokenizer_config.json}
     * @param eos role from {@code tokenizer_config.json}
     */
    static CharacterTokenizer read(ObjectNode json, String source, @Nullable String bos, @Nullable String eos) {
        try {
            return new CharacterTokenizerJson(json, source).read(bos, eos);
        } catch (TokenizerException e) {
            String message = Objects.requireNonNullElse(e.getMessage(), "");
            throw message.startsWith(source) ? e : new TokenizerException(source + ": " + message, e);
        }
    }

    private CharacterTokenizer read(@Nullable String bos, @Nullable String eos) {
        for (String key : json.propertyNames()) {
            if (!TOP_LEVEL.contains(key)) {
                throw error(key, json.get(key), "no such key");
            }
        }
        ObjectNode model = modelOfCharacters();
        for (String key : List.of("truncation", "padding", "normalizer", "pre_tokenizer")) {
            requireNull(json, "", key);
        }
        if (!addsNothing(json.path("post_processor"))) {
            requireNull(json, "", "post_processor");
        }
        JsonNode decoder = json.path("decoder");
        if (!decoder.path("type").stringValue("").equals("Fuse")) {
            throw error("decoder", decoder, "{\"type\":\"Fuse\"}");
        }
        List<String> tokens = vocabulary(model);
        return new CharacterTokenizer(tokens, special(tokens, bos, eos));
    }

    /** Whether a post-processor is the one that transformers 5 writes when there is none: the sequence and nothing else. */
    private static boolean addsNothing(JsonNode processor) {
        JsonNode single = processor.path("single");
        return processor.path("type").stringValue("").equals("TemplateProcessing")
                && single.size() == 1
                && single.get(0).path("Sequence").path("id").stringValue("").equals("A");
    }

    /** Checks that the model is BPE with nothing that would join or split characters. */
    private ObjectNode modelOfCharacters() {
        if (!(json.get("model") instanceof ObjectNode model)) {
            throw error("model", json.get("model"), "an object");
        }
        String only = "a character tokenizer (BPE without merges); other tokenizers cannot be read yet";
        String type = model.path("type").stringValue("");
        if (!type.equals("BPE")) {
            throw error("model.type", model.get("type"), only);
        }
        JsonNode merges = model.path("merges");
        if (!merges.isArray() || !merges.isEmpty()) {
            boolean bytes = json.path("pre_tokenizer").toString().contains("\"ByteLevel\"");
            String found = (bytes ? "byte-level BPE with " : "BPE with ") + merges.size() + " merges";
            throw new TokenizerException(source + ": model.merges: found " + found + ", expected " + only);
        }
        requireNull(model, "model.", "dropout");
        requireNull(model, "model.", "unk_token");
        for (String affix : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            if (!model.path(affix).stringValue("").isEmpty()) {
                throw error("model." + affix, model.get(affix), "null");
            }
        }
        if (model.path("byte_fallback").asBoolean(false)) {
            throw error("model.byte_fallback", model.get("byte_fallback"), "false");
        }
        return model;
    }

    /** The vocabulary in id order; ids must be 0 to size - 1. */
    private List<String> vocabulary(ObjectNode model) {
        if (!(model.get("vocab") instanceof ObjectNode vocabulary)) {
            throw error("model.vocab", model.get("vocab"), "an object of token to id");
        }
        TreeMap<Integer, String> byId = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
            String key = "model.vocab[\"" + entry.getKey() + "\"]";
            int id = id(key, entry.getValue());
            String other = byId.put(id, entry.getKey());
            if (other != null) {
                throw error(key, entry.getValue(), "an id of its own, it is also the id of \"" + other + "\"");
            }
        }
        if (!byId.isEmpty() && byId.lastKey() != byId.size() - 1) {
            throw new TokenizerException(source + ": model.vocab: found " + byId.size() + " tokens with ids up to "
                    + byId.lastKey() + ", expected ids 0 to " + (byId.size() - 1));
        }
        return new ArrayList<>(byId.values());
    }

    private SpecialTokens special(List<String> tokens, @Nullable String bos, @Nullable String eos) {
        JsonNode added = json.path("added_tokens");
        if (!added.isArray()) {
            throw error("added_tokens", json.get("added_tokens"), "an array");
        }
        TreeMap<Integer, SpecialToken> byId = new TreeMap<>();
        for (int i = 0; i < added.size(); i++) {
            String key = "added_tokens[" + i + "]";
            JsonNode entry = added.get(i);
            for (String option : List.of("single_word", "lstrip", "rstrip", "normalized")) {
                if (entry.path(option).asBoolean(false)) {
                    throw error(key + "." + option, entry.get(option), "false");
                }
            }
            int id = id(key + ".id", entry.get("id"));
            String content = entry.path("content").stringValue("");
            if (id >= tokens.size() || !tokens.get(id).equals(content)) {
                throw error(key, entry, "a token of model.vocab with the same id");
            }
            byId.put(id, new SpecialToken(content, entry.path("special").asBoolean(false)));
        }
        return new SpecialTokens(List.copyOf(byId.values()), bos, eos);
    }

    private int id(String key, @Nullable JsonNode node) {
        if (node == null || !node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
            throw error(key, node, "an integer of at least 0");
        }
        return node.intValue();
    }

    private void requireNull(ObjectNode parent, String prefix, String key) {
        JsonNode node = parent.get(key);
        if (node != null && !node.isNull()) {
            throw error(prefix + key, node, "null: a character tokenizer has none");
        }
    }

    private TokenizerException error(String key, @Nullable JsonNode found, String expected) {
        return new TokenizerException(
                source + ": " + key + ": found " + Json.describe(found) + ", expected " + expected);
    }
}
