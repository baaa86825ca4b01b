package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.PretrainOptions;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom pretrain}: the pre-training stage of a recipe and the evaluation after it. */
@Command(
        name = "pretrain",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Pre-train a model from random weights: the pre-training stage of a recipe and the evaluation after it."
                        + " For all dials write a recipe file.")
final class PretrainCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private RunOptions options;

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens to train on. Default: the recipe's.")
    private @Nullable Long tokens;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            description = "Tokens per optimizer step. Default: the recipe's.")
    private @Nullable Integer batchTokens;

    @Option(
            names = "--worked-share",
            paramLabel = "SHARE",
            description = "Share of problems that are shown worked out, 0 to 1. Default: the recipe's.")
    private @Nullable Double workedShare;

    @Option(
            names = "--learning-rate",
            paramLabel = "RATE",
            description = "Highest learning rate. Default: the recipe's.")
    private @Nullable Double learningRate;

    @Override
    public Integer call() {
        ObjectNode changes = Json.MAPPER.createObjectNode();
        if (tokens != null) {
            changes.put("tokens", tokens);
        }
        if (batchTokens != null) {
            changes.put("batchTokens", batchTokens);
        }
        if (workedShare != null) {
            changes.put("workedShare", workedShare);
        }
        if (learningRate != null) {
            changes.putObject("learningRate").put("peak", learningRate);
        }
        return new Runner(main.screen(spec), options.json)
                .begin(options, options.recipe().only(PretrainOptions.class, changes), null, spec);
    }
}
