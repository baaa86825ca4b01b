package dev.fathom.model.tokenizer;

import dev.fathom.model.files.Json;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code tokenizer.json} with a BPE model. Whatever is in the file and would change ids or text is either understood or refused
 * by name; {@code truncation} and {@code padding} are about batches, not about tokens, and have no effect here.
 */
final class BytePairJson {
    /** Ids up to here: a mistyped id must not ask for gigabytes. */
    private static final int HIGHEST_ID = 1 << 24;

    private BytePairJson() {}

    static BytePairDefinition read(ObjectNode json, String source, @Nullable String bos, @Nullable String eos) {
        JsonField file = new JsonField("", json);
        file.requireOnly(
                "version",
                "truncation",
                "padding",
                "added_tokens",
                "normalizer",
                "pre_tokenizer",
                "post_processor",
                "decoder",
                "model");
        JsonField model = file.get("model");
        model.requireOnly(
                "dropout",
                "unk_token",
                "continuing_subword_prefix",
                "end_of_word_suffix",
                "fuse_unk",
                "byte_fallback",
                "ignore_merges",
                "vocab",
                "merges");
        model.get("type").require(model.type().equals("BPE"), "\"BPE\"; models of other types are not supported");
        requireNone(model.get("dropout"));
        requireNone(model.get("continuing_subword_prefix"));
        requireNone(model.get("end_of_word_suffix"));
        PreTokenizer preTokenizer = ComponentJson.preTokenizer(file.get("pre_tokenizer"));
        JsonField unknown = model.get("unk_token");
        BytePairModel.Options options = new BytePairModel.Options(
                preTokenizer != null && preTokenizer.isByteLevel(),
                model.get("ignore_merges").bool(false),
                model.get("byte_fallback").bool(false),
                unknown.isNull() ? null : unknown.string(),
                model.get("fuse_unk").bool(false));
        Vocabulary vocabulary = vocabulary(model.get("vocab"));
        List<AddedToken> added = addedTokens(file.get("added_tokens"), vocabulary);
        addRole(added, bos, vocabulary);
        addRole(added, eos, vocabulary);
        added.sort(Comparator.comparingInt(AddedToken::id));
        List<AddedToken> before = new ArrayList<>();
        List<AddedToken> after = new ArrayList<>();
        postProcessor(file.get("post_processor"), added, before, after);
        return new BytePairDefinition(
                vocabulary,
                merges(model.get("merges"), vocabulary),
                options,
                ComponentJson.normalizer(file.get("normalizer")),
                preTokenizer,
                added,
                before,
                after,
                ComponentJson.decoder(file.get("decoder")),
                bos,
                eos);
    }

    /** Null, or nothing in other words. */
    private static void requireNone(JsonField field) {
        JsonNode node = field.node();
        field.require(
                field.isNull() || (node != null && (node.asString("x").isEmpty() || node.asDouble(1) == 0)), "null");
    }

    private static Vocabulary vocabulary(JsonField field) {
        JsonNode node = field.node();
        if (!(node instanceof ObjectNode object)) {
            throw field.error("an object of token to id");
        }
        @Nullable String[] tokens = new @Nullable String[object.size()];
        int size = 0;
        for (Map.Entry<String, JsonNode> entry : object.properties()) {
            JsonField value = new JsonField(field.path() + "[\"" + entry.getKey() + "\"]", entry.getValue());
            int id = value.count();
            value.require(id <= HIGHEST_ID, "an id of at most " + HIGHEST_ID);
            if (id >= tokens.length) {
                tokens = Arrays.copyOf(tokens, Math.max(id + 1, 2 * tokens.length));
            }
            if (tokens[id] != null) {
                throw value.error("an id of its own, it is also the id of \"" + tokens[id] + "\"");
            }
            tokens[id] = entry.getKey();
            size = Math.max(size, id + 1);
        }
        return new Vocabulary(Arrays.asList(tokens).subList(0, size));
    }

    /** Merges are pairs, or in older files strings with a space between the two. */
    private static MergeTable merges(JsonField field, Vocabulary vocabulary) {
        JsonNode node = field.node();
        if (node == null || !node.isArray()) {
            throw field.error("an array");
        }
        MergeTableBuilder merges = new MergeTableBuilder(vocabulary, node.size());
        for (int rank = 0; rank < node.size(); rank++) {
            JsonNode merge = node.get(rank);
            String left;
            String right;
            if (merge.isArray() && merge.size() == 2) {
                left = merge.get(0).stringValue("");
                right = merge.get(1).stringValue("");
            } else {
                String text = merge.stringValue("");
                int space = text.indexOf(' ');
                left = space < 0 ? "" : text.substring(0, space);
                right = text.substring(space + 1);
            }
            if (!merges.add(left, right, rank)) {
                throw new JsonField(field.path() + "[" + rank + "]", merge)
                        .error("two tokens of the vocabulary that together are a third");
            }
        }
        return merges.build();
    }

    private static List<AddedToken> addedTokens(JsonField field, Vocabulary vocabulary) {
        List<AddedToken> added = new ArrayList<>();
        if (field.isNull()) {
            return added;
        }
        Set<String> contents = new HashSet<>();
        Set<Integer> ids = new HashSet<>();
        for (JsonField entry : field.elements()) {
            entry.requireOnly("id", "content", "special", "single_word", "lstrip", "rstrip", "normalized");
            int id = entry.get("id").count();
            String content = entry.get("content").string();
            entry.require(id <= HIGHEST_ID, "an id of at most " + HIGHEST_ID);
            String other = vocabulary.find(id);
            int known = vocabulary.id(content);
            entry.require(
                    (other == null || other.equals(content)) && (known < 0 || known == id),
                    "the id that the token has in model.vocab, or one that no other token has there");
            entry.require(contents.add(content) && ids.add(id), "every token and every id once");
            added.add(new AddedToken(
                    id,
                    content,
                    entry.get("special").bool(false),
                    entry.get("single_word").bool(false),
                    entry.get("lstrip").bool(false),
                    entry.get("rstrip").bool(false),
                    entry.get("normalized").bool(false)));
        }
        return added;
    }

