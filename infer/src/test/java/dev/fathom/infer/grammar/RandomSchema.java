package dev.fathom.infer.grammar;

import dev.fathom.engine.Philox;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Schemas at random, of everything that is supported: the same number, the same schema. */
public final class RandomSchema {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final List<String> FORMATS =
            List.of("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "uuid");
    private static final List<String> PATTERNS = List.of(
            "^[A-Z]{3}-\\d{4}$",
            "^(red|green|blue)$",
            "a+b",
            "^\\w+@\\w+\\.(com|org)$",
            "^[^\"\\\\]{2,5}\"$",
            "^(\\d+|x)(,(\\d+|x))*$",
            "^\\s?\\S+$",
            "[0-9a-f]{2}$",
            "^a|b$",
            "^(?:ab?c){1,3}\\\\$");
    private static final List<String> NAMES =
            List.of("a", "ab", "name", "größe", "with \"quotes\"", "back\\slash", "x y", "日本", "", "id", "tab\t");

    private final long seed;
    private int drawn;
    private int definitions;
    private final ObjectNode root = JSON.createObjectNode();

    private RandomSchema(long seed) {
        this.seed = seed;
    }

    /** A schema whose root is an object, as OpenAI wants it, or anything. */
    public static ObjectNode number(long seed) {
        RandomSchema random = new RandomSchema(seed);
        ObjectNode schema = random.draw(4) == 0 ? random.any(0) : random.object(0);
        schema.setAll(random.root);
        return schema;
    }

    private int draw(int bound) {
        return (int) (Philox.uniform(seed, 0x73636865, drawn++, 0) * bound);
    }

    private boolean chance(int percent) {
        return draw(100) < percent;
    }

    private ObjectNode any(int depth) {
        return switch (draw(depth < 3 ? 12 : 7)) {
            case 0 -> string();
            case 1 -> number(false);
            case 2 -> number(true);
            case 3 -> type("boolean");
            case 4 -> chance(50) ? type("null") : string();
            case 5 -> values();
            case 6 -> chance(30) ? JSON.createObjectNode() : types();
            case 7 -> array(depth);
            case 8 -> combined(depth);
            case 9 -> definitions < 3 ? reference(depth) : array(depth);
            default -> object(depth);
        };
    }

    private static ObjectNode type(String name) {
        return JSON.createObjectNode().put("type", name);
    }

    private ObjectNode string() {
        ObjectNode schema = type("string");
        switch (draw(5)) {
            case 0 -> schema.put("pattern", PATTERNS.get(draw(PATTERNS.size())));
            case 1 -> schema.put("format", FORMATS.get(draw(FORMATS.size())));
            case 2 -> {
                int least = draw(6);
                schema.put("minLength", least).put("maxLength", least + draw(20));
            }
            case 3 -> schema.put("maxLength", draw(30));
            default -> schema.put("description", "any text");
        }
        return schema;
    }

    private ObjectNode number(boolean integer) {
        ObjectNode schema = type(integer ? "integer" : "number");
        if (integer) {
            int least = draw(2000) - 1000;
            if (chance(50)) {
                schema.put(chance(50) ? "minimum" : "exclusiveMinimum", least);
            }
            if (chance(50)) {
                schema.put(chance(50) ? "maximum" : "exclusiveMaximum", least + 2 + draw(300));
            } else if (chance(30)) {
                schema.put("multipleOf", 1 + draw(40));
            }
        } else {
            double least = (draw(2000) - 1000) / 100.0;
            if (chance(60)) {
                schema.put(chance(50) ? "minimum" : "exclusiveMinimum", least);
            }
            if (chance(60)) {
                schema.put(chance(50) ? "maximum" : "exclusiveMaximum", least + 0.01 + draw(1000) / 1000.0);
            } else if (chance(30)) {
                schema.put("multipleOf", List.of(0.5, 0.25, 0.01, 3.0).get(draw(4)));
            }
        }
        return schema;
    }

    private ObjectNode types() {
        ObjectNode schema = JSON.createObjectNode();
        ArrayNode types = schema.putArray("type");
        types.add(chance(50) ? "string" : "integer").add("null");
        if (chance(50)) {
            types.add("boolean");
        }
        return schema;
    }

    private ObjectNode values() {
        ObjectNode schema = JSON.createObjectNode();
        if (chance(30)) {
            schema.putObject("const")
                    .put("fixed", "vaLue \"✓\"")
                    .putArray("list")
                    .add(1)
                    .add(2.5);
            return schema;
        }
        ArrayNode values = schema.putArray("enum");
        values.add("red").add("red-green").add(17).add(true);
        values.addNull();
        if (chance(50)) {
            schema.put("type", "string");
        }
        return schema;
    }

    private ObjectNode array(int depth) {
        ObjectNode schema = type("array");
        int prefix = chance(30) ? draw(3) : 0;
        if (prefix > 0) {
            ArrayNode first = schema.putArray("prefixItems");
            for (int i = 0; i < prefix; i++) {
                first.add(any(depth + 1));
            }
        }
        if (chance(20)) {
            schema.put("items", false);
        } else if (chance(80)) {
            schema.set("items", any(depth + 1));
            int least = draw(3);
            schema.put("minItems", least);
            if (chance(50)) {
                schema.put("maxItems", least + prefix + draw(4));
            }
        }
        return schema;
    }

    private ObjectNode object(int depth) {
        ObjectNode schema = type("object");
        ObjectNode properties = schema.putObject("properties");
        ArrayNode required = schema.putArray("required");
        int count = draw(5);
        for (int i = 0; i < count; i++) {
            String name = NAMES.get(draw(NAMES.size()));
            if (!properties.has(name)) {
                properties.set(name, any(depth + 1));
                if (chance(60)) {
                    required.add(name);
                }
            }
        }
        switch (draw(4)) {
            case 0 -> schema.set("additionalProperties", any(depth + 1));
            case 1 -> schema.put("additionalProperties", true);
            case 2 -> schema.put("additionalProperties", false);
            default -> schema.put("title", "no word on additional properties");
        }
        return schema;
    }

    private ObjectNode combined(int depth) {
        ObjectNode schema = JSON.createObjectNode();
        if (chance(30)) {
            ArrayNode one = schema.putArray("oneOf");
            one.add(string()).add(number(true)).add(object(depth + 1));
            return schema;
        }
        ArrayNode any = schema.putArray("anyOf");
        int count = 1 + draw(3);
        for (int i = 0; i < count; i++) {
            any.add(any(depth + 1));
        }
        return schema;
    }

    /** A schema that contains itself. */
    private ObjectNode reference(int depth) {
        String name = "d" + definitions++;
        ObjectNode node = type("object");
        ObjectNode properties = node.putObject("properties");
        properties.set("value", any(depth + 2));
        if (chance(50)) {
            properties.putObject("next").put("$ref", "#/$defs/" + name);
        } else {
            properties
                    .putObject("children")
                    .put("type", "array")
                    .putObject("items")
                    .put("$ref", "#/$defs/" + name);
        }
        node.putArray("required").add("value");
        node.put("additionalProperties", false);
        ((ObjectNode) (root.has("$defs") ? root.get("$defs") : root.putObject("$defs"))).set(name, node);
        return JSON.createObjectNode().put("$ref", "#/$defs/" + name);
    }
}
