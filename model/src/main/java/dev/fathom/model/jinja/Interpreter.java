package dev.fathom.model.jinja;

import dev.fathom.model.jinja.Expression.Arguments;
import dev.fathom.model.jinja.Python.Namespace;
import dev.fathom.model.jinja.Python.Undefined;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Renders a template once. A template comes with a checkpoint, so that it is trusted with nothing: no files, no endless loop. */
final class Interpreter {
    /** Far more than any chat needs. */
    private static final long MOST_STEPS = 5_000_000;

    private static final int LONGEST_OUTPUT = 1 << 28;
    private static final int LONGEST_RANGE = 1 << 20;

    /** Variables; a loop's body has its own, so that what it sets ends with it. */
    private record Scope(
            Map<String, @Nullable Object> variables,
            @Nullable Scope outer) {
        Scope inner() {
            return new Scope(new HashMap<>(), this);
        }

        @Nullable
        Object get(String name) {
            for (Scope scope = this; scope != null; scope = scope.outer) {
                if (scope.variables.containsKey(name)) {
                    return scope.variables.get(name);
                }
            }
            return new Undefined(name);
        }
    }

    /** What a statement ends with: whether the loop around it goes on. */
    private enum Flow {
        NORMAL,
        BREAK,
        CONTINUE
    }

    private final Scope globals;
    private StringBuilder out = new StringBuilder();
    private long steps;

    Interpreter(Map<String, @Nullable Object> variables) {
        this.globals = new Scope(new HashMap<>(variables), null);
    }

    String render(List<Statement> statements) {
        run(statements, globals);
        return out.toString();
    }

    private Flow run(List<Statement> statements, Scope scope) {
        for (Statement statement : statements) {
            step();
            Flow flow = run(statement, scope);
            if (flow != Flow.NORMAL) {
                return flow;
            }
        }
        return Flow.NORMAL;
    }

    private Flow run(Statement statement, Scope scope) {
        switch (statement) {
            case Statement.Data data -> append(data.text());
            case Statement.Output output -> append(Python.string(evaluate(output.value(), scope)));
            case Statement.If branch -> {
                boolean condition = Python.isTrue(evaluate(branch.condition(), scope));
                return run(condition ? branch.then() : branch.otherwise(), scope);
            }
            case Statement.For loop -> {
                return run(loop, scope);
            }
            case Statement.Set set -> set(set, scope);
            case Statement.SetBlock set -> scope.variables.put(set.name(), captured(set.body(), scope.inner()));
            case Statement.Macro macro -> scope.variables.put(macro.name(), macro);
            case Statement.Jump jump -> {
                return jump.leaves() ? Flow.BREAK : Flow.CONTINUE;
            }
        }
        return Flow.NORMAL;
    }

    private void append(String text) {
        if (out.length() + text.length() > LONGEST_OUTPUT) {
            throw new TemplateException("the template writes more than " + LONGEST_OUTPUT + " characters");
        }
        out.append(text);
    }

    private String captured(List<Statement> body, Scope scope) {
        StringBuilder outer = out;
        out = new StringBuilder();
        try {
            run(body, scope);
            return out.toString();
        } finally {
            out = outer;
        }
    }

    private Flow run(Statement.For loop, Scope scope) {
        List<@Nullable Object> items = Python.elements(evaluate(loop.items(), scope));
        if (loop.condition() != null) {
            items = chosen(items, loop, loop.condition(), scope);
        }
        if (items.isEmpty()) {
            return run(loop.otherwise(), scope);
        }
        for (int i = 0; i < items.size(); i++) {
            step();
            Scope inner = scope.inner();
            assign(loop.names(), items.get(i), inner);
            inner.variables.put("loop", loopVariables(items, i));
            if (run(loop.body(), inner) == Flow.BREAK) {
                break;
            }
        }
        return Flow.NORMAL;
    }

    private List<@Nullable Object> chosen(
            List<@Nullable Object> items, Statement.For loop, Expression condition, Scope scope) {
        List<@Nullable Object> chosen = new ArrayList<>();
        for (Object item : items) {
            Scope inner = scope.inner();
            assign(loop.names(), item, inner);
            if (Python.isTrue(evaluate(condition, inner))) {
                chosen.add(item);
            }
        }
        return chosen;
    }

