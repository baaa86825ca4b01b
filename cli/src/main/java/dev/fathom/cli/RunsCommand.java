package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.run.JsonLines;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom runs}: which runs there are and how far they got. */
@Command(
        name = "runs",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "List the runs in a directory, newest first: status, recipe, newest held-out accuracy.")
final class RunsCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "DIR",
            description = "Directory that holds the runs. Default: ${DEFAULT-VALUE}.",
            defaultValue = "runs")
    private Path directory;

    @Option(names = "--json", description = "Print one JSON object per run.")
    private boolean json;

    @Override
    public Integer call() {
        Screen screen = main.screen(spec);
        List<Path> runs = RunDirectory.list(directory);
        if (json) {
            runs.forEach(run -> screen.line(Json.MAPPER.writeValueAsString(describe(run))));
            return ExitCode.OK;
        }
        if (runs.isEmpty()) {
            screen.line("No runs in " + directory + ". Begin one: ./fathom learn");
            return ExitCode.OK;
        }
        screen.line("%-48s %-12s %-16s %s".formatted("run", "status", "recipe", "held-out"));
        for (Path run : runs) {
            ObjectNode found = describe(run);
            JsonNode accuracy = found.get(Metrics.HELD_OUT_ACCURACY);
            screen.line("%-48s %-12s %-16s %s"
                    .formatted(
                            run,
                            found.path("status").asString(),
                            found.path("recipe").asString(),
                            accuracy == null ? "" : MetricsText.percent(accuracy.asDouble())));
        }
        return ExitCode.OK;
    }

    private static ObjectNode describe(Path run) {
        RunInfo info = RunDirectory.readInfo(run);
        boolean interrupted = info.status().equals("running") && !RunDirectory.isInUse(run);
        ObjectNode object = Json.MAPPER.createObjectNode();
        object.put("run", run.toString())
                .put("created", info.created())
                .put("status", interrupted ? "interrupted" : info.status())
                .put("recipe", Objects.toString(info.recipe().get("name"), ""));
        newestAccuracy(run).ifPresent(accuracy -> object.put(Metrics.HELD_OUT_ACCURACY, accuracy));
        return object;
    }

    /** From the last evaluation, whether a stage of its own (its hardest levels) or one of the curve. */
    private static OptionalDouble newestAccuracy(Path run) {
        for (ObjectNode line : JsonLines.read(RunDirectory.metricsFile(run)).reversed()) {
            JsonNode accuracy = line.has(Metrics.HELD_OUT_ACCURACY)
                    ? line.path(Metrics.HELD_OUT_ACCURACY)
                    : line.path(Metrics.EVALUATION).path("hardest").path("passAt1");
            if (accuracy.isNumber()) {
                return OptionalDouble.of(accuracy.asDouble());
            }
        }
        return OptionalDouble.empty();
    }
}
