package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.plan.ExpertPlacement;
import dev.fathom.plan.PlanException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom plan experts}: where to put experts, given the loads of a run. */
@Command(
        name = "experts",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Place experts, with copies of busy ones, so that GPUs are equally busy: from the loads that a run logged, or"
                        + " a JSON file with a list of loads per layer.")
final class PlanExpertsCommand implements Callable<Integer> {
    @ParentCommand
    private PlanCommand plan;

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "RUN|FILE",
            description = "A run, or a JSON file such as [[90, 132, 40, 61], [20, 107, 104, 64]].")
    private Path path;

    @Option(
            names = "--gpus",
            required = true,
            paramLabel = "N",
            description = "GPUs that share the experts of a layer.")
    private int gpus;

    @Option(
            names = "--slots",
            paramLabel = "N",
            description = "Places for experts on all GPUs together. Default: two more per GPU than needed.")
    private @Nullable Integer slots;

    @Option(
            names = "--nodes",
            paramLabel = "N",
            description = "Nodes of the GPUs. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int nodes;

    @Option(
            names = "--groups",
            paramLabel = "N",
            description =
                    "Groups of experts; kept together on a node if they divide evenly. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int groups;

    @Option(names = "--json", description = "Print the placement as one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (gpus < 1) {
            throw PlanException.of("--gpus", gpus, "at least 1");
        }
        double[][] loads = RunDirectory.isRun(path) ? loggedLoads(path) : readLoads(path);
        Screen screen = plan.screen(spec);
        ObjectNode result = Json.MAPPER.createObjectNode();
        ArrayNode layers = result.putArray("layers");
        for (int layer = 0; layer < loads.length; layer++) {
            int experts = loads[layer].length;
            int count = slots != null ? slots : (Math.ceilDiv(experts, gpus) + 2) * gpus;
            ExpertPlacement placement = ExpertPlacement.plan(loads[layer], count, groups, nodes, gpus);
            double before = ExpertPlacement.naive(experts, count, gpus).imbalance(loads[layer]);
            double after = placement.imbalance(loads[layer]);
            ObjectNode node = layers.addObject();
            node.put("imbalanceNaive", before);
            node.put("imbalance", after);
            ArrayNode devices = node.putArray("devices");
            for (int device = 0; device < gpus; device++) {
                ArrayNode held = devices.addArray();
                Arrays.stream(placement.device(device)).forEach(held::add);
            }
            if (!json) {
                screen.line(String.format(
                        Locale.ROOT,
                        "layer %d: busiest GPU %.2f times the mean, %.2f with experts as they come",
                        layer,
                        after,
                        before));
                for (int device = 0; device < gpus; device++) {
                    screen.line("  GPU " + device + ": experts " + Arrays.toString(placement.device(device)));
                }
            }
        }
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(result));
        }
        return ExitCode.OK;
    }

    /** Mean over the run's lines of metrics: how busy experts were, not how busy they happened to be last. */
    private static double[][] loggedLoads(Path run) {
        Path file = run.resolve("metrics.jsonl");
        double[][] sums = null;
        for (String line : lines(file)) {
            JsonNode table = parse(line, file).get(Metrics.EXPERT_LOAD);
            if (table != null) {
                double[][] loads = table(table, file);
                if (sums == null || sums.length != loads.length || sums[0].length != loads[0].length) {
                    sums = loads; // a stage with other layers begins: its own loads count
                } else {
                    for (int l = 0; l < loads.length; l++) {
                        for (int e = 0; e < loads[l].length; e++) {
                            sums[l][e] += loads[l][e];
                        }
                    }
                }
            }
        }
        if (sums == null) {
            throw new PlanException(file + ": " + Metrics.EXPERT_LOAD
                    + ": found on no line, expected on those of a stage that trains" + " a model with experts");
        }
        return sums;
    }

    private static double[][] readLoads(Path file) {
        if (!Files.isRegularFile(file)) {
            throw PlanException.of(
                    "RUN|FILE", "\"" + file + "\"", "a run or a JSON file with a list of loads per layer");
        }
        return table(parse(String.join("\n", lines(file)), file), file);
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new PlanException(file + ": cannot be read (" + e + ")", e);
        }
    }

    private static JsonNode parse(String text, Path file) {
        try {
            return Json.MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw new PlanException(file + ": not valid JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static double[][] table(JsonNode node, Path file) {
        boolean right = node.isArray() && !node.isEmpty();
        double[][] rows = new double[right ? node.size() : 0][];
        for (int l = 0; l < rows.length; l++) {
            JsonNode row = node.get(l);
            right &= row.isArray() && !row.isEmpty();
            rows[l] = new double[row.size()];
            for (int e = 0; e < rows[l].length; e++) {
                right &= row.get(e).isNumber();
                rows[l][e] = row.get(e).doubleValue(0);
            }
        }
        if (!right) {
            throw new PlanException(file
                    + ": found something else, expected a list of loads per layer, such as [[90, 132], [20, 107]]");
        }
        return rows;
    }
}
