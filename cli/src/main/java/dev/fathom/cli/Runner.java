package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import dev.fathom.learn.stage.Checkpoints;
import dev.fathom.learn.stage.Learning;
import dev.fathom.learn.stage.RunStopped;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import tools.jackson.databind.node.ObjectNode;

/** Begins runs and goes on with them: what {@code learn}, {@code pretrain}, {@code rl} and {@code resume} have in common. */
final class Runner {
    private final Screen screen;
    private final @Nullable PrintWriter json;

    /** @param json whether standard output is for a program */
    Runner(Screen screen, boolean json) {
        this.screen = json ? screen.onStandardError() : screen;
        this.json = json ? screen.out() : null;
    }

    /**
     * Begins a run in a new directory.
     *
     * @param startFrom a model directory, or null for random weights
     * @param command the command, for its line that repeats the run
     * @return the exit code
     */
    int begin(RunOptions options, Recipe recipe, @Nullable Path startFrom, CommandSpec command) {
        Path path = options.out != null
                ? options.out
                : RunDirectory.newPath(RunOptions.RUNS, recipe.name(), LocalDateTime.now());
        if (RunDirectory.isRun(path)) {
            throw new CommandException(
                    ExitCode.USAGE,
                    path + " holds a run already. Go on with it: ./fathom resume " + path
                            + " , or choose another directory with --out.");
        }
        Learning.check(recipe, startFrom);
        try (Engine engine = options.engine.open()) {
            RunInfo info = new RunInfo(
                    Objects.toString(path.toAbsolutePath().normalize().getFileName()),
                    Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                    "running",
                    CommandText.repeating(command),
                    options.seed,
                    VersionProvider.fathomVersion(),
                    Runtime.version().toString(),
                    Machine.describe(),
                    kernels(engine),
                    precision(engine),
                    options.engine.gemm(),
                    startFrom == null ? null : startFrom.toAbsolutePath().toString(),
                    complete(recipe));
            try (RunDirectory run = RunDirectory.create(path, info)) {
                return run(run, recipe, engine, startFrom);
            }
        }
    }

    /** The recipe as {@code run.json} keeps it. */
    private static Map<String, @Nullable Object> complete(Recipe recipe) {
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        ((ObjectNode) Json.MAPPER.readTree(recipe.toJson()))
                .forEachEntry((key, value) -> fields.put(key, Json.MAPPER.treeToValue(value, Object.class)));
        return fields;
    }

    /** Goes on with an interrupted run. */
    int resume(Path path, EngineOptions options) {
        RunInfo info = RunDirectory.readInfo(path);
        if (info.status().equals("finished")) {
            screen.line(
                    "The run is finished, there is nothing to go on with. Talk to its model: ./fathom chat " + path);
            screen.line(path.toString());
            return ExitCode.OK;
        }
        Recipe recipe = Recipe.parse(Json.MAPPER.writeValueAsString(info.recipe()), path + "/run.json, recipe");
        refuseOtherBits("--precision", options.asksForPrecision(), lower(options.precision()), info.precision(), path);
        refuseOtherBits("--gemm", options.asksForGemm(), options.gemm(), info.gemm(), path);
        try (Engine engine = options.open(EngineOptions.choice(info.precision()), info.gemm());
                RunDirectory run = RunDirectory.open(path)) {
            if (!numerics(kernels(engine)).equals(numerics(info.kernels()))) {
                throw new CommandException(
                        ExitCode.USAGE,
                        path + " was begun with the kernels " + info.kernels() + ", here they would be "
                                + kernels(engine) + ". The run would end with other bits, so it is not continued;"
                                + " go on with it on a machine like the first, or begin a new run.");
            }
            run.update(info.withStatus("running"));
            return run(run, recipe, engine, startOf(info, path));
        }
    }

    private static void refuseOtherBits(String option, boolean asked, String found, String recorded, Path path) {
        if (asked && !found.equals(recorded)) {
            throw new CommandException(
                    ExitCode.USAGE,
                    path + " was begun with " + option + " " + recorded + " and can only go on with it, found " + option
                            + " " + found + ": the weights have the same bytes for any number of threads, but not for"
                            + " another precision or other matrix products. Leave the option out.");
        }
    }

    /** A run that did not start from random weights takes its model's shape and tokenizer from where it began, or from its own checkpoint. */
    private static @Nullable Path startOf(RunInfo info, Path path) {
        return info.startFrom() == null ? null : Checkpoints.newest(path).orElse(Path.of(info.startFrom()));
    }

    private int run(RunDirectory run, Recipe recipe, Engine engine, @Nullable Path startFrom) {
        Path path = run.path();
        try (StopSignal stop = StopSignal.listen(screen);
                RunProgress progress = new RunProgress(screen, json, recipe)) {
            try {
                Learning.run(run, recipe, run.info().seed(), engine, startFrom, progress, stop::isRequested);
            } catch (RunStopped e) {
                run.update(run.info().withStatus("stopped"));
                progress.close();
                screen.line(sentence(e) + " Go on with: ./fathom resume " + path);
                screen.line(path.toString());
                return stop.exitCode();
            } catch (RuntimeException | Error e) {
                if (progress.hasBegun()) {
                    throw failed(run, e);
                }
                throw e;
            }
            progress.close();
            screen.line("");
            screen.line("report: " + run.report());
            screen.line("./fathom chat " + path);
            screen.line(path.toString());
            return ExitCode.OK;
        }
    }

    /** A failure after the first step: the run keeps what it has. */
    private static CommandException failed(RunDirectory run, Throwable e) {
        try {
            run.update(run.info().withStatus("stopped"));
        } catch (RuntimeException suppressed) {
            e.addSuppressed(suppressed); // no room on the disk for run.json either
        }
        return new CommandException(
                ExitCode.SOFTWARE,
                Failures.describe(e).replaceFirst("[.]?$", ".")
                        + " When that is put right, go on with: ./fathom resume " + run.path(),
                e);
    }

    private static String sentence(RunStopped e) {
        String message = Objects.requireNonNullElse(e.getMessage(), "stopped");
        return message.substring(0, 1).toUpperCase(Locale.ROOT) + message.substring(1) + ".";
    }

    private static String lower(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    private static String precision(Engine engine) {
        return lower(engine.gemm().precision());
    }

    /** The kernels line without its label. */
    private static String kernels(Engine engine) {
        return engine.describe().replaceFirst("^kernels: ", "");
    }

    /** The part of a kernels line that decides the bits: not the threads. */
    private static String numerics(String kernels) {
        return List.of(kernels.split(", \\d+ thread", -1)).getFirst();
    }
}
