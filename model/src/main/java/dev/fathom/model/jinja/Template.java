package dev.fathom.model.jinja;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A Jinja template as chat templates are written: blocks are trimmed ({@code trim_blocks}, {@code lstrip_blocks}), nothing is
 * escaped, and values behave as in Python. A construct, filter, test or function that is not supported is refused by name,
 * when the template is read where that is possible. Immutable and safe for use by many threads.
 */
public final class Template {
    private final List<Statement> statements;

    private Template(List<Statement> statements) {
        this.statements = statements;
    }

    /**
     * Reads a template.
     *
     * @throws TemplateException naming the line and what is wrong there
     */
    public static Template parse(String source) {
        return new Template(new Parser(new Lexer(source).tokens()).template());
    }

    /**
     * Renders the template.
     *
     * @param variables null (none), String, Boolean, Long, Double, List and Map with String keys
     * @throws TemplateException if the template uses a value in a way it does not allow, raises an exception of its own, or
     *     does not come to an end
     */
    public String render(Map<String, @Nullable Object> variables) {
        try {
            return new Interpreter(variables).render(statements);
        } catch (StackOverflowError e) {
            throw new TemplateException("the template is nested or calls itself too deeply", e);
        } catch (ClassCastException | IndexOutOfBoundsException | ArithmeticException | NumberFormatException e) {
            throw new TemplateException(
                    "the template uses a value in a way it does not allow: "
                            + Objects.requireNonNullElse(e.getMessage(), e.toString()),
                    e);
        }
    }
}
