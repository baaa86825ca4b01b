package dev.fathom.infer.grammar;

import dev.fathom.infer.grammar.NumberRange.Bound;
import dev.fathom.infer.grammar.Shape.Member;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads a JSON schema (draft 2020-12) into a {@link Shape} all of whose texts fulfil the schema. It need not have all texts that do: members come
 * in the order of the schema, numbers have no exponents. A keyword that is not known to be kept is refused, never ignored.
 */
public final class SchemaCompiler {
    private static final JsonMapper JSON = JsonMapper.shared();

    /** Keywords that describe and do not constrain. */
    private static final Set<String> ANNOTATIONS = Set.of(
            "$schema",
            "$id",
            "$comment",
            "$defs",
            "definitions",
            "$anchor",
            "title",
            "description",
            "default",
            "examples",
            "deprecated",
            "readOnly",
            "writeOnly",
            "contentMediaType",
            "contentEncoding",
            "strict");

    private static final Set<String> OBJECT = Set.of("properties", "required", "additionalProperties");
    private static final Set<String> ARRAY = Set.of("items", "prefixItems", "minItems", "maxItems");
    private static final Set<String> STRING = Set.of("minLength", "maxLength", "pattern", "format");
    private static final Set<String> NUMBER =
            Set.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");
    private static final List<String> TYPES =
            List.of("object", "array", "string", "number", "integer", "boolean", "null");

    /** Days up to 28 and no leap seconds: all that is written is a date. */
    private static final String DATE = "\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])";

    private static final String TIME =
            "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
    private static final String BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private static final String LABEL = "[a-z](-?[a-z0-9]){0,20}";
    /** Validators ask whether the last part of a mail address exists. */
    private static final String TOP_LEVEL =
            "(com|org|net|edu|gov|info|io|dev|de|fr|uk|eu|us|ca|ch|at|nl|es|it|pl|se|no|jp|cn|in|br|au)";

    private static final Map<String, String> FORMATS = Map.of(
            "date",
            "^" + DATE + "$",
            "time",
            "^" + TIME + "$",
            "date-time",
            "^" + DATE + "T" + TIME + "$",
            "duration",
            "^P(\\d{1,4}D|T\\d{1,4}H|T\\d{1,4}M|T\\d{1,4}S|\\d{1,4}DT\\d{1,4}H)$",
            "email",
            "^[A-Za-z0-9]([.+-]?[A-Za-z0-9_]){0,40}@(" + LABEL + "\\.){1,3}" + TOP_LEVEL + "$",
            "hostname",
            "^" + LABEL + "(\\." + LABEL + "){0,3}$",
            "ipv4",
            "^" + BYTE + "(\\." + BYTE + "){3}$",
            "uuid",
            "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$");

    private final JsonNode root;
    private final Map<String, Shape> references = new HashMap<>();

    private SchemaCompiler(JsonNode root) {
        this.root = root;
    }

    /**
     * A constraint that makes answers fulfil a schema.
     *
     * @param table of the model's vocabulary
     * @throws SchemaException naming the keyword that is not supported, or if nothing fulfils the schema
     */
    public static GrammarConstraint compile(JsonNode schema, TokenTable table) {
        return new GrammarConstraint(shape(schema), table);
    }

    /** A constraint that makes answers JSON objects. */
    public static GrammarConstraint anyObject(TokenTable table) {
        return new GrammarConstraint(new Shape.Dictionary(List.of(), Shape.any()), table);
    }

    static Shape shape(JsonNode schema) {
        SchemaCompiler compiler = new SchemaCompiler(schema);
        Shape shape = compiler.read(schema, "");
        refuseLeftRecursion(shape);
        return shape;
    }

    private Shape read(JsonNode node, String path) {
        if (node.isBoolean()) {
            if (!node.asBoolean()) {
                throw new SchemaException(path, "the schema false has no values");
            }
            return Shape.any();
        }
        if (!(node instanceof ObjectNode schema)) {
            throw new SchemaException(path, "found " + node + ", expected a schema (an object)");
        }
        if (schema.has("$ref")) {
            only(schema, path, Set.of("$ref"));
            return reference(schema.path("$ref"), path + ".$ref");
        }
        if (schema.has("const") || schema.has("enum")) {
            return values(schema, path);
        }
        for (String keyword : List.of("anyOf", "oneOf", "allOf")) {
            if (schema.has(keyword)) {
                return combined(schema, keyword, path);
            }
        }
        List<Shape> alternatives = new ArrayList<>();
        Set<String> used = new HashSet<>(Set.of("type"));
        for (String type : types(schema, path)) {
            alternatives.add(ofType(type, schema, path, used));
        }
        only(schema, path, used);
        return alternatives.size() == 1 ? alternatives.getFirst() : Shape.Choice.of(alternatives);
    }

