package dev.fathom.learn.recipe;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DatabindException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Recipes as JSON. Reading lays a stage's keys over its defaults, so that the defaults stand in one place, the {@code
 * defaults()} of each options record, and what a recipe may say is exactly what the defaults have.
 */
final class RecipeJson {
    private static final List<String> KEYS = List.of("name", "tasks", "model", "stages", "nominalMinutes");

    private RecipeJson() {}

    static Recipe read(String json, String source) {
        try {
            JsonNode root = Json.MAPPER.readTree(json);
            return readRecipe(root);
        } catch (LearnException e) {
            throw new LearnException(source + ": " + e.getMessage() + ".", e);
        } catch (JacksonException e) {
            throw new LearnException(source + ": " + e.getOriginalMessage() + at(e) + ".", e);
        }
    }

    private static String at(JacksonException e) {
        return e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ")";
    }

    private static Recipe readRecipe(JsonNode root) {
        if (!(root instanceof ObjectNode object)) {
            throw new LearnException("a recipe must be a JSON object");
        }
        for (String key : object.propertyNames()) {
            requireKnown("", key, KEYS);
        }
        List<String> tasks = new ArrayList<>();
        for (JsonNode task : array(object, "tasks")) {
            Check.that(task.isString(), "tasks must be a list of names, found " + task);
            tasks.add(task.asString());
        }
        Map<String, @Nullable Object> model = new LinkedHashMap<>();
        if (object.get("model") instanceof ObjectNode config) {
            config.forEachEntry((key, value) -> model.put(key, Json.MAPPER.treeToValue(value, Object.class)));
        } else {
            Check.that(!object.has("model"), "model must be an object, found " + object.get("model"));
        }
        List<StageOptions> stages = new ArrayList<>();
        for (JsonNode stage : array(object, "stages")) {
            stages.add(readStage(stage, "stages[" + stages.size() + "]"));
        }
        JsonNode name = object.get("name");
        if (name == null || !name.isString()) {
            throw new LearnException("name must be a string, found " + name);
        }
        JsonNode minutes = object.get("nominalMinutes");
        Check.that(minutes == null || minutes.isNumber(), "nominalMinutes must be a number, found " + minutes);
        return new Recipe(name.asString(), tasks, model, stages, minutes == null ? null : minutes.asDouble());
    }

    private static JsonNode array(ObjectNode object, String key) {
        JsonNode value = object.get(key);
        if (value == null || !value.isArray()) {
            throw new LearnException(key + " must be a list, found " + value);
        }
        return value;
    }

    private static StageOptions readStage(JsonNode node, String path) {
        if (!(node instanceof ObjectNode object)) {
            throw new LearnException(path + " must be an object, found " + node);
        }
        JsonNode kind = object.get("stage");
        String stage = kind == null ? "" : kind.asString("");
        ObjectNode options = object.deepCopy();
        options.remove("stage");
        return switch (stage) {
            case PretrainOptions.STAGE -> over(PretrainOptions.defaults(), options, path);
            case RlOptions.STAGE -> over(RlOptions.defaults(), options, path);
            case EvalOptions.STAGE -> over(EvalOptions.defaults(), options, path);
            default -> throw new LearnException(path + ".stage must be pretrain, rl or eval, found " + kind);
        };
    }

    /** The defaults, with every key that {@code changes} has replaced. */
    static <T extends StageOptions> T over(T defaults, ObjectNode changes, String path) {
        ObjectNode merged = Json.MAPPER.valueToTree(defaults);
        merge(merged, changes, path);
        try {
            @SuppressWarnings("unchecked")
            T options = (T) Json.MAPPER.treeToValue(merged, defaults.getClass());
            return options;
        } catch (DatabindException e) {
            // What a record's own validation throws arrives wrapped.
            if (e.getCause() instanceof LearnException invalid) {
                throw new LearnException(path + ": " + invalid.getMessage(), e);
            }
            String key = e.getPath().stream()
                    .map(reference -> reference.getPropertyName() == null
                            ? "[" + reference.getIndex() + "]"
                            : "." + reference.getPropertyName())
                    .collect(Collectors.joining());
            throw new LearnException(path + key + " has a value of the wrong kind: " + e.getOriginalMessage(), e);
        }
    }

    private static void merge(ObjectNode defaults, ObjectNode changes, String path) {
        for (Map.Entry<String, JsonNode> change : changes.properties()) {
            String key = change.getKey();
            requireKnown(path + ".", key, List.copyOf(defaults.propertyNames()));
            if (defaults.get(key) instanceof ObjectNode nested) {
                if (!(change.getValue() instanceof ObjectNode nestedChanges)) {
                    throw new LearnException(path + "." + key + " must be an object, found " + change.getValue());
                }
                merge(nested, nestedChanges, path + "." + key);
            } else {
                defaults.set(key, change.getValue());
            }
        }
    }

    private static void requireKnown(String path, String key, List<String> known) {
        if (!known.contains(key)) {
            throw new LearnException("unknown key " + path + key + "; known keys: "
                    + known.stream().sorted().collect(Collectors.joining(", ")));
        }
    }

    static String write(Recipe recipe) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("name", recipe.name());
        root.set("tasks", Json.MAPPER.valueToTree(recipe.tasks()));
        root.set("model", Json.MAPPER.valueToTree(recipe.model()));
        var stages = root.putArray("stages");
        for (StageOptions stage : recipe.stages()) {
            ObjectNode object = stages.addObject();
            object.put("stage", stage.stage());
            object.setAll((ObjectNode) Json.MAPPER.valueToTree(stage));
        }
        if (recipe.nominalMinutes() != null) {
            root.put("nominalMinutes", recipe.nominalMinutes());
        }
        return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root);
    }
}
