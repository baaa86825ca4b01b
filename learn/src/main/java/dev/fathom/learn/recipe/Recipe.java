package dev.fathom.learn.recipe;

import dev.fathom.learn.LearnException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A recipe: which tasks, which model, and the stages that make one from the other.
 *
 * <pre>{@code
 * {
 *   "name": "r1-zero",
 *   "tasks": ["multiplication", "addition"],
 *   "model": { "hidden_size": 128, ... },
 *   "stages": [
 *     { "stage": "pretrain", "tokens": 12000000 },
 *     { "stage": "rl", "steps": 150, "learningRate": { "peak": 2e-4 } },
 *     { "stage": "eval" }
 *   ]
 * }
 * }</pre>
 *
 * <p>A key that is left out has its default, also inside nested objects; a key that is not known is an error.
 *
 * @param name short name, becomes part of the run directory's name
 * @param tasks names as {@link dev.fathom.learn.task.Tasks#find} knows them
 * @param model the model's configuration under its Hugging Face names, read by module {@code model}
 * @param stages in the order in which they run
 */
public record Recipe(String name, List<String> tasks, Map<String, @Nullable Object> model, List<StageOptions> stages) {
    public Recipe {
        tasks = List.copyOf(tasks);
        // Keeps the order of the file, and allows null ("q_lora_rank": null).
        model = Collections.unmodifiableMap(new LinkedHashMap<>(model));
        stages = List.copyOf(stages);
        Check.that(
                name.matches("[a-z0-9][a-z0-9.-]*"),
                "name must be lower-case letters, digits, dots and hyphens, was \"" + name + "\"");
        Check.that(!tasks.isEmpty(), "tasks must name at least one task");
        Check.that(!stages.isEmpty(), "stages must have at least one stage");
    }

    /** The recipe of this name that comes with Fathom, such as {@code r1-zero}. */
    public static Recipe builtIn(String name) {
        String resource = "/recipes/" + name + ".json";
        // A name is no path: nothing but the recipes is reachable.
        try (InputStream in = name.matches("[a-z0-9-]+") ? Recipe.class.getResourceAsStream(resource) : null) {
            if (in == null) {
                throw new LearnException(
                        "There is no recipe \"" + name + "\". Built in: r1-zero. A recipe of your own is named "
                                + "by its file, for example my-recipe.json.");
            }
            return RecipeJson.read(new String(in.readAllBytes(), StandardCharsets.UTF_8), "recipe " + name);
        } catch (IOException e) {
            throw new LearnException("The built-in recipe " + name + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Reads a recipe file; errors name the file and the key. */
    public static Recipe read(Path file) {
        try {
            return RecipeJson.read(Files.readString(file), file.toString());
        } catch (NoSuchFileException e) {
            throw new LearnException("There is no recipe file " + file + ".", e);
        } catch (IOException e) {
            throw new LearnException("The recipe file " + file + " cannot be read: " + e, e);
        }
    }

    /** Reads a recipe from text; {@code source} names it in errors. */
    public static Recipe parse(String json, String source) {
        return RecipeJson.read(json, source);
    }

    /** The complete recipe, every default written out. */
    public String toJson() {
        return RecipeJson.write(this);
    }

    /** The only stage of this kind. */
    public <T extends StageOptions> T stage(Class<T> kind) {
        List<T> found = stages.stream().filter(kind::isInstance).map(kind::cast).toList();
        if (found.size() != 1) {
            throw new LearnException("Recipe " + name + " has " + found.size() + " stages of kind "
                    + kind.getSimpleName() + ", exactly one is needed here.");
        }
        return found.getFirst();
    }
}