    private static void only(ObjectNode schema, String path, Set<String> used) {
        for (String keyword : schema.propertyNames()) {
            if (!used.contains(keyword) && !ANNOTATIONS.contains(keyword)) {
                throw new SchemaException(
                        path + "." + keyword, "the keyword \"" + keyword + "\" is not supported here");
            }
        }
    }

    /** The types of a schema: those it names, else the one its keywords are for, else all. */
    private static List<String> types(ObjectNode schema, String path) {
        JsonNode type = schema.path("type");
        List<String> types = new ArrayList<>();
        if (type.isString()) {
            types.add(type.asString());
        } else if (type instanceof ArrayNode list && !list.isEmpty()) {
            list.forEach(each -> types.add(each.asString()));
        } else if (schema.has("type")) {
            throw new SchemaException(path + ".type", "found " + type + ", expected a type or several");
        } else if (hasAny(schema, OBJECT)) {
            types.add("object");
        } else if (hasAny(schema, ARRAY)) {
            types.add("array");
        } else if (hasAny(schema, STRING)) {
            types.add("string");
        } else if (hasAny(schema, NUMBER)) {
            types.add("number");
        } else {
            return List.of("any");
        }
        for (String each : types) {
            if (!TYPES.contains(each)) {
                throw new SchemaException(path + ".type", "found \"" + each + "\", expected one of " + TYPES);
            }
        }
        return types;
    }

    private static boolean hasAny(ObjectNode schema, Set<String> keywords) {
        return keywords.stream().anyMatch(schema::has);
    }

    /** @param used gets the keywords that were read */
    private Shape ofType(String type, ObjectNode schema, String path, Set<String> used) {
        return switch (type) {
            case "object" -> {
                used.addAll(OBJECT);
                yield object(schema, path);
            }
            case "array" -> {
                used.addAll(ARRAY);
                yield array(schema, path);
            }
            case "string" -> {
                used.addAll(STRING);
                yield string(schema, path);
            }
            case "number", "integer" -> {
                used.addAll(NUMBER);
                yield number(schema, path, type.equals("integer"));
            }
            case "boolean" -> Shape.Choice.of(List.of(Shape.Literal.of("true"), Shape.Literal.of("false")));
            case "null" -> Shape.Literal.of("null");
            default -> Shape.any();
        };
    }

    private Shape object(ObjectNode schema, String path) {
        Map<String, JsonNode> properties = new LinkedHashMap<>();
        JsonNode declared = schema.path("properties");
        if (!declared.isMissingNode() && !declared.isObject()) {
            throw new SchemaException(path + ".properties", "found " + declared + ", expected an object");
        }
        declared.forEachEntry(properties::put);
        JsonNode others = schema.path("additionalProperties");
        boolean open = others.isMissingNode() ? properties.isEmpty() : !others.isBoolean() || others.asBoolean();
        Set<String> required = new LinkedHashSet<>();
        schema.path("required").forEach(name -> required.add(name.asString()));
        List<Member> members = new ArrayList<>();
        for (Map.Entry<String, JsonNode> property : properties.entrySet()) {
            String name = property.getKey();
            String at = path + ".properties." + name;
            if (property.getValue().isBoolean() && !property.getValue().asBoolean()) {
                if (required.contains(name)) {
                    throw new SchemaException(at, "nothing fulfils a required property with the schema false");
                }
                continue;
            }
            members.add(member(name, read(property.getValue(), at), required.contains(name)));
        }
        // What is read of additional properties is read once, even where nothing uses it: errors should not depend on
        // it.
        Shape additional = others.isObject() ? read(others, path + ".additionalProperties") : Shape.any();
        boolean closed = others.isBoolean() && !others.asBoolean();
        for (String name : required) {
            if (!properties.containsKey(name)) {
                if (closed) {
                    throw new SchemaException(
                            path + ".required",
                            "\"" + name + "\" is required and additionalProperties are not allowed");
                }
                members.add(member(name, additional, true));
            }
        }
        // A member with the schema false must not come back as an additional one.
        boolean hidesNothing = members.size() >= properties.size();
        return new Shape.Dictionary(members, open && hidesNothing ? additional : null);
    }