    private static Map<String, @Nullable Object> loopVariables(List<@Nullable Object> items, int index) {
        Map<String, @Nullable Object> loop = new HashMap<>();
        loop.put("index", index + 1L);
        loop.put("index0", (long) index);
        loop.put("revindex", (long) items.size() - index);
        loop.put("revindex0", items.size() - index - 1L);
        loop.put("first", index == 0);
        loop.put("last", index == items.size() - 1);
        loop.put("length", (long) items.size());
        loop.put("previtem", index > 0 ? items.get(index - 1) : new Undefined("loop.previtem"));
        loop.put("nextitem", index + 1 < items.size() ? items.get(index + 1) : new Undefined("loop.nextitem"));
        return loop;
    }

    private static void assign(List<String> names, @Nullable Object value, Scope scope) {
        if (names.size() == 1) {
            scope.variables.put(names.getFirst(), value);
            return;
        }
        List<@Nullable Object> values = Python.elements(value);
        if (values.size() != names.size()) {
            throw new TemplateException("found " + values.size() + " values for the names " + names);
        }
        for (int i = 0; i < names.size(); i++) {
            scope.variables.put(names.get(i), values.get(i));
        }
    }

    private void set(Statement.Set set, Scope scope) {
        Object value = evaluate(set.value(), scope);
        if (set.attribute() == null) {
            assign(set.names(), value, scope);
        } else if (scope.get(set.names().getFirst()) instanceof Namespace namespace) {
            namespace.fields().put(set.attribute(), value);
        } else {
            throw new TemplateException("{% set " + set.names().getFirst() + "." + set.attribute()
                    + " %} needs a namespace, and " + set.names().getFirst() + " is none");
        }
    }

    private @Nullable Object evaluate(Expression expression, Scope scope) {
        step();
        return switch (expression) {
            case Expression.Literal literal -> literal.value();
            case Expression.Name name -> scope.get(name.name());
            case Expression.ListOf list -> all(list.elements(), scope);
            case Expression.MapOf map -> {
                Map<String, @Nullable Object> result = new LinkedHashMap<>();
                for (int i = 0; i < map.keys().size(); i++) {
                    result.put(
                            Python.text(evaluate(map.keys().get(i), scope)),
                            evaluate(map.values().get(i), scope));
                }
                yield result;
            }
            case Expression.Item item -> item(evaluate(item.of(), scope), evaluate(item.key(), scope));
            case Expression.Slice slice -> slice(slice, scope);
            case Expression.Call call -> at(call.line(), () -> call(call, scope));
            case Expression.MethodCall call -> {
                Object of = evaluate(call.of(), scope);
                Values arguments = values(call.arguments(), scope);
                yield at(call.line(), () -> Methods.call(of, call.method(), arguments));
            }
            case Expression.Filtered filtered -> {
                Object of = evaluate(filtered.of(), scope);
                Values arguments = values(filtered.arguments(), scope);
                yield at(filtered.line(), () -> Filters.apply(filtered.filter(), of, arguments));
            }
            case Expression.Tested tested -> {
                Object of = evaluate(tested.of(), scope);
                Values arguments = values(tested.arguments(), scope);
                yield at(tested.line(), () -> Tests.test(tested.test(), of, arguments));
            }
            case Expression.Not not -> !Python.isTrue(evaluate(not.of(), scope));
            case Expression.Negative negative -> {
                Object value = evaluate(negative.of(), scope);
                yield value instanceof Double d ? (Object) (-d) : (Object) Math.negateExact(Python.integer(value));
            }
            case Expression.And and -> {
                Object left = evaluate(and.left(), scope);
                yield Python.isTrue(left) ? evaluate(and.right(), scope) : left;
            }
            case Expression.Or or -> {
                Object left = evaluate(or.left(), scope);
                yield Python.isTrue(left) ? left : evaluate(or.right(), scope);
            }
            case Expression.Binary binary -> {
                Object left = evaluate(binary.left(), scope);
                Object right = evaluate(binary.right(), scope);
                yield at(binary.line(), () -> binary(left, binary.operator(), right));
            }
            case Expression.Comparison comparison -> compare(comparison, scope);
            case Expression.Conditional conditional -> {
                if (Python.isTrue(evaluate(conditional.condition(), scope))) {
                    yield evaluate(conditional.then(), scope);
                }
                yield conditional.otherwise() == null
                        ? new Undefined("if without else")
                        : evaluate(conditional.otherwise(), scope);
            }
        };
    }

    /** Something that may fail. */
    private interface Work {
        @Nullable
        Object run();
    }

