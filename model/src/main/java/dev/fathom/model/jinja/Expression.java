package dev.fathom.model.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An expression of a template. */
sealed interface Expression {
    /** A string, number, true, false or none. */
    record Literal(@Nullable Object value) implements Expression {}

    /** A variable. */
    record Name(String name) implements Expression {}

    /** {@code [a, b]} and {@code (a, b)}. */
    record ListOf(List<Expression> elements) implements Expression {}

    /** {@code {a: b}}. */
    record MapOf(List<Expression> keys, List<Expression> values) implements Expression {}

    /** {@code a.b} and {@code a['b']}. */
    record Item(Expression of, Expression key) implements Expression {}

    /** {@code a[from:to:step]}. */
    record Slice(
            Expression of,
            @Nullable Expression from,
            @Nullable Expression to,
            @Nullable Expression step) implements Expression {}

    /** {@code f(a, name=b)}. */
    record Call(String function, Arguments arguments, int line) implements Expression {}

    /** {@code a.f(b)}: a method of a string, list or map. */
    record MethodCall(Expression of, String method, Arguments arguments, int line) implements Expression {}

    /** {@code a | f(b)}. */
    record Filtered(Expression of, String filter, Arguments arguments, int line) implements Expression {}

    /** {@code a is f(b)}. */
    record Tested(Expression of, String test, Arguments arguments, int line) implements Expression {}

    /** {@code not a}. */
    record Not(Expression of) implements Expression {}

    /** {@code -a}. */
    record Negative(Expression of) implements Expression {}

    /** {@code a and b}: one of its operands, as in Python. */
    record And(Expression left, Expression right) implements Expression {}

    /** {@code a or b}: one of its operands, as in Python. */
    record Or(Expression left, Expression right) implements Expression {}

    /** Arithmetic, and {@code ~}. */
    record Binary(Expression left, String operator, Expression right, int line) implements Expression {}

    /** {@code a < b <= c}. */
    record Comparison(Expression first, List<String> operators, List<Expression> others) implements Expression {}

    /** {@code a if condition else b}. */
    record Conditional(
            Expression then, Expression condition, @Nullable Expression otherwise) implements Expression {}

    /** What stands between the parentheses of a call. */
    record Arguments(List<Expression> positional, Map<String, Expression> named) {
        static final Arguments NONE = new Arguments(List.of(), Map.of());
    }
}