    private static Member member(String name, Shape shape, boolean required) {
        byte[] quoted = JSON.writeValueAsBytes(name);
        return new Member(name, java.util.Arrays.copyOfRange(quoted, 1, quoted.length), shape, required);
    }

    private Shape array(ObjectNode schema, String path) {
        List<Shape> first = new ArrayList<>();
        JsonNode prefix = schema.path("prefixItems");
        for (int i = 0; i < prefix.size(); i++) {
            first.add(read(prefix.get(i), path + ".prefixItems[" + i + "]"));
        }
        JsonNode items = schema.path("items");
        Shape others;
        if (items.isBoolean() && !items.asBoolean()) {
            others = null;
        } else {
            others = items.isMissingNode() ? Shape.any() : read(items, path + ".items");
        }
        int least = count(schema, "minItems", path, 0);
        int most = count(schema, "maxItems", path, Integer.MAX_VALUE);
        Shape.Array array = new Shape.Array(first, others, least, most);
        if (least > array.most) {
            throw new SchemaException(path + ".minItems", "found " + least + ", expected at most " + array.most);
        }
        return array;
    }

    private Shape string(ObjectNode schema, String path) {
        int least = count(schema, "minLength", path, 0);
        int most = count(schema, "maxLength", path, Integer.MAX_VALUE);
        if (least > most) {
            throw new SchemaException(path + ".minLength", "found " + least + ", expected at most " + most);
        }
        boolean sized = schema.has("minLength") || schema.has("maxLength");
        String keyword = schema.has("pattern") ? "pattern" : "format";
        if (!schema.has(keyword)) {
            return new Shape.Text(least, most);
        }
        if (sized || (schema.has("pattern") && schema.has("format"))) {
            throw new SchemaException(
                    path + "." + keyword, "of pattern, format and length only one is supported at a time");
        }
        String text = schema.path(keyword).asString();
        String expression = keyword.equals("pattern") ? text : FORMATS.get(text);
        if (expression == null) {
            throw new SchemaException(
                    path + ".format",
                    "found \"" + text + "\", expected one of "
                            + FORMATS.keySet().stream().sorted().toList());
        }
        try {
            return new Shape.Matching(PatternParser.parse(expression));
        } catch (SchemaException e) {
            throw new SchemaException(path + "." + keyword, String.valueOf(e.getMessage()));
        }
    }

    private static int count(ObjectNode schema, String keyword, String path, int otherwise) {
        JsonNode node = schema.path(keyword);
        if (node.isMissingNode()) {
            return otherwise;
        }
        if (!node.isNumber() || node.asDouble() < 0 || node.asDouble() != Math.rint(node.asDouble())) {
            throw new SchemaException(path + "." + keyword, "found " + node + ", expected a count");
        }
        return (int) Math.min(node.asDouble(), Integer.MAX_VALUE);
    }

    private static Shape number(ObjectNode schema, String path, boolean integer) {
        Bound lower = stricter(bound(schema, "minimum", path, false), bound(schema, "exclusiveMinimum", path, true), 1);
        Bound upper =
                stricter(bound(schema, "maximum", path, false), bound(schema, "exclusiveMaximum", path, true), -1);
        BigDecimal multipleOf = bound(schema, "multipleOf", path, false).value();
        if (multipleOf != null && multipleOf.signum() <= 0) {
            throw new SchemaException(path + ".multipleOf", "found " + multipleOf + ", expected more than 0");
        }
        NumberRange range = new NumberRange(lower, upper, multipleOf, integer);
        if (range.remaining("") < 0) {
            throw new SchemaException(path, "no number fulfils its bounds");
        }
        return new Shape.Number(range);
    }

    private static Bound bound(ObjectNode schema, String keyword, String path, boolean exclusive) {
        JsonNode node = schema.path(keyword);
        if (node.isMissingNode()) {
            return Bound.NONE;
        }
        if (!node.isNumber()) {
            throw new SchemaException(path + "." + keyword, "found " + node + ", expected a number");
        }
        BigDecimal value = node.decimalValue();
        if (value.signum() != 0 && (value.scale() > 30 || value.precision() - value.scale() > 310)) {
            throw new SchemaException(path + "." + keyword, "found " + node + ", expected fewer digits");
        }
        return new Bound(value, exclusive);
    }