    /** A token that has a role is an added one, whether the file says so or not; so it is in transformers. */
    static void addRole(List<AddedToken> added, @Nullable String role, Vocabulary vocabulary) {
        if (role != null && added.stream().noneMatch(token -> token.content().equals(role))) {
            int id = vocabulary.id(role);
            if (id >= 0) {
                added.add(AddedToken.plain(id, role, true));
            }
        }
    }

    /** What surrounds a text: {@code TemplateProcessing} for a single one. {@code ByteLevel} is about offsets alone. */
    private static void postProcessor(
            JsonField field, List<AddedToken> added, List<AddedToken> before, List<AddedToken> after) {
        if (field.isNull()) {
            return;
        }
        switch (field.type()) {
            case "ByteLevel" -> {}
            case "Sequence" -> {
                for (JsonField step : field.get("processors").elements()) {
                    postProcessor(step, added, before, after);
                }
            }
            case "TemplateProcessing" -> {
                field.require(before.isEmpty() && after.isEmpty(), "only one TemplateProcessing");
                boolean behind = false;
                for (JsonField part : field.get("single").elements()) {
                    if (!part.get("Sequence").isNull()) {
                        part.require(!behind, "the text only once");
                        behind = true;
                    } else {
                        String token = part.get("SpecialToken").get("id").string();
                        AddedToken known = added.stream()
                                .filter(candidate -> candidate.content().equals(token))
                                .findFirst()
                                .orElseThrow(() -> part.error("one of added_tokens"));
                        (behind ? after : before).add(known);
                    }
                }
            }
            default -> throw field.error("a post-processor of type TemplateProcessing, ByteLevel or Sequence");
        }
    }

    static ObjectNode write(BytePairDefinition definition) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = json.putArray("added_tokens");
        for (AddedToken token : definition.added()) {
            added.addObject()
                    .put("id", token.id())
                    .put("content", token.content())
                    .put("single_word", token.singleWord())
                    .put("lstrip", token.leftStrip())
                    .put("rstrip", token.rightStrip())
                    .put("normalized", token.normalized())
                    .put("special", token.special());
        }
        Normalizer normalizer = definition.normalizer();
        json.set("normalizer", normalizer == null ? null : ComponentJson.write(normalizer));
        PreTokenizer preTokenizer = definition.preTokenizer();
        json.set("pre_tokenizer", preTokenizer == null ? null : ComponentJson.write(preTokenizer));
        json.set("post_processor", postProcessor(definition));
        json.set("decoder", ComponentJson.write(definition.decoder()));
        BytePairModel.Options options = definition.options();
        ObjectNode model = json.putObject("model");
        model.put("type", "BPE")
                .putNull("dropout")
                .put("unk_token", options.unknown())
                .putNull("continuing_subword_prefix")
                .putNull("end_of_word_suffix")
                .put("fuse_unk", options.fuseUnknown())
                .put("byte_fallback", options.byteFallback())
                .put("ignore_merges", options.ignoreMerges());
        Vocabulary vocabulary = definition.vocabulary();
        ObjectNode ids = model.putObject("vocab");
        for (int id = 0; id < vocabulary.size(); id++) {
            String token = vocabulary.find(id);
            if (token != null) {
                ids.put(token, id);
            }
        }
        MergeTable table = definition.merges();
        ArrayNode merges = model.putArray("merges");
        IntStream.range(0, table.size())
                .boxed()
                .sorted(Comparator.comparingInt(table::rank))
                .forEach(i ->
                        merges.addArray().add(vocabulary.find(table.left(i))).add(vocabulary.find(table.right(i))));
        return json;
    }

    private static @Nullable ObjectNode postProcessor(BytePairDefinition definition) {
        if (definition.before().isEmpty() && definition.after().isEmpty()) {
            return null;
        }
        ObjectNode json = Json.MAPPER.createObjectNode().put("type", "TemplateProcessing");
        surround(json.putArray("single"), definition, "A");
        ArrayNode pair = json.putArray("pair");
        surround(pair, definition, "A");
        surround(pair, definition, "B");
        ObjectNode special = json.putObject("special_tokens");
        for (List<AddedToken> side : List.of(definition.before(), definition.after())) {
            for (AddedToken token : side) {
                ObjectNode entry = special.putObject(token.content()).put("id", token.content());
                entry.putArray("ids").add(token.id());
                entry.putArray("tokens").add(token.content());
            }
        }
        return json;
    }

    private static void surround(ArrayNode template, BytePairDefinition definition, String text) {
        int type = text.equals("A") ? 0 : 1;
        definition.before().forEach(token -> special(template, token, type));
        template.addObject().putObject("Sequence").put("id", text).put("type_id", type);
        definition.after().forEach(token -> special(template, token, type));
    }

    private static void special(ArrayNode template, AddedToken token, int type) {
        template.addObject()
                .putObject("SpecialToken")
                .put("id", token.content())
                .put("type_id", type);
    }
}
