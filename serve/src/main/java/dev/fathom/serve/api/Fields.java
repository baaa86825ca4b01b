package dev.fathom.serve.api;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.BiFunction;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The fields of a JSON object, read one by one. {@code null} is the same as missing, as in OpenAI's clients. Every method throws an
 * {@link ApiException} that names the field by its path.
 *
 * @param object the object
 * @param path of the object, empty for the request itself
 */
record Fields(ObjectNode object, String path) {
    static Fields of(ObjectNode request) {
        return new Fields(request, "");
    }

    /** The path of a field. */
    String path(String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    /** @throws ApiException for a field that is not among these */
    void requireKnown(Set<String> known) {
        for (String name : object.propertyNames()) {
            if (!known.contains(name)) {
                throw ApiException.unknown(path(name), "Unrecognized request argument supplied: " + path(name));
            }
        }
    }

    private Optional<JsonNode> find(String name) {
        JsonNode node = object.get(name);
        return node == null || node.isNull() ? Optional.empty() : Optional.of(node);
    }

    boolean has(String name) {
        return find(name).isPresent();
    }

    Optional<String> string(String name) {
        return find(name).map(node -> {
            if (!node.isString()) {
                throw ApiException.expected(path(name), "a string", describe(node));
            }
            return node.asString();
        });
    }

    String requireString(String name) {
        return string(name).orElseThrow(() -> ApiException.missing(path(name)));
    }

    /** One of several words. */
    Optional<String> word(String name, List<String> words) {
        Optional<String> found = string(name);
        found.filter(word -> !words.contains(word)).ifPresent(word -> {
            throw ApiException.expected(path(name), "one of " + words, "\"" + word + "\"");
        });
        return found;
    }

    /** @throws ApiException unless the field is this word */
    void requireWord(String name, String word) {
        if (word(name, List.of(word)).isEmpty()) {
            throw ApiException.missing(path(name));
        }
    }

    Optional<Boolean> bool(String name) {
        return find(name).map(node -> {
            if (!node.isBoolean()) {
                throw ApiException.expected(path(name), "true or false", describe(node));
            }
            return node.asBoolean();
        });
    }

    boolean isTrue(String name) {
        return bool(name).orElse(false);
    }

    OptionalLong integer(String name, long least, long most) {
        Optional<JsonNode> found = find(name);
        if (found.isEmpty()) {
            return OptionalLong.empty();
        }
        JsonNode node = found.get();
        String range = "an integer from " + least + " to " + most;
        if (!node.isNumber()) {
            throw ApiException.expected(path(name), range, describe(node));
        }
        BigDecimal value = node.decimalValue();
        boolean whole = value.stripTrailingZeros().scale() <= 0;
        if (!whole || value.compareTo(BigDecimal.valueOf(least)) < 0 || value.compareTo(BigDecimal.valueOf(most)) > 0) {
            throw ApiException.expected(path(name), range, node);
        }
        return OptionalLong.of(value.longValueExact());
    }

    OptionalInt smallInteger(String name, int least, int most) {
        OptionalLong value = integer(name, least, most);
        return value.isPresent() ? OptionalInt.of((int) value.getAsLong()) : OptionalInt.empty();
    }

    OptionalDouble number(String name, double least, double most) {
        Optional<JsonNode> found = find(name);
        if (found.isEmpty()) {
            return OptionalDouble.empty();
        }
        JsonNode node = found.get();
        double value = node.isNumber() ? node.asDouble() : Double.NaN;
        if (!(value >= least && value <= most)) {
            throw ApiException.expected(
                    path(name), "a number from " + plain(least) + " to " + plain(most), describe(node));
        }
        return OptionalDouble.of(value);
    }

    Optional<Fields> object(String name) {
        return find(name).map(node -> asObject(node, path(name)));
    }

    /** The elements of an array of objects; none if it is missing. */
    List<Fields> objects(String name) {
        return elements(name, Fields::asObject);
    }

    /** A string, or an array of strings. */
    List<String> strings(String name, int most) {
        Optional<JsonNode> found = find(name);
        if (found.isPresent() && found.get().isString()) {
            return List.of(found.get().asString());
        }
        List<String> all = elements(name, (node, at) -> {
            if (!node.isString()) {
                throw ApiException.expected(at, "a string", describe(node));
            }
            return node.asString();
        });
        if (all.size() > most) {
            throw ApiException.expected(path(name), "at most " + most + " strings", all.size());
        }
        return all;
    }

    private <T> List<T> elements(String name, BiFunction<JsonNode, String, T> read) {
        Optional<JsonNode> found = find(name);
        if (found.isEmpty()) {
            return List.of();
        }
        if (!(found.get() instanceof ArrayNode array)) {
            throw ApiException.expected(path(name), "an array", describe(found.get()));
        }
        List<T> elements = new ArrayList<>(array.size());
        for (int i = 0; i < array.size(); i++) {
            elements.add(read.apply(array.get(i), path(name) + "[" + i + "]"));
        }
        return elements;
    }

    boolean isString(String name) {
        return find(name).map(JsonNode::isString).orElse(false);
    }

    boolean isArray(String name) {
        return find(name).map(JsonNode::isArray).orElse(false);
    }

    /** The value as it is. */
    Optional<JsonNode> any(String name) {
        return find(name);
    }

    private static Fields asObject(JsonNode node, String at) {
        if (node instanceof ObjectNode object) {
            return new Fields(object, at);
        }
        throw ApiException.expected(at, "an object", describe(node));
    }

    /** A value in an error, short. */
    private static String describe(JsonNode node) {
        String text = node.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private static String plain(double value) {
        return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
    }
}
