package dev.fathom.model.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The filters behind {@code |}. */
final class Filters {
    static final Set<String> NAMES = Set.of(
            "trim",
            "length",
            "count",
            "upper",
            "lower",
            "title",
            "capitalize",
            "default",
            "d",
            "join",
            "first",
            "last",
            "list",
            "string",
            "int",
            "float",
            "abs",
            "tojson",
            "items",
            "replace",
            "reverse",
            "safe",
            "indent",
            "selectattr",
            "rejectattr",
            "select",
            "reject",
            "map");

    private Filters() {}

    static @Nullable Object apply(String name, @Nullable Object value, Values arguments) {
        return switch (name) {
            case "trim" -> Methods.strip(Python.string(value), arguments, true, true);
            case "length", "count" -> Python.length(value);
            case "upper" -> Python.string(value).toUpperCase(java.util.Locale.ROOT);
            case "lower" -> Python.string(value).toLowerCase(java.util.Locale.ROOT);
            case "title" -> Methods.title(Python.string(value));
            case "capitalize" -> Methods.capitalize(Python.string(value));
            case "default", "d" -> {
                boolean falseToo = Python.isTrue(arguments.get(1, "boolean", false));
                boolean missing = value instanceof Python.Undefined || (falseToo && !Python.isTrue(value));
                yield missing ? arguments.get(0, "default_value", "") : value;
            }
            case "join" ->
                String.join(
                        Python.string(arguments.get(0, "d", "")),
                        Python.elements(value).stream().map(Python::string).toList());
            case "first" ->
                Python.length(value) == 0
                        ? new Python.Undefined("first")
                        : Python.elements(value).getFirst();
            case "last" ->
                Python.length(value) == 0
                        ? new Python.Undefined("last")
                        : Python.elements(value).getLast();
            case "list" -> Python.elements(value);
            case "string" -> Python.string(value);
            case "int" -> toInteger(value, arguments.get(0, "default", 0L));
            case "float" -> toDecimal(value, arguments.get(0, "default", 0.0));
            case "abs" -> value instanceof Double d ? (Object) Math.abs(d) : (Object) Math.abs(Python.integer(value));
            case "tojson" -> {
                Object indent = arguments.get(0, "indent", null);
                yield Python.json(value, indent == null ? -1 : Math.toIntExact(Python.integer(indent)));
            }
            case "items" -> value instanceof Map<?, ?> map ? Methods.items(map) : Python.elements(value);
            case "replace" -> Methods.replace(Python.string(value), arguments);
            case "reverse" ->
                value instanceof String text
                        ? new StringBuilder(text).reverse().toString()
                        : Python.elements(value).reversed();
            case "safe" -> value;
            case "indent" -> indent(Python.string(value), arguments);
            case "selectattr" -> filterByAttribute(value, arguments, true);
            case "rejectattr" -> filterByAttribute(value, arguments, false);
            case "select" -> filter(value, arguments, true);
            case "reject" -> filter(value, arguments, false);
            case "map" -> map(value, arguments);
            default -> throw new TemplateException("the filter \"" + name + "\" is not supported");
        };
    }

    private static @Nullable Object toInteger(@Nullable Object value, @Nullable Object otherwise) {
        try {
            return switch (value) {
                case Double d -> d.longValue();
                case String text -> Long.parseLong(text.strip());
                case null, default -> Python.integer(value);
            };
        } catch (NumberFormatException | TemplateException e) {
            return otherwise;
        }
    }

    private static @Nullable Object toDecimal(@Nullable Object value, @Nullable Object otherwise) {
        try {
            return value instanceof String text ? Double.parseDouble(text.strip()) : Python.decimal(value);
        } catch (NumberFormatException | TemplateException e) {
            return otherwise;
        }
    }

    private static String indent(String text, Values arguments) {
        Object width = arguments.get(0, "width", 4L);
        String spaces = width instanceof String s ? s : " ".repeat(Math.toIntExact(Python.integer(width)));
        boolean first = Python.isTrue(arguments.get(1, "first", false));
        boolean blank = Python.isTrue(arguments.get(2, "blank", false));
        String[] lines = text.split("\n", -1);
        for (int i = 0; i < lines.length; i++) {
            if (i == 0 ? first : blank || !lines[i].isEmpty()) {
                lines[i] = spaces + lines[i];
            }
        }
        return String.join("\n", lines);
    }

    private static List<@Nullable Object> filterByAttribute(@Nullable Object value, Values arguments, boolean keep) {
        String attribute = arguments.text(0, "attribute");
        return filter(value, arguments, 1, keep, element -> Interpreter.item(element, attribute));
    }

    private static List<@Nullable Object> filter(@Nullable Object value, Values arguments, boolean keep) {
        return filter(value, arguments, 0, keep, element -> element);
    }

    /** Looks at something about a value. */
    private interface View {
        @Nullable
        Object of(@Nullable Object element);
    }

    /** Keeps or drops the elements that pass a test, which is the argument at a position; without one, those that are true. */
    private static List<@Nullable Object> filter(
            @Nullable Object value, Values arguments, int testAt, boolean keep, View view) {
        List<@Nullable Object> result = new ArrayList<>();
        boolean tests = testAt < arguments.positional().size();
        String test = tests ? Python.text(arguments.positional().get(testAt)) : "";
        Values others = new Values(
                tests
                        ? arguments
                                .positional()
                                .subList(testAt + 1, arguments.positional().size())
                        : List.of(),
                Map.of());
        for (Object element : Python.elements(value)) {
            Object seen = view.of(element);
            if ((tests ? Tests.test(test, seen, others) : Python.isTrue(seen)) == keep) {
                result.add(element);
            }
        }
        return result;
    }

    /** {@code map('upper')} and {@code map(attribute='name')}. */
    private static List<@Nullable Object> map(@Nullable Object value, Values arguments) {
        List<@Nullable Object> result = new ArrayList<>();
        Object attribute = arguments.named().get("attribute");
        for (Object element : Python.elements(value)) {
            if (attribute != null) {
                Object found = Interpreter.item(element, attribute);
                boolean missing = found instanceof Python.Undefined;
                result.add(
                        missing && arguments.named().containsKey("default")
                                ? arguments.named().get("default")
                                : found);
            } else {
                List<@Nullable Object> rest =
                        arguments.positional().subList(1, arguments.positional().size());
                result.add(apply(arguments.text(0, "filter"), element, new Values(rest, arguments.named())));
            }
        }
        return result;
    }
}
