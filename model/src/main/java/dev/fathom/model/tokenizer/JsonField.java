package dev.fathom.model.tokenizer;

import dev.fathom.model.files.Json;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A value in a {@code tokenizer.json} and where it stands, for errors that name it.
 *
 * @param path such as {@code pre_tokenizer.pretokenizers[1]}
 * @param node the value, null if there is none
 */
record JsonField(String path, @Nullable JsonNode node) {
    JsonField get(String key) {
        return new JsonField(path.isEmpty() ? key : path + "." + key, node == null ? null : node.get(key));
    }

    /** Absent or null. */
    boolean isNull() {
        return node == null || node.isNull();
    }

    List<JsonField> elements() {
        if (node == null || !node.isArray()) {
            throw error("an array");
        }
        List<JsonField> elements = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            elements.add(new JsonField(path + "[" + i + "]", node.get(i)));
        }
        return elements;
    }

    String string() {
        if (node == null || !node.isString()) {
            throw error("a string");
        }
        return node.stringValue();
    }

    boolean bool(boolean missing) {
        if (isNull()) {
            return missing;
        }
        if (node == null || !node.isBoolean()) {
            throw error("true or false");
        }
        return node.booleanValue();
    }

    /** An integer of at least 0. */
    int count() {
        if (node == null || !node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
            throw error("an integer of at least 0");
        }
        return node.intValue();
    }

    /** The {@code type} of a component, empty if it has none. */
    String type() {
        return node == null ? "" : node.path("type").stringValue("");
    }

    /** Refuses keys that nobody here would look at. */
    void requireOnly(String... known) {
        if (node == null || !node.isObject()) {
            throw error("an object");
        }
        List<String> keys = List.of(known);
        for (String key : node.propertyNames()) {
            if (!keys.contains(key) && !key.equals("type")) {
                throw get(key).error("no such key");
            }
        }
    }

    /** Refuses any value but one. */
    void require(boolean isAsExpected, String expected) {
        if (!isAsExpected) {
            throw error(expected);
        }
    }

    TokenizerException error(String expected) {
        return new TokenizerException(path + ": found " + Json.describe(node) + ", expected " + expected);
    }
}
