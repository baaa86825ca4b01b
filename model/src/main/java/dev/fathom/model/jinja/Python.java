package dev.fathom.model.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Values as Python has them: null is {@code None}; String, Boolean, Long, Double; List for lists and tuples; Map for
 * dictionaries; {@link Undefined} for what is not there.
 */
final class Python {
    /** A variable, attribute or item that does not exist. It is false and prints as nothing; everything else is an error. */
    record Undefined(String name) {}

    /** What {@code namespace()} makes: the one thing that {@code set} can change from inside a loop. */
    record Namespace(Map<String, @Nullable Object> fields) {}

    private Python() {}

    static boolean isTrue(@Nullable Object value) {
        return switch (value) {
            case null -> false;
            case Undefined undefined -> false;
            case Boolean b -> b;
            case String s -> !s.isEmpty();
            case Long l -> l != 0;
            case Double d -> d != 0;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> true;
        };
    }

    /** {@code str(value)}. */
    static String string(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Undefined undefined -> "";
            case String s -> s;
            default -> repr(value);
        };
    }

    /** {@code repr(value)}: what a string looks like inside a printed list. */
    private static String repr(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean b -> b ? "True" : "False";
            case String s -> quoted(s);
            case Long l -> l.toString();
            case Double d -> number(d);
            case List<?> list -> {
                List<String> parts = new ArrayList<>();
                list.forEach(element -> parts.add(repr(element)));
                yield "[" + String.join(", ", parts) + "]";
            }
            case Map<?, ?> map -> {
                List<String> parts = new ArrayList<>();
                map.forEach((key, element) -> parts.add(repr(key) + ": " + repr(element)));
                yield "{" + String.join(", ", parts) + "}";
            }
            default -> throw new TemplateException("a " + type(value) + " cannot be printed");
        };
    }

    private static String quoted(String text) {
        char quote = text.contains("'") && !text.contains("\"") ? '"' : '\'';
        String escaped = text.replace("\\", "\\\\")
                .replace("\n", "\\n")
                .replace("\r", "\\r")
                .replace("\t", "\\t")
                .replace(quote == '\'' ? "'" : "\u0000", quote == '\'' ? "\\'" : "\u0000");
        return quote + escaped + quote;
    }

    static String number(double value) {
        if (value == Math.rint(value) && Math.abs(value) < 1e16) {
            return (long) value + ".0";
        }
        return Double.toString(value).replace("E-", "e-").replace("E", "e+");
    }

    /** {@code ==}: numbers by value, true is 1. */
    static boolean equal(@Nullable Object left, @Nullable Object right) {
        if (isNumber(left) && isNumber(right)) {
            return left instanceof Double || right instanceof Double
                    ? decimal(left) == decimal(right)
                    : integer(left) == integer(right);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            if (a.size() != b.size()) {
                return false;
            }
            for (int i = 0; i < a.size(); i++) {
                if (!equal(a.get(i), b.get(i))) {
                    return false;
                }
            }
            return true;
        }
        if (left instanceof Undefined && right instanceof Undefined) {
            return true;
        }
        return Objects.equals(left, right);
    }

    /** Order of two numbers or two strings. */
    static int compare(@Nullable Object left, @Nullable Object right) {
        if (isNumber(left) && isNumber(right)) {
            return Double.compare(decimal(left), decimal(right));
        }
        if (left instanceof String a && right instanceof String b) {
            return a.compareTo(b);
        }
        throw new TemplateException("a " + type(left) + " and a " + type(right) + " have no order");
    }

    /** {@code element in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object element) {
        return switch (container) {
            case String text when element instanceof String part -> text.contains(part);
            case List<?> list -> list.stream().anyMatch(candidate -> equal(candidate, element));
            case Map<?, ?> map -> map.containsKey(element);
            case Undefined undefined -> false;
            case null, default ->
                throw new TemplateException("a " + type(element) + " cannot be looked for in a " + type(container));
        };
    }

    /** What a loop goes through: elements, keys or characters. */
    static List<@Nullable Object> elements(@Nullable Object value) {
        return switch (value) {
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String text -> {
                List<@Nullable Object> characters = new ArrayList<>();
                text.codePoints().forEach(c -> characters.add(Character.toString(c)));
                yield characters;
            }
            case Undefined undefined -> List.of();
            case null, default -> throw new TemplateException("a " + type(value) + " has no elements");
        };
    }

    static long length(@Nullable Object value) {
        return value instanceof String text
                ? text.codePointCount(0, text.length())
                : elements(value).size();
    }

    static boolean isNumber(@Nullable Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    static long integer(@Nullable Object value) {
        return switch (value) {
            case Long l -> l;
            case Boolean b -> b ? 1 : 0;
            case null, default -> throw new TemplateException("found a " + type(value) + ", expected an integer");
        };
    }

    static double decimal(@Nullable Object value) {
        return value instanceof Double d ? d : integer(value);
    }

    static String text(@Nullable Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw new TemplateException("found a " + type(value) + ", expected a string");
    }

    /** Python's name of a value's type. */
    static String type(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Undefined undefined -> "value that is not defined (" + undefined.name + ")";
            case String s -> "string";
            case Boolean b -> "bool";
            case Long l -> "int";
            case Double d -> "float";
            case List<?> list -> "list";
            case Map<?, ?> map -> "dictionary";
            default -> value.getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT);
        };
    }

    /** {@code json.dumps(value, ensure_ascii=False)}. */
    static String json(@Nullable Object value, int indent) {
        StringBuilder json = new StringBuilder();
        json(json, value, indent, 0);
        return json.toString();
    }

    private static void json(StringBuilder json, @Nullable Object value, int indent, int depth) {
        switch (value) {
            case null -> json.append("null");
            case Boolean b -> json.append(b);
            case Long l -> json.append(l);
            case Double d -> json.append(number(d));
            case String s -> jsonString(json, s);
            case List<?> list -> {
                String separator = "";
                json.append('[');
                for (Object element : list) {
                    json.append(separator);
                    newline(json, indent, depth + 1);
                    json(json, element, indent, depth + 1);
                    separator = indent < 0 ? ", " : ",";
                }
                if (!list.isEmpty()) {
                    newline(json, indent, depth);
                }
                json.append(']');
            }
            case Map<?, ?> map -> {
                String separator = "";
                json.append('{');
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    json.append(separator);
                    newline(json, indent, depth + 1);
                    jsonString(json, string(entry.getKey()));
                    json.append(": ");
                    json(json, entry.getValue(), indent, depth + 1);
                    separator = indent < 0 ? ", " : ",";
                }
                if (!map.isEmpty()) {
                    newline(json, indent, depth);
                }
                json.append('}');
            }
            default -> throw new TemplateException("a " + type(value) + " is no JSON");
        }
    }

    private static void newline(StringBuilder json, int indent, int depth) {
        if (indent >= 0) {
            json.append('\n').append(" ".repeat(indent * depth));
        }
    }

    private static void jsonString(StringBuilder json, String text) {
        json.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> json.append("\\\"");
                case '\\' -> json.append("\\\\");
                case '\n' -> json.append("\\n");
                case '\r' -> json.append("\\r");
                case '\t' -> json.append("\\t");
                case '\b' -> json.append("\\b");
                case '\f' -> json.append("\\f");
                default -> {
                    if (c < ' ') {
                        json.append("\\u%04x".formatted((int) c));
                    } else {
                        json.append(c);
                    }
                }
            }
        }
        json.append('"');
    }
}
