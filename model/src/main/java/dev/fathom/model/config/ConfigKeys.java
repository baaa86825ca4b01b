package dev.fathom.model.config;

import dev.fathom.model.files.Json;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Takes typed values out of a JSON object and remembers which keys nobody asked for. JSON null counts as absent. */
final class ConfigKeys {
    private final String prefix;
    private final ObjectNode json;
    private final Set<String> untouched;

    ConfigKeys(String prefix, ObjectNode json) {
        this.prefix = prefix;
        this.json = json;
        this.untouched = new TreeSet<>(json.propertyNames());
    }

    static ConfigKeys of(String key, JsonNode node) {
        if (node instanceof ObjectNode object) {
            return new ConfigKeys(key + ".", object);
        }
        throw ConfigException.of(key, Json.describe(node), "an object or null");
    }

    /** The key as an error message names it. */
    String name(String key) {
        return prefix + key;
    }

    void skip(String key) {
        untouched.remove(key);
    }

    @Nullable
    JsonNode take(String key) {
        untouched.remove(key);
        JsonNode node = json.get(key);
        return node == null || node.isNull() ? null : node;
    }

    private JsonNode require(String key, String expected) {
        JsonNode node = take(key);
        if (node == null) {
            throw ConfigException.of(name(key), json.has(key) ? "null" : "no such key", expected);
        }
        return node;
    }

    int integer(String key) {
        return toInteger(key, require(key, "an integer"));
    }

    int integer(String key, int absent) {
        JsonNode node = take(key);
        return node == null ? absent : toInteger(key, node);
    }

    @Nullable
    Integer integerOrNull(String key) {
        JsonNode node = take(key);
        return node == null ? null : Integer.valueOf(toInteger(key, node));
    }

    /** A token id, or the first of several: models that stop at more than one token say so in a list. */
    @Nullable
    Integer token(String key) {
        JsonNode node = take(key);
        if (node != null && node.isArray() && !node.isEmpty()) {
            node = node.get(0);
        }
        return node == null ? null : Integer.valueOf(toInteger(key, node));
    }

    /**
     * {@code quantization_config}: none, or DeepSeek's FP8. The tensors' own types say which of them are FP8, so it is only checked.
     *
     * @throws ConfigException for any other quantization
     */
    void quantization() {
        JsonNode node = take("quantization_config");
        if (node == null) {
            return;
        }
        ConfigKeys keys = of("quantization_config", node);
        String method = keys.text("quant_method", null);
        if (!method.equals("fp8")) {
            throw ConfigException.of(
                    keys.name("quant_method"),
                    "\"" + method + "\"",
                    "\"fp8\": no other quantization of safetensors is supported");
        }
        keys.fixedText("fmt", "e4m3");
        keys.choiceOf("scale_fmt", "ue8m0", "float");
        keys.skip("activation_scheme"); // activations stay f32 here
        keys.skip("modules_to_not_convert");
        JsonNode blocks = keys.take("weight_block_size");
        if (blocks == null || !blocks.toString().equals("[128,128]")) {
            throw ConfigException.of(keys.name("weight_block_size"), Json.describe(blocks), "[128,128]");
        }
        keys.refuseRest();
    }

    private void choiceOf(String key, String... allowed) {
        String found = text(key, allowed[0]);
        if (!Arrays.asList(allowed).contains(found)) {
            throw ConfigException.of(
                    name(key), "\"" + found + "\"", "one of \"" + String.join("\", \"", allowed) + "\"");
        }
    }

    private int toInteger(String key, JsonNode node) {
        // 4096.0 is no integer in JSON as Python writes it; a float where a size belongs is somebody's mistake.
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw ConfigException.of(name(key), Json.describe(node), "an integer");
        }
        return node.intValue();
    }

    double number(String key) {
        return toNumber(key, require(key, "a number"));
    }

    double number(String key, double absent) {
        JsonNode node = take(key);
        return node == null ? absent : toNumber(key, node);
    }

    private double toNumber(String key, JsonNode node) {
        if (!node.isNumber()) {
            throw ConfigException.of(name(key), Json.describe(node), "a number");
        }
        return node.doubleValue();
    }

    boolean bool(String key, boolean absent) {
        JsonNode node = take(key);
        if (node == null) {
            return absent;
        }
        if (!node.isBoolean()) {
            throw ConfigException.of(name(key), Json.describe(node), "true or false");
        }
        return node.booleanValue();
    }

    /** @param absent value of a missing key; null if the key is required */
    String text(String key, @Nullable String absent) {
        JsonNode node = take(key);
        if (node == null) {
            if (absent != null) {
                return absent;
            }
            throw ConfigException.of(name(key), json.has(key) ? "null" : "no such key", "a string");
        }
        if (!node.isString()) {
            throw ConfigException.of(name(key), Json.describe(node), "a string");
        }
        return node.stringValue();
    }

    <E extends Enum<E>> E choice(String key, E[] values, E absent) {
        String found = text(key, absent.name().toLowerCase(Locale.ROOT));
        for (E value : values) {
            if (value.name().toLowerCase(Locale.ROOT).equals(found)) {
                return value;
            }
        }
        throw ConfigException.of(name(key), "\"" + found + "\"", "one of " + DeepseekConfig.choices(values));
    }

    void fixedInteger(String key, int only, String because) {
        int found = integer(key, only);
        if (found != only) {
            throw ConfigException.of(name(key), found, only + " (" + because + ")");
        }
    }

    void fixedNumber(String key, double only) {
        double found = number(key, only);
        if (found != only) {
            throw ConfigException.of(name(key), found, only + ": no other value is supported");
        }
    }

    void fixedBoolean(String key, boolean only) {
        if (bool(key, only) != only) {
            throw ConfigException.of(name(key), !only, only + ": no other value is supported");
        }
    }

    void fixedText(String key, String only) {
        String found = text(key, only);
        if (!found.equals(only)) {
            throw ConfigException.of(name(key), "\"" + found + "\"", "\"" + only + "\": no other value is supported");
        }
    }

    /** Every key nobody took is unknown. */
    void refuseRest() {
        if (!untouched.isEmpty()) {
            String key = untouched.iterator().next();
            throw new ConfigException(
                    name(key) + ": unknown key with value " + Json.describe(json.get(key))
                            + "; it may change what the model computes, so it is refused"
                            + (untouched.size() > 1 ? " (all unknown keys: " + String.join(", ", untouched) + ")" : ""),
                    null);
        }
    }
}
