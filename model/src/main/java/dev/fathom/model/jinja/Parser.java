package dev.fathom.model.jinja;

import dev.fathom.model.jinja.Expression.Arguments;
import dev.fathom.model.jinja.Token.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Tokens to statements and expressions; one method for each level of precedence, weakest first. Filters and tests bind most
 * strongly: {@code messages|length - 1} is {@code (messages|length) - 1}.
 */
final class Parser {
    /** Deeper than any template, and far from the end of the stack. */
    private static final int DEEPEST = 200;

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", ">", "<=", ">=");

    /** What cannot begin the argument of a test without parentheses. */
    private static final Set<String> AFTER_TEST = Set.of("else", "or", "and", "if", "is", "in", "not");

    private final List<Token> tokens;
    private int at;
    private int depth;

    Parser(List<Token> tokens) {
        this.tokens = tokens;
    }

    List<Statement> template() {
        List<Statement> statements = statements(Set.of());
        if (peek().type() != Type.END) {
            throw error("the end of the template");
        }
        return statements;
    }

    /** Statements up to a block that begins with one of the names, which is left to the caller. */
    private List<Statement> statements(Set<String> ends) {
        List<Statement> statements = new ArrayList<>();
        deeper();
        while (true) {
            Token token = peek();
            switch (token.type()) {
                case DATA -> {
                    next();
                    statements.add(new Statement.Data(token.text()));
                }
                case VARIABLE_BEGIN -> {
                    next();
                    statements.add(new Statement.Output(tuple()));
                    expect(Type.VARIABLE_END, "}}");
                }
                case BLOCK_BEGIN -> {
                    Token name = tokens.get(at + 1);
                    if (ends.contains(name.text())) {
                        depth--;
                        return statements;
                    }
                    next();
                    next();
                    if (name.text().equals("generation")) {
                        // Marks what the model is to learn from; says nothing about the text.
                        endBlock();
                        statements.addAll(statements(Set.of("endgeneration")));
                        next();
                        next();
                        endBlock();
                    } else {
                        statements.add(block(name));
                    }
                }
                default -> {
                    depth--;
                    return statements;
                }
            }
        }
    }

    private Statement block(Token name) {
        return switch (name.text()) {
            case "if" -> ifBlock();
            case "for" -> forBlock();
            case "set" -> set();
            case "macro" -> macro();
            case "break", "continue" -> {
                endBlock();
                yield new Statement.Jump(name.text().equals("break"));
            }
            default ->
                throw new TemplateException("line " + name.line() + ": found {% " + name.text()
                        + " %}, which is not supported; known are if, for, set, macro, break, continue and generation");
        };
    }

    private Statement ifBlock() {
        Expression condition = tuple();
        endBlock();
        List<Statement> then = statements(Set.of("elif", "else", "endif"));
        Token end = blockName();
        if (end.text().equals("elif")) {
            return new Statement.If(condition, then, List.of(ifBlock()));
        }
        endBlock();
        List<Statement> otherwise = List.of();
        if (end.text().equals("else")) {
            otherwise = statements(Set.of("endif"));
            blockName();
            endBlock();
        }
        return new Statement.If(condition, then, otherwise);
    }

    private Statement forBlock() {
        List<String> names = names();
        expectName("in");
        Expression items = orWithoutConditional();
        Expression condition = null;
        if (takeName("if")) {
            condition = expression();
        }
        endBlock();
        List<Statement> body = statements(Set.of("else", "endfor"));
        List<Statement> otherwise = List.of();
        if (blockName().text().equals("else")) {
            endBlock();
            otherwise = statements(Set.of("endfor"));
            blockName();
        }
        endBlock();
        return new Statement.For(names, items, condition, body, otherwise);
    }

    private Statement set() {
        List<String> names = names();
        String attribute =
                names.size() == 1 && take(".") ? expect(Type.NAME, null).text() : null;
        if (take("=")) {
            Expression value = tuple();
            endBlock();
            return new Statement.Set(names, attribute, value);
        }
        if (names.size() > 1 || attribute != null) {
            throw error("\"=\"");
        }
        endBlock();
        List<Statement> body = statements(Set.of("endset"));
        blockName();
        endBlock();
        return new Statement.SetBlock(names.getFirst(), body);
    }

    private Statement macro() {
        String name = expect(Type.NAME, null).text();
        List<String> parameters = new ArrayList<>();
        List<@Nullable Expression> defaults = new ArrayList<>();
        expect(Type.OPERATOR, "(");
        while (!take(")")) {
            if (!parameters.isEmpty()) {
                expect(Type.OPERATOR, ",");
            }
            parameters.add(expect(Type.NAME, null).text());
            defaults.add(take("=") ? expression() : null);
        }
        endBlock();
        List<Statement> body = statements(Set.of("endmacro"));
        blockName();
        endBlock();
        return new Statement.Macro(name, parameters, defaults, body);
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        do {
            names.add(expect(Type.NAME, null).text());
        } while (take(","));
        return names;
    }

