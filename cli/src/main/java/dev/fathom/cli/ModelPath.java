package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.recipe.StageOptions;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import dev.fathom.learn.run.RunProblems;
import dev.fathom.learn.stage.Checkpoints;
import dev.fathom.learn.task.Task;
import dev.fathom.model.checkpoint.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;

/**
 * The model that a user named by a run, a checkpoint of a run or any model directory.
 *
 * @param directory the model directory
 * @param info the run it comes from, if it does
 */
record ModelPath(Path directory, @Nullable RunInfo info) {
    /** @param checkpoint a checkpoint of the run, or null for the newest */
    static ModelPath find(Path path, @Nullable String checkpoint) {
        if (RunDirectory.isRun(path)) {
            RunInfo info = RunDirectory.readInfo(path);
            if (checkpoint != null) {
                return new ModelPath(checkpoint(path, checkpoint), info);
            }
            return Checkpoints.newest(path)
                    .map(newest -> new ModelPath(newest, info))
                    .orElseThrow(() -> new CommandException(
                            ExitCode.USAGE,
                            path + " has no checkpoint yet. Go on with the run: ./fathom resume " + path));
        }
        if (checkpoint != null) {
            throw new CommandException(
                    ExitCode.USAGE, "--checkpoint is for runs, and " + path + " is none (it has no run.json).");
        }
        if (!Files.exists(path)) {
            throw new CommandException(ExitCode.USAGE, path + " does not exist. Your runs: ./fathom runs");
        }
        if (!Files.exists(path.resolve("config.json"))) {
            throw new CommandException(
                    ExitCode.USAGE, path + " is neither a run (no run.json) nor a model directory (no config.json).");
        }
        Path run = path.toAbsolutePath().normalize().resolve("../..").normalize();
        return new ModelPath(path, RunDirectory.isRun(run) ? RunDirectory.readInfo(run) : null);
    }

    private static Path checkpoint(Path run, String name) {
        List<Path> all = Checkpoint.list(run.resolve("checkpoints"));
        return all.stream()
                .filter(path -> Objects.toString(path.getFileName()).equals(name))
                .findFirst()
                .orElseThrow(() -> new CommandException(
                        ExitCode.USAGE,
                        run + " has no checkpoint \"" + name + "\"; it has: "
                                + all.stream()
                                        .map(path -> Objects.toString(path.getFileName()))
                                        .collect(Collectors.joining(", "))));
    }

    /** The recipe of the run it comes from. */
    Recipe recipe() {
        RunInfo run = Objects.requireNonNull(info, "this model comes from no run");
        return Recipe.parse(Json.MAPPER.writeValueAsString(run.recipe()), "run.json of " + run.name() + ", recipe");
    }

    /** The tasks of the run it comes from, none if it comes from none. */
    List<Task> tasks() {
        return info == null ? List.of() : RunProblems.tasks(info);
    }

    /** How the run evaluates at its end, or the usual way. */
    EvalOptions evaluation() {
        EvalOptions options = EvalOptions.defaults();
        if (info != null) {
            for (StageOptions stage : recipe().stages()) {
                options = stage instanceof EvalOptions evaluation ? evaluation : options;
            }
        }
        return options;
    }
}
