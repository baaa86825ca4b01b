package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.recipe.RlOptions;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom rl}: the reinforcement-learning stage of a recipe, starting from a model that exists. */
@Command(
        name = "rl",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Reinforcement learning with rewards by rule (GRPO) from an existing model: the rl stage of a recipe and"
                        + " the evaluation after it. For all dials write a recipe file.")
final class RlCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private RunOptions options;

    @Option(
            names = "--from",
            required = true,
            paramLabel = "RUN|MODEL",
            description =
                    "The model to start from: a run (its newest checkpoint) or a model directory. Tasks are those of the"
                            + " run, unless --tasks names others.")
    private Path from;

    @Option(names = "--steps", paramLabel = "N", description = "Steps. Default: the recipe's.")
    private @Nullable Integer steps;

    @Option(names = "--groups", paramLabel = "N", description = "Problems per step. Default: the recipe's.")
    private @Nullable Integer groups;

    @Option(names = "--group-size", paramLabel = "N", description = "Responses per problem. Default: the recipe's.")
    private @Nullable Integer groupSize;

    @Option(
            names = "--max-response-tokens",
            paramLabel = "N",
            description = "Longest response; a longer one is cut off and wrong. Default: the recipe's.")
    private @Nullable Integer maxResponseTokens;

    @Option(
            names = "--learning-rate",
            paramLabel = "RATE",
            description = "Highest learning rate. Default: the recipe's.")
    private @Nullable Double learningRate;

    @Option(
            names = "--kl",
            paramLabel = "WEIGHT",
            description = "Weight of the penalty for moving away from the reference model. Default: the recipe's.")
    private @Nullable Double kl;

    @Option(names = "--start-level", paramLabel = "LEVEL", description = "First level. Default: the recipe's.")
    private @Nullable Integer startLevel;

    @Override
    public Integer call() {
        ModelPath model = ModelPath.find(from, null);
        Recipe recipe = options.recipe();
        if (options.tasks == null && model.info() != null) {
            recipe = recipe.withTasks(model.recipe().tasks());
        }
        return new Runner(main.screen(spec), options.json)
                .begin(options, recipe.only(RlOptions.class, changes()), model.directory(), spec);
    }

    private ObjectNode changes() {
        ObjectNode changes = Json.MAPPER.createObjectNode();
        putIfGiven(changes, "steps", steps);
        putIfGiven(changes, "groupsPerStep", groups);
        putIfGiven(changes, "groupSize", groupSize);
        putIfGiven(changes, "maxResponseTokens", maxResponseTokens);
        if (learningRate != null) {
            changes.putObject("learningRate").put("peak", learningRate);
        }
        if (kl != null) {
            changes.put("klCoefficient", kl);
        }
        if (startLevel != null) {
            changes.putObject("curriculum").put("startLevel", startLevel);
        }
        return changes;
    }

    private static void putIfGiven(ObjectNode changes, String key, @Nullable Integer value) {
        if (value != null) {
            changes.put(key, value);
        }
    }
}