    /** One expression, or several with commas: a list. */
    private Expression tuple() {
        Expression first = expression();
        if (!peek().is(Type.OPERATOR, ",")) {
            return first;
        }
        List<Expression> elements = new ArrayList<>(List.of(first));
        while (take(",")) {
            elements.add(expression());
        }
        return new Expression.ListOf(elements);
    }

    private Expression expression() {
        deeper();
        Expression result = orWithoutConditional();
        while (takeName("if")) {
            Expression condition = orWithoutConditional();
            result = new Expression.Conditional(result, condition, takeName("else") ? expression() : null);
        }
        depth--;
        return result;
    }

    private Expression orWithoutConditional() {
        Expression left = and();
        while (takeName("or")) {
            left = new Expression.Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (takeName("and")) {
            left = new Expression.And(left, not());
        }
        return left;
    }

    private Expression not() {
        if (!takeName("not")) {
            return comparison();
        }
        deeper();
        Expression result = new Expression.Not(not());
        depth--;
        return result;
    }

    private Expression comparison() {
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        while (true) {
            Token token = peek();
            if (token.type() == Type.OPERATOR && COMPARISONS.contains(token.text())) {
                next();
                operators.add(token.text());
            } else if (takeName("in")) {
                operators.add("in");
            } else if (token.is(Type.NAME, "not") && tokens.get(at + 1).is(Type.NAME, "in")) {
                next();
                next();
                operators.add("not in");
            } else {
                return others.isEmpty() ? first : new Expression.Comparison(first, operators, others);
            }
            others.add(sum());
        }
    }

    private Expression sum() {
        Expression left = concatenation();
        for (Token token = peek(); take("+") || take("-"); token = peek()) {
            left = new Expression.Binary(left, token.text(), concatenation(), token.line());
        }
        return left;
    }

    private Expression concatenation() {
        Expression left = product();
        for (Token token = peek(); take("~"); token = peek()) {
            left = new Expression.Binary(left, "~", product(), token.line());
        }
        return left;
    }

    private Expression product() {
        Expression left = power();
        for (Token token = peek(); take("*") || take("/") || take("//") || take("%"); token = peek()) {
            left = new Expression.Binary(left, token.text(), power(), token.line());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        for (Token token = peek(); take("**"); token = peek()) {
            left = new Expression.Binary(left, "**", unary(true), token.line());
        }
        return left;
    }

    private Expression unary(boolean withFilters) {
        deeper();
        Expression result;
        if (take("-")) {
            result = new Expression.Negative(unary(false));
        } else if (take("+")) {
            result = unary(false);
        } else {
            result = primary();
        }
        result = postfix(result);
        depth--;
        return withFilters ? filtersAndTests(result) : result;
    }

    private Expression primary() {
        Token token = next();
        switch (token.type()) {
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (peek().type() == Type.STRING) {
                    text.append(next().text());
                }
                return new Expression.Literal(text.toString());
            }
            case INTEGER -> {
                return new Expression.Literal(integer(token));
            }
            case FLOAT -> {
                return new Expression.Literal(Double.parseDouble(token.text().replace("_", "")));
            }
            case NAME -> {
                return switch (token.text()) {
                    case "true", "True" -> new Expression.Literal(true);
                    case "false", "False" -> new Expression.Literal(false);
                    case "none", "None" -> new Expression.Literal(null);
                    default ->
                        peek().is(Type.OPERATOR, "(")
                                ? new Expression.Call(token.text(), arguments(), token.line())
                                : new Expression.Name(token.text());
                };
            }
            default -> {
                if (token.is(Type.OPERATOR, "(")) {
                    return parenthesized();
                }
                if (token.is(Type.OPERATOR, "[")) {
                    return new Expression.ListOf(elements("]"));
                }
                if (token.is(Type.OPERATOR, "{")) {
                    return map();
                }
                at--;
                throw error("an expression");
            }
        }
    }

    private static long integer(Token token) {
        try {
            return Long.parseLong(token.text().replace("_", ""));
        } catch (NumberFormatException e) {
            throw new TemplateException("line " + token.line() + ": found the number " + token.text()
                    + ", expected at most " + Long.MAX_VALUE);
        }
    }

    /** {@code (a)} is a, {@code (a,)} and {@code ()} are lists. */
    private Expression parenthesized() {
        if (take(")")) {
            return new Expression.ListOf(List.of());
        }
        Expression first = expression();
        if (take(")")) {
            return first;
        }
        expect(Type.OPERATOR, ",");
        List<Expression> all = new ArrayList<>(List.of(first));
        all.addAll(elements(")"));
        return new Expression.ListOf(all);
    }

    private List<Expression> elements(String close) {
        List<Expression> elements = new ArrayList<>();
        while (!take(close)) {
            elements.add(expression());
            if (!peek().is(Type.OPERATOR, close)) {
                expect(Type.OPERATOR, ",");
            }
        }
        return elements;
    }

    private Expression map() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!take("}")) {
            keys.add(expression());
            expect(Type.OPERATOR, ":");
            values.add(expression());
            if (!peek().is(Type.OPERATOR, "}")) {
                expect(Type.OPERATOR, ",");
            }
        }
        return new Expression.MapOf(keys, values);
    }

    private Expression postfix(Expression expression) {
        Expression result = expression;
        while (true) {
            if (take(".")) {
                Token name = next();
                if (name.type() != Type.NAME && name.type() != Type.INTEGER) {
                    at--;
                    throw error("a name");
                }
                result = peek().is(Type.OPERATOR, "(")
                        ? new Expression.MethodCall(result, name.text(), arguments(), name.line())
                        : new Expression.Item(
                                result,
                                new Expression.Literal(
                                        name.type() == Type.INTEGER ? (Object) integer(name) : name.text()));
            } else if (take("[")) {
                result = subscript(result);
            } else {
                return result;
            }
        }
    }

    private Expression subscript(Expression of) {
        Expression from = peek().is(Type.OPERATOR, ":") ? null : tuple();
        if (from != null && take("]")) {
            return new Expression.Item(of, from);
        }
        expect(Type.OPERATOR, ":");
        boolean ends = peek().is(Type.OPERATOR, ":") || peek().is(Type.OPERATOR, "]");
        Expression to = ends ? null : expression();
        Expression step = take(":") && !peek().is(Type.OPERATOR, "]") ? expression() : null;
        expect(Type.OPERATOR, "]");
        return new Expression.Slice(of, from, to, step);
    }

    private Arguments arguments() {
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        expect(Type.OPERATOR, "(");
        while (!take(")")) {
            if (peek().type() == Type.NAME && tokens.get(at + 1).is(Type.OPERATOR, "=")) {
                String name = next().text();
                next();
                named.put(name, expression());
            } else {
                positional.add(expression());
            }
            if (!peek().is(Type.OPERATOR, ")")) {
                expect(Type.OPERATOR, ",");
            }
        }
        return new Arguments(positional, named);
    }

    private Expression filtersAndTests(Expression expression) {
        Expression result = expression;
        while (true) {
            if (take("|")) {
                Token name = expect(Type.NAME, null);
                Arguments arguments = peek().is(Type.OPERATOR, "(") ? arguments() : Arguments.NONE;
                if (!Filters.NAMES.contains(name.text())) {
                    throw unknown(name, "filter", Filters.NAMES);
                }
                result = new Expression.Filtered(result, name.text(), arguments, name.line());
            } else if (takeName("is")) {
                boolean negated = takeName("not");
                Token name = expect(Type.NAME, null);
                if (!Tests.NAMES.contains(name.text())) {
                    throw unknown(name, "test", Tests.NAMES);
                }
                Expression test = new Expression.Tested(result, name.text(), testArguments(), name.line());
                result = negated ? new Expression.Not(test) : test;
            } else if (peek().is(Type.OPERATOR, "(")) {
                throw error("no call of what a filter or an expression gives");
            } else {
                return result;
            }
        }
    }

    /** With parentheses, or one value without: {@code is divisibleby 2}. */
    private Arguments testArguments() {
        Token token = peek();
        if (token.is(Type.OPERATOR, "(")) {
            return arguments();
        }
        boolean value = switch (token.type()) {
            case STRING, INTEGER, FLOAT -> true;
            case NAME -> !AFTER_TEST.contains(token.text());
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
        return value ? new Arguments(List.of(postfix(primary())), Map.of()) : Arguments.NONE;
    }

    private static TemplateException unknown(Token name, String kind, java.util.Collection<String> known) {
        return new TemplateException("line " + name.line() + ": found the " + kind + " \"" + name.text()
                + "\", which is not supported; known are "
                + String.join(", ", known.stream().sorted().toList()));
    }

    /** The name of the block that ended some statements. */
    private Token blockName() {
        if (peek().type() != Type.BLOCK_BEGIN) {
            throw error("the end of a block, such as {% endif %}");
        }
        next();
        return next();
    }

    private void endBlock() {
        expect(Type.BLOCK_END, "%}");
    }

    private boolean take(String operator) {
        boolean found = peek().is(Type.OPERATOR, operator);
        at += found ? 1 : 0;
        return found;
    }

    private boolean takeName(String name) {
        boolean found = peek().is(Type.NAME, name);
        at += found ? 1 : 0;
        return found;
    }

    private void expectName(String name) {
        if (!takeName(name)) {
            throw error("\"" + name + "\"");
        }
    }

    private Token expect(Type type, @Nullable String text) {
        Token token = peek();
        if (token.type() != type || (text != null && !token.text().equals(text))) {
            throw error(text == null ? "a name" : "\"" + text + "\"");
        }
        return next();
    }

    private Token peek() {
        return tokens.get(at);
    }

    private Token next() {
        Token token = tokens.get(at);
        at += token.type() == Type.END ? 0 : 1; // the end stays the end
        return token;
    }

    private void deeper() {
        if (++depth > DEEPEST) {
            throw error("fewer than " + DEEPEST + " levels of nesting");
        }
    }

    private TemplateException error(String expected) {
        return new TemplateException(
                "line " + peek().line() + ": found " + peek().describe() + ", expected " + expected);
    }
}
