package dev.fathom.model.tokenizer;

import dev.fathom.model.files.Json;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Normalizers, pre-tokenizers and decoders in {@code tokenizer.json}; a component of another type is refused by name. */
final class ComponentJson {
    private ComponentJson() {}

    static @Nullable Normalizer normalizer(JsonField field) {
        return field.isNull() ? null : requiredNormalizer(field);
    }

    private static Normalizer requiredNormalizer(JsonField field) {
        switch (field.type()) {
            case "NFC" -> {
                field.requireOnly();
                return new Normalizer.Nfc();
            }
            case "Prepend" -> {
                field.requireOnly("prepend");
                return new Normalizer.Prepend(field.get("prepend").string());
            }
            case "Replace" -> {
                field.requireOnly("pattern", "content");
                field.get("pattern").requireOnly("String");
                return new Normalizer.Replace(
                        field.get("pattern").get("String").string(),
                        field.get("content").string());
            }
            case "Sequence" -> {
                field.requireOnly("normalizers");
                return new Normalizer.Sequence(field.get("normalizers").elements().stream()
                        .map(ComponentJson::requiredNormalizer)
                        .toList());
            }
            default -> throw field.error("a normalizer of type NFC, Prepend, Replace or Sequence");
        }
    }

    static ObjectNode write(Normalizer normalizer) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        switch (normalizer) {
            case Normalizer.Nfc nfc -> json.put("type", "NFC");
            case Normalizer.Prepend prepend -> json.put("type", "Prepend").put("prepend", prepend.prefix());
            case Normalizer.Replace replace -> {
                json.put("type", "Replace").putObject("pattern").put("String", replace.pattern());
                json.put("content", replace.content());
            }
            case Normalizer.Sequence sequence -> {
                ArrayNode steps = json.put("type", "Sequence").putArray("normalizers");
                sequence.steps().forEach(step -> steps.add(write(step)));
            }
        }
        return json;
    }

    static @Nullable PreTokenizer preTokenizer(JsonField field) {
        return field.isNull() ? null : requiredPreTokenizer(field);
    }

    private static PreTokenizer requiredPreTokenizer(JsonField field) {
        switch (field.type()) {
            case "Split" -> {
                field.requireOnly("pattern", "behavior", "invert");
                JsonField behavior = field.get("behavior");
                behavior.require(behavior.string().equals("Isolated"), "\"Isolated\"");
                field.get("invert").bool(false); // makes no difference where matches and the rest are both kept
                JsonField pattern = field.get("pattern");
                pattern.requireOnly("Regex", "String");
                boolean regex = !pattern.get("Regex").isNull();
                return new PreTokenizer.Split(
                        pattern.get(regex ? "Regex" : "String").string(), regex);
            }
            case "Digits" -> {
                field.requireOnly("individual_digits");
                return new PreTokenizer.Digits(field.get("individual_digits").bool(false));
            }
            case "ByteLevel" -> {
                field.requireOnly("add_prefix_space", "trim_offsets", "use_regex");
                return new PreTokenizer.ByteLevel(
                        field.get("add_prefix_space").bool(true),
                        field.get("use_regex").bool(true));
            }
            case "Sequence" -> {
                field.requireOnly("pretokenizers");
                List<PreTokenizer> steps = new ArrayList<>();
                for (JsonField step : field.get("pretokenizers").elements()) {
                    if (!steps.isEmpty() && steps.getLast().isByteLevel()) {
                        throw step.error("nothing behind ByteLevel");
                    }
                    steps.add(requiredPreTokenizer(step));
                }
                return new PreTokenizer.Sequence(steps);
            }
            default -> throw field.error("a pre-tokenizer of type Split, Digits, ByteLevel or Sequence");
        }
    }

    static ObjectNode write(PreTokenizer preTokenizer) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        switch (preTokenizer) {
            case PreTokenizer.Split split -> {
                json.put("type", "Split")
                        .putObject("pattern")
                        .put(split.isRegex() ? "Regex" : "String", split.pattern());
                json.put("behavior", "Isolated").put("invert", false);
            }
            case PreTokenizer.Digits digits -> json.put("type", "Digits").put("individual_digits", digits.individual());
            case PreTokenizer.ByteLevel bytes ->
                json.put("type", "ByteLevel")
                        .put("add_prefix_space", bytes.addPrefixSpace())
                        .put("trim_offsets", true)
                        .put("use_regex", bytes.useRegex());
            case PreTokenizer.Sequence sequence -> {
                ArrayNode steps = json.put("type", "Sequence").putArray("pretokenizers");
                sequence.steps().forEach(step -> steps.add(write(step)));
            }
        }
        return json;
    }

    /** {@code ByteLevel}, or the steps for a vocabulary of characters: {@code Replace}, {@code ByteFallback}, {@code Fuse}, {@code Strip}. */
    static TokenDecoder decoder(JsonField field) {
        if (field.type().equals("ByteLevel")) {
            return TokenDecoder.BYTE_LEVEL;
        }
        List<JsonField> steps =
                field.type().equals("Sequence") ? field.get("decoders").elements() : List.of(field);
        String space = null;
        boolean byteFallback = false;
        boolean fused = false;
        int strippedSpaces = 0;
        for (JsonField step : steps) {
            switch (step.type()) {
                case "Replace" -> {
                    step.require(space == null && !fused, "only one Replace, before Fuse");
                    step.get("content").require(step.get("content").string().equals(" "), "a space");
                    space = step.get("pattern").get("String").string();
                }
                case "ByteFallback" -> byteFallback = true;
                case "Fuse" -> fused = true;
                case "Strip" -> {
                    step.require(fused, "Strip behind Fuse");
                    step.get("content").require(step.get("content").string().equals(" "), "a space");
                    step.get("stop").require(step.get("stop").count() == 0, "0");
                    strippedSpaces = step.get("start").count();
                }
                default ->
                    throw step.error("a decoder of type ByteLevel, Replace, ByteFallback, Fuse, Strip or Sequence");
            }
        }
        field.require(fused, "a decoder with Fuse or ByteLevel, which put tokens together without spaces");
        return new TokenDecoder(false, space, byteFallback, strippedSpaces);
    }

    static ObjectNode write(TokenDecoder decoder) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        if (decoder.byteLevel()) {
            return json.put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", true)
                    .put("use_regex", true);
        }
        ArrayNode steps = json.put("type", "Sequence").putArray("decoders");
        if (decoder.space() != null) {
            ObjectNode replace = steps.addObject().put("type", "Replace");
            replace.putObject("pattern").put("String", decoder.space());
            replace.put("content", " ");
        }
        if (decoder.byteFallback()) {
            steps.addObject().put("type", "ByteFallback");
        }
        steps.addObject().put("type", "Fuse");
        if (decoder.strippedSpaces() > 0) {
            steps.addObject()
                    .put("type", "Strip")
                    .put("content", " ")
                    .put("start", decoder.strippedSpaces())
                    .put("stop", 0);
        }
        return json;
    }
}
