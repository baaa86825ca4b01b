package dev.fathom.cli;

import dev.fathom.learn.recipe.Recipe;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of every command that begins a run. */
final class RunOptions {
    /** Where runs go unless --out says otherwise. */
    static final Path RUNS = Path.of("runs");

    @Option(
            names = "--recipe",
            paramLabel = "NAME|FILE",
            description = "A built-in recipe or a recipe file (it ends with .json). Default: ${DEFAULT-VALUE}.",
            defaultValue = "r1-zero")
    private String recipe;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description =
                    "Seed of all random numbers: the same seed gives the same weights, byte for byte. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    long seed;

    @Option(names = "--out", paramLabel = "DIR", description = "Directory of the run. Default: runs/<recipe>-<time>.")
    @Nullable
    Path out;

    @Option(
            names = {"--tasks", "--task"},
            paramLabel = "NAME",
            split = ",",
            description = "Tasks instead of the recipe's: multiplication, addition, countdown, or a class of your own"
                    + " (my.package.MyTask, with FATHOM_CLASSPATH=my.jar). Several with commas.")
    @Nullable
    List<String> tasks;

    @Option(
            names = "--json",
            description =
                    "Print the lines of metrics.jsonl on standard output, and everything for people on standard error.")
    boolean json;

    @Mixin
    EngineOptions engine;

    /** The recipe that was asked for, with the tasks that were asked for. */
    Recipe recipe() {
        boolean file = recipe.endsWith(".json") || recipe.contains("/");
        Recipe found = file ? Recipe.read(Path.of(recipe)) : Recipe.builtIn(recipe);
        return tasks == null ? found : found.withTasks(tasks);
    }
}
