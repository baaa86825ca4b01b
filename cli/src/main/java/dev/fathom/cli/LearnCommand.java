package dev.fathom.cli;

import dev.fathom.learn.recipe.Recipe;
import dev.fathom.serve.Server;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom learn}: a whole recipe, from random weights to a model that thinks before it answers. */
@Command(
        name = "learn",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Take a model from random weights to one that thinks before it answers: pre-training, reinforcement"
                        + " learning, evaluation. Ends by printing the directory of the run.")
final class LearnCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private RunOptions options;

    @Option(
            names = "--minutes",
            paramLabel = "M",
            description =
                    "About how long the run may take on two laptop cores. Decided before the run begins: pre-training"
                            + " tokens and reinforcement-learning steps of the recipe are multiplied by M / its nominal minutes"
                            + " (r1-zero: 12). A slower machine takes longer; the weights are the same everywhere.")
    private @Nullable Double minutes;

    @Mixin
    private WatchOption watch;

    @Override
    public Integer call() {
        Recipe recipe = options.recipe();
        if (minutes != null) {
            recipe = recipe.scaledTo(minutes);
        }
        Screen screen = main.screen(spec);
        Path parent = options.out == null
                ? RunOptions.RUNS
                : options.out.toAbsolutePath().getParent();
        try (Server dashboard = watch.open(screen, parent == null ? RunOptions.RUNS : parent)) {
            return new Runner(screen, options.json).begin(options, recipe, null, spec);
        }
    }
}