    /** Puts the line in front of an error's message, once. */
    private static @Nullable Object at(int line, Work work) {
        try {
            return work.run();
        } catch (TemplateException e) {
            String message = String.valueOf(e.getMessage());
            if (message.startsWith("line ")) {
                throw e;
            }
            throw new TemplateException("line " + line + ": " + message, e);
        }
    }

    private List<@Nullable Object> all(List<Expression> expressions, Scope scope) {
        List<@Nullable Object> values = new ArrayList<>();
        expressions.forEach(expression -> values.add(evaluate(expression, scope)));
        return values;
    }

    private Values values(Arguments arguments, Scope scope) {
        Map<String, @Nullable Object> named = new LinkedHashMap<>();
        arguments.named().forEach((name, expression) -> named.put(name, evaluate(expression, scope)));
        return new Values(all(arguments.positional(), scope), named);
    }

    /** {@code of[key]}, and {@code of.key} likewise; what is not there is undefined. */
    static @Nullable Object item(@Nullable Object of, @Nullable Object key) {
        return switch (of) {
            case Map<?, ?> map when map.containsKey(key) -> map.get(key);
            case Namespace namespace
            when namespace.fields().containsKey(String.valueOf(key)) ->
                namespace.fields().get(String.valueOf(key));
            case List<?> list
            when key instanceof Long index -> {
                long i = index < 0 ? index + list.size() : index;
                yield i >= 0 && i < list.size() ? list.get((int) i) : new Undefined("[" + index + "]");
            }
            case String text
            when key instanceof Long index -> {
                List<@Nullable Object> characters = Python.elements(text);
                long i = index < 0 ? index + characters.size() : index;
                yield i >= 0 && i < characters.size() ? characters.get((int) i) : new Undefined("[" + index + "]");
            }
            case Undefined undefined ->
                throw new TemplateException(
                        "\"" + undefined.name() + "\" is not defined, so that it has no \"" + key + "\"");
            case null, default -> new Undefined(String.valueOf(key));
        };
    }

