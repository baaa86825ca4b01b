package dev.fathom.model.jinja;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The tests behind {@code is}. */
final class Tests {
    static final Set<String> NAMES = Set.of(
            "defined",
            "undefined",
            "none",
            "string",
            "number",
            "integer",
            "float",
            "boolean",
            "true",
            "false",
            "mapping",
            "sequence",
            "iterable",
            "odd",
            "even",
            "divisibleby",
            "eq",
            "equalto",
            "ne",
            "in",
            "lt",
            "le",
            "gt",
            "ge");

    private Tests() {}

    static boolean test(String name, @Nullable Object value, Values arguments) {
        Object other = arguments.get(0, "other", null);
        return switch (name) {
            case "defined" -> !(value instanceof Python.Undefined);
            case "undefined" -> value instanceof Python.Undefined;
            case "none" -> value == null;
            case "string" -> value instanceof String;
            case "number" -> Python.isNumber(value);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "boolean" -> value instanceof Boolean;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "mapping" -> value instanceof Map<?, ?>;
            case "sequence", "iterable" ->
                value instanceof List<?> || value instanceof Map<?, ?> || value instanceof String;
            case "odd" -> Math.floorMod(Python.integer(value), 2) == 1;
            case "even" -> Math.floorMod(Python.integer(value), 2) == 0;
            case "divisibleby" -> Python.integer(value) % Python.integer(other) == 0;
            case "eq", "equalto" -> Python.equal(value, other);
            case "ne" -> !Python.equal(value, other);
            case "in" -> Python.contains(other, value);
            case "lt" -> Python.compare(value, other) < 0;
            case "le" -> Python.compare(value, other) <= 0;
            case "gt" -> Python.compare(value, other) > 0;
            case "ge" -> Python.compare(value, other) >= 0;
            default -> throw new TemplateException("the test \"" + name + "\" is not supported");
        };
    }
}