    private static Bound stricter(Bound a, Bound b, int sign) {
        if (a.value() == null || b.value() == null) {
            return a.value() == null ? b : a;
        }
        int order = a.value().compareTo(b.value()) * sign;
        return order > 0 ? a : b;
    }

    /** {@code const} and {@code enum}: the values that are of the type, if there is one. */
    private static Shape values(ObjectNode schema, String path) {
        only(schema, path, Set.of("const", "enum", "type"));
        List<JsonNode> values = new ArrayList<>();
        if (schema.has("enum")) {
            schema.path("enum").forEach(values::add);
        } else {
            values.add(schema.path("const"));
        }
        if (schema.has("const") && schema.has("enum")) {
            values.removeIf(value -> !value.equals(schema.path("const")));
        }
        if (schema.has("type")) {
            List<String> types = types(schema, path);
            values.removeIf(value -> types.stream().noneMatch(type -> is(value, type)));
        }
        if (values.isEmpty()) {
            throw new SchemaException(path + ".enum", "no value is left");
        }
        return Shape.Choice.of(values.stream()
                .map(value -> new Shape.Literal(JSON.writeValueAsBytes(value)))
                .toList());
    }

    private static boolean is(JsonNode value, String type) {
        return switch (type) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isString();
            case "number" -> value.isNumber();
            case "integer" ->
                value.isNumber() && value.decimalValue().stripTrailingZeros().scale() <= 0;
            case "boolean" -> value.isBoolean();
            default -> value.isNull();
        };
    }

    private Shape combined(ObjectNode schema, String keyword, String path) {
        only(schema, path, Set.of(keyword));
        JsonNode list = schema.path(keyword);
        if (!list.isArray() || list.isEmpty()) {
            throw new SchemaException(path + "." + keyword, "found " + list + ", expected a list of schemas");
        }
        if (keyword.equals("allOf") && list.size() > 1) {
            throw new SchemaException(path + ".allOf", "several schemas at once are not supported");
        }
        if (keyword.equals("oneOf")) {
            requireDistinctTypes(list, path + ".oneOf");
        }
        Shape.Choice choice = new Shape.Choice();
        for (int i = 0; i < list.size(); i++) {
            choice.alternatives.add(read(list.get(i), path + "." + keyword + "[" + i + "]"));
        }
        return choice;
    }

    /** What fulfils one of these fulfils no other. */
    private static void requireDistinctTypes(JsonNode list, String path) {
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < list.size(); i++) {
            if (!(list.get(i) instanceof ObjectNode each) || !each.has("type")) {
                throw new SchemaException(
                        path + "[" + i + "]", "oneOf is supported for schemas of different types; use anyOf");
            }
            for (String type : types(each, path)) {
                if (!seen.add(type.equals("integer") ? "number" : type)) {
                    throw new SchemaException(
                            path + "[" + i + "]", "oneOf is supported for schemas of different types; use anyOf");
                }
            }
        }
    }

    /** A reference within the document, to a schema that may contain the reference. */
    private Shape reference(JsonNode reference, String path) {
        String target = reference.asString();
        Shape known = references.get(target);
        if (known != null) {
            return known;
        }
        JsonNode node = target.equals("#") ? root : target.startsWith("#/") ? root.at(target.substring(1)) : null;
        if (node == null || node.isMissingNode()) {
            throw new SchemaException(path, "found \"" + target + "\", expected a place in this schema");
        }
        Shape.Choice choice = new Shape.Choice();
        references.put(target, choice);
        choice.alternatives.add(read(node, target));
        return choice;
    }

    /** A choice that leads back to itself without a byte between would be followed for ever. */
    private static void refuseLeftRecursion(Shape root) {
        Set<Shape> done = new HashSet<>();
        List<Shape> all = new ArrayList<>(List.of(root));
        while (!all.isEmpty()) {
            Shape shape = all.removeLast();
            if (done.add(shape)) {
                followChoices(shape, new LinkedHashSet<>());
                all.addAll(shape.parts());
            }
        }
    }

    private static void followChoices(Shape shape, Set<Shape> way) {
        if (shape instanceof Shape.Choice choice) {
            if (!way.add(shape)) {
                throw new SchemaException(
                        "", "a schema that refers to itself without anything around it has no meaning");
            }
            choice.alternatives.forEach(each -> followChoices(each, way));
            way.remove(shape);
        }
    }
}