    /** Python's slices: negative places count from the end, places outside are the ends. */
    private @Nullable Object slice(Expression.Slice slice, Scope scope) {
        Object of = evaluate(slice.of(), scope);
        List<@Nullable Object> elements = Python.elements(of);
        long step = slice.step() == null ? 1 : Python.integer(evaluate(slice.step(), scope));
        if (step == 0) {
            throw new TemplateException("a slice with step 0");
        }
        int size = elements.size();
        long first = step > 0 ? 0 : -1;
        long last = step > 0 ? size : size - 1L;
        long from = place(slice.from(), scope, step > 0 ? first : last, first, last, size);
        long to = place(slice.to(), scope, step > 0 ? last : first, first, last, size);
        List<@Nullable Object> result = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) {
            result.add(elements.get((int) i));
        }
        if (!(of instanceof String)) {
            return result;
        }
        StringBuilder text = new StringBuilder();
        result.forEach(text::append);
        return text.toString();
    }

    private long place(@Nullable Expression expression, Scope scope, long missing, long first, long last, int size) {
        Object value = expression == null ? null : evaluate(expression, scope);
        if (value == null) {
            return missing;
        }
        long place = Python.integer(value);
        return Math.clamp(place < 0 ? place + size : place, first, last);
    }

    private static @Nullable Object binary(@Nullable Object left, String operator, @Nullable Object right) {
        if (operator.equals("~")) {
            return Python.string(left) + Python.string(right);
        }
        if (operator.equals("+") && left instanceof String a && right instanceof String b) {
            return a + b;
        }
        if (operator.equals("+") && left instanceof List<?> a && right instanceof List<?> b) {
            List<@Nullable Object> both = new ArrayList<>(a);
            both.addAll(b);
            return both;
        }
        if (operator.equals("*") && left instanceof String text && right instanceof Long times) {
            if (times > 0 && text.length() * (double) times > LONGEST_OUTPUT) {
                throw new TemplateException("a string of more than " + LONGEST_OUTPUT + " characters");
            }
            return text.repeat((int) Math.max(0, times));
        }
        if (!Python.isNumber(left) || !Python.isNumber(right)) {
            throw new TemplateException(
                    "\"" + operator + "\" of a " + Python.type(left) + " and a " + Python.type(right));
        }
        if (left instanceof Double || right instanceof Double || operator.equals("/")) {
            double a = Python.decimal(left);
            double b = Python.decimal(right);
            return switch (operator) {
                case "+" -> a + b;
                case "-" -> a - b;
                case "*" -> a * b;
                case "/" -> a / b;
                case "//" -> Math.floor(a / b);
                case "%" -> a - b * Math.floor(a / b);
                default -> Math.pow(a, b);
            };
        }
        long a = Python.integer(left);
        long b = Python.integer(right);
        return switch (operator) {
            case "+" -> Math.addExact(a, b);
            case "-" -> Math.subtractExact(a, b);
            case "*" -> Math.multiplyExact(a, b);
            case "//" -> Math.floorDiv(a, b);
            case "%" -> Math.floorMod(a, b);
            default ->
                b >= 0
                        ? (Object) java.math.BigInteger.valueOf(a)
                                .pow(Math.toIntExact(Math.min(b, 64)))
                                .longValueExact()
                        : (Object) Math.pow(a, b);
        };
    }

    private boolean compare(Expression.Comparison comparison, Scope scope) {
        Object left = evaluate(comparison.first(), scope);
        for (int i = 0; i < comparison.operators().size(); i++) {
            Object right = evaluate(comparison.others().get(i), scope);
            boolean holds = switch (comparison.operators().get(i)) {
                case "==" -> Python.equal(left, right);
                case "!=" -> !Python.equal(left, right);
                case "in" -> Python.contains(right, left);
                case "not in" -> !Python.contains(right, left);
                case "<" -> Python.compare(left, right) < 0;
                case "<=" -> Python.compare(left, right) <= 0;
                case ">" -> Python.compare(left, right) > 0;
                default -> Python.compare(left, right) >= 0;
            };
            if (!holds) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private @Nullable Object call(Expression.Call call, Scope scope) {
        Values arguments = values(call.arguments(), scope);
        if (scope.get(call.function()) instanceof Statement.Macro macro) {
            return call(macro, arguments);
        }
        return switch (call.function()) {
            case "namespace" -> new Namespace(new HashMap<>(arguments.named()));
            case "dict" -> new LinkedHashMap<>(arguments.named());
            case "range" -> range(arguments);
            case "raise_exception" -> throw new TemplateException("the template says: " + arguments.text(0, "message"));
            case "strftime_now" -> strftime(arguments.text(0, "format"));
            default ->
                throw new TemplateException("the function \"" + call.function()
                        + "\" is not supported; known are namespace, dict, range, raise_exception and strftime_now");
        };
    }

    private String call(Statement.Macro macro, Values arguments) {
        Scope scope = globals.inner();
        for (int i = 0; i < macro.parameters().size(); i++) {
            String name = macro.parameters().get(i);
            Expression otherwise = macro.defaults().get(i);
            Object missing =
                    otherwise == null || arguments.has(i, name) ? new Undefined(name) : evaluate(otherwise, scope);
            scope.variables.put(name, arguments.get(i, name, missing));
        }
        return captured(macro.body(), scope);
    }

    private static List<@Nullable Object> range(Values arguments) {
        List<@Nullable Object> ends = arguments.positional();
        long from = ends.size() > 1 ? Python.integer(ends.get(0)) : 0;
        long to = Python.integer(ends.get(ends.size() > 1 ? 1 : 0));
        long step = ends.size() > 2 ? Python.integer(ends.get(2)) : 1;
        if (step == 0) {
            throw new TemplateException("range with step 0");
        }
        List<@Nullable Object> range = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) {
            range.add(i);
            if (range.size() > LONGEST_RANGE) {
                throw new TemplateException("a range of more than " + LONGEST_RANGE + " numbers");
            }
        }
        return range;
    }

    private static String strftime(String format) {
        LocalDateTime now = LocalDateTime.now(java.time.ZoneId.systemDefault());
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                text.append(c);
                continue;
            }
            String pattern = switch (format.charAt(++i)) {
                case 'd' -> "dd";
                case 'm' -> "MM";
                case 'b' -> "MMM";
                case 'B' -> "MMMM";
                case 'Y' -> "uuuu";
                case 'y' -> "uu";
                case 'H' -> "HH";
                case 'M' -> "mm";
                case 'S' -> "ss";
                case 'a' -> "EEE";
                case 'A' -> "EEEE";
                case '%' -> "'%'";
                default -> throw new TemplateException("strftime_now with %" + format.charAt(i) + " is not supported");
            };
            text.append(now.format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH)));
        }
        return text.toString();
    }

    private void step() {
        if (++steps > MOST_STEPS) {
            throw new TemplateException("the template does not come to an end");
        }
    }
}
