package dev.fathom.learn.recipe;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

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
 * @param nominalMinutes about how long the recipe takes on a laptop, the measure of {@link #scaledTo}; null if nobody
 *     has said
 */
public record Recipe(
        String name,
        List<String> tasks,
        Map<String, @Nullable Object> model,
        List<StageOptions> stages,
        @Nullable Double nominalMinutes) {
    /** Shorter stages teach nothing and are not worth their set-up. */
    private static final int LEAST_PRETRAIN_STEPS = 20;

    private static final int LEAST_RL_STEPS = 2;

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
        if (nominalMinutes != null) {
            Check.positive("nominalMinutes", nominalMinutes);
        }
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

    /** The same recipe for other tasks. */
    public Recipe withTasks(List<String> others) {
        return new Recipe(name, others, model, stages, nominalMinutes);
    }

    /**
     * The same recipe for more or less time: pre-training tokens and reinforcement-learning steps in proportion to
     * {@link #nominalMinutes}. Decided before the run begins and by nothing that is measured, so that a rerun has the
     * same bytes; a slower machine takes longer.
     */
    public Recipe scaledTo(double minutes) {
        Check.positive("minutes", minutes);
        if (nominalMinutes == null) {
            throw new LearnException("Recipe " + name + " does not say how long it takes, so it cannot be scaled to "
                    + minutes + " minutes. Give it \"nominalMinutes\", or change its tokens and steps.");
        }
        double factor = minutes / nominalMinutes;
        List<StageOptions> scaled = stages.stream()
                .map(stage -> switch (stage) {
                    case PretrainOptions options -> {
                        long least = (long) LEAST_PRETRAIN_STEPS * options.batchTokens();
                        yield changed(options, "tokens", Math.max(least, Math.round(options.tokens() * factor)));
                    }
                    case RlOptions options ->
                        changed(options, "steps", Math.max(LEAST_RL_STEPS, Math.round(options.steps() * factor)));
                    case EvalOptions options -> options;
                })
                .toList();
        return new Recipe(name, tasks, model, scaled, minutes);
    }

    private static StageOptions changed(StageOptions options, String key, long value) {
        return RecipeJson.over(options, Json.MAPPER.createObjectNode().put(key, value), options.stage());
    }

    /**
     * A recipe of one stage of this one, with changes to it, and the evaluation that follows it, if one does.
     *
     * @param kind of the stage, of which this recipe must have exactly one
     * @param changes options of the stage under their names in JSON
     */
    public <T extends StageOptions> Recipe only(Class<T> kind, ObjectNode changes) {
        T stage = stage(kind);
        List<StageOptions> kept = new ArrayList<>();
        kept.add(RecipeJson.over(stage, changes, stage.stage()));
        int next = stages.indexOf(stage) + 1;
        if (next < stages.size() && stages.get(next) instanceof EvalOptions evaluation) {
            kept.add(evaluation);
        }
        return new Recipe(name + "-" + stage.stage(), tasks, model, kept, null);
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
