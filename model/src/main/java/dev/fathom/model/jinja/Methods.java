package dev.fathom.model.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's strings and dictionaries that templates call. */
final class Methods {
    private Methods() {}

    static @Nullable Object call(@Nullable Object of, String method, Values arguments) {
        return switch (of) {
            case String text -> ofString(text, method, arguments);
            case Map<?, ?> map -> ofMap(map, method, arguments);
            case null, default ->
                throw new TemplateException("a " + Python.type(of) + " has no method \"" + method + "\"");
        };
    }

    private static @Nullable Object ofMap(Map<?, ?> map, String method, Values arguments) {
        return switch (method) {
            case "items" -> items(map);
            case "keys" -> new ArrayList<@Nullable Object>(map.keySet());
            case "values" -> new ArrayList<@Nullable Object>(map.values());
            case "get" -> {
                Object key = arguments.get(0, "key", null);
                yield map.containsKey(key) ? map.get(key) : arguments.get(1, "default", null);
            }
            default -> throw new TemplateException("a dictionary's method \"" + method + "\" is not supported");
        };
    }

    static List<@Nullable Object> items(Map<?, ?> map) {
        List<@Nullable Object> items = new ArrayList<>();
        map.forEach((key, value) -> {
            List<@Nullable Object> item = new ArrayList<>();
            item.add(key);
            item.add(value);
            items.add(item);
        });
        return items;
    }

    private static @Nullable Object ofString(String text, String method, Values arguments) {
        return switch (method) {
            case "strip" -> strip(text, arguments, true, true);
            case "lstrip" -> strip(text, arguments, true, false);
            case "rstrip" -> strip(text, arguments, false, true);
            case "split" -> split(text, arguments);
            case "rsplit" -> rsplit(text, arguments);
            case "splitlines" -> new ArrayList<@Nullable Object>(text.lines().toList());
            case "startswith" -> anyOf(arguments.get(0, "prefix", null), text::startsWith);
            case "endswith" -> anyOf(arguments.get(0, "suffix", null), text::endsWith);
            case "upper" -> text.toUpperCase(java.util.Locale.ROOT);
            case "lower" -> text.toLowerCase(java.util.Locale.ROOT);
            case "title" -> title(text);
            case "capitalize" -> capitalize(text);
            case "replace" -> replace(text, arguments);
            case "removeprefix" -> {
                String prefix = arguments.text(0, "prefix");
                yield text.startsWith(prefix) ? text.substring(prefix.length()) : text;
            }
            case "removesuffix" -> {
                String suffix = arguments.text(0, "suffix");
                yield text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
            }
            case "find" -> (long) text.indexOf(arguments.text(0, "sub"));
            case "rfind" -> (long) text.lastIndexOf(arguments.text(0, "sub"));
            case "count" -> (long) (text.split(java.util.regex.Pattern.quote(arguments.text(0, "sub")), -1).length - 1);
            case "isdigit" -> !text.isEmpty() && text.codePoints().allMatch(Character::isDigit);
            case "join" ->
                String.join(
                        text,
                        Python.elements(arguments.get(0, "iterable", null)).stream()
                                .map(Python::text)
                                .toList());
            default -> throw new TemplateException("a string's method \"" + method + "\" is not supported");
        };
    }

    /** One string, or a tuple of them. */
    private static boolean anyOf(@Nullable Object wanted, java.util.function.Predicate<String> test) {
        return wanted instanceof List<?> several
                ? several.stream().anyMatch(each -> test.test(Python.text(each)))
                : test.test(Python.text(wanted));
    }

    static String strip(String text, Values arguments, boolean left, boolean right) {
        Object characters = arguments.get(0, "chars", null);
        IntPredicate goes = characters == null
                ? Methods::isSpace
                : c -> Python.text(characters).indexOf(c) >= 0;
        int from = 0;
        int to = text.length();
        while (left && from < to && goes.test(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && to > from && goes.test(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    /** {@code str.isspace}. */
    private static boolean isSpace(int c) {
        return Character.isWhitespace(c) || c == 0xa0 || c == 0x2007 || c == 0x202f || c == 0x85;
    }

    private static List<@Nullable Object> split(String text, Values arguments) {
        List<@Nullable Object> parts = new ArrayList<>();
        long most = Python.integer(arguments.get(1, "maxsplit", -1L));
        Object separator = arguments.get(0, "sep", null);
        if (separator == null) {
            // At white space, and nothing is empty.
            String rest = strip(text, new Values(List.of(), Map.of()), true, false);
            while (!rest.isEmpty()) {
                int end = 0;
                while (end < rest.length() && !isSpace(rest.charAt(end))) {
                    end++;
                }
                if (most >= 0 && parts.size() >= most) {
                    end = rest.length();
                }
                parts.add(rest.substring(0, end));
                rest = strip(rest.substring(end), new Values(List.of(), Map.of()), true, false);
            }
            return parts;
        }
        String between = requireSeparator(separator);
        int from = 0;
        for (int found = text.indexOf(between);
                found >= 0 && (most < 0 || parts.size() < most);
                found = text.indexOf(between, from)) {
            parts.add(text.substring(from, found));
            from = found + between.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static List<@Nullable Object> rsplit(String text, Values arguments) {
        long most = Python.integer(arguments.get(1, "maxsplit", -1L));
        String between = requireSeparator(arguments.get(0, "sep", null));
        List<@Nullable Object> parts = new ArrayList<>();
        int to = text.length();
        for (int found = text.lastIndexOf(between);
                found >= 0 && (most < 0 || parts.size() < most);
                found = text.lastIndexOf(between, to - between.length())) {
            parts.addFirst(text.substring(found + between.length(), to));
            to = found;
            if (to < between.length()) {
                break;
            }
        }
        parts.addFirst(text.substring(0, to));
        return parts;
    }

    private static String requireSeparator(@Nullable Object separator) {
        String text = Python.text(separator);
        if (text.isEmpty()) {
            throw new TemplateException("an empty separator");
        }
        return text;
    }

    static String replace(String text, Values arguments) {
        String old = arguments.text(0, "old");
        String replacement = arguments.text(1, "new");
        long most = Python.integer(arguments.get(2, "count", -1L));
        if (most < 0) {
            return text.replace(old, replacement);
        }
        StringBuilder result = new StringBuilder();
        int from = 0;
        for (int found = text.indexOf(old); found >= 0 && !old.isEmpty() && most > 0; found = text.indexOf(old, from)) {
            result.append(text, from, found).append(replacement);
            from = found + old.length();
            most--;
        }
        return result.append(text.substring(from)).toString();
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(java.util.Locale.ROOT)
                + text.substring(first).toLowerCase(java.util.Locale.ROOT);
    }

    static String title(String text) {
        StringBuilder result = new StringBuilder();
        boolean inWord = false;
        for (char c : text.toCharArray()) {
            result.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
            inWord = Character.isLetter(c);
        }
        return result.toString();
    }
}
