package dev.fathom.model.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The evaluated arguments of a call. */
record Values(List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
    /** An argument by its position or its name, or a default. */
    @Nullable
    Object get(int position, String name, @Nullable Object otherwise) {
        if (position < positional.size()) {
            return positional.get(position);
        }
        return named.containsKey(name) ? named.get(name) : otherwise;
    }

    boolean has(int position, String name) {
        return position < positional.size() || named.containsKey(name);
    }

    /** A string argument that must be there. */
    String text(int position, String name) {
        if (!has(position, name)) {
            throw new TemplateException("the argument \"" + name + "\" is missing");
        }
        return Python.text(get(position, name, null));
    }
}
