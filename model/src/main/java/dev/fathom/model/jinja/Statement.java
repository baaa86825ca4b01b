package dev.fathom.model.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A statement of a template. */
sealed interface Statement {
    /** Text as it is. */
    record Data(String text) implements Statement {}

    /** {@code {{ value }}}. */
    record Output(Expression value) implements Statement {}

    /** {@code {% if %}}, with {@code elif} as an {@code if} in {@code otherwise}. */
    record If(Expression condition, List<Statement> then, List<Statement> otherwise) implements Statement {}

    /** {@code {% for a, b in items if condition %}}; {@code otherwise} is for no items at all. */
    record For(
            List<String> names,
            Expression items,
            @Nullable Expression condition,
            List<Statement> body,
            List<Statement> otherwise)
            implements Statement {}

    /** {@code {% set a = value %}}, {@code {% set a.b = value %}} for a namespace. */
    record Set(List<String> names, @Nullable String attribute, Expression value) implements Statement {}

    /** {@code {% set a %}text{% endset %}}. */
    record SetBlock(String name, List<Statement> body) implements Statement {}

    /** {@code {% macro name(a, b=default) %}}. */
    record Macro(String name, List<String> parameters, List<@Nullable Expression> defaults, List<Statement> body)
            implements Statement {}

    /** {@code {% break %}} and {@code {% continue %}}. */
    record Jump(boolean leaves) implements Statement {}
}
