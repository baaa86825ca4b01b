package dev.fathom.learn.report;

import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.run.JsonLines;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import dev.fathom.learn.run.Sample;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the report shows, read from the files of a run directory and from nothing else.
 *
 * @param info {@code run.json}
 * @param pretrain the lines of pre-training
 * @param rl the lines of reinforcement learning
 * @param models each evaluated model, in order: first the base, last the result
 * @param samples all samples that carry a label
 */
record RunData(RunInfo info, List<ObjectNode> pretrain, List<ObjectNode> rl, List<Model> models, List<Sample> samples) {
    /**
     * A model at the end of a stage.
     *
     * @param label such as {@code base}
     * @param evaluation its evaluation
     * @param seconds how long the stage that made it took, if known
     * @param tokens the tokens of that stage, if known
     */
    record Model(String label, Evaluation evaluation, Optional<Double> seconds, Optional<Double> tokens) {}

    static RunData read(Path run) {
        List<ObjectNode> pretrain = new ArrayList<>();
        List<ObjectNode> rl = new ArrayList<>();
        List<Model> models = new ArrayList<>();
        Optional<ObjectNode> lastOfTraining = Optional.empty();
        for (ObjectNode line : JsonLines.read(RunDirectory.metricsFile(run))) {
            String stage = line.path(Metrics.STAGE).asString("");
            if (line.get(Metrics.EVALUATION) instanceof ObjectNode evaluation) {
                models.add(new Model(
                        line.path(Metrics.LABEL).asString(stage),
                        Evaluation.fromJson(evaluation),
                        lastOfTraining.flatMap(last -> number(last, Metrics.SECONDS)),
                        lastOfTraining.flatMap(last -> number(last, Metrics.TOKENS))));
            } else {
                if (stage.equals(PretrainOptions.STAGE)) {
                    pretrain.add(line);
                } else if (stage.equals(RlOptions.STAGE)) {
                    rl.add(line);
                }
                lastOfTraining = Optional.of(line);
            }
        }
        List<Sample> samples = JsonLines.read(RunDirectory.samplesFile(run)).stream()
                .map(Sample::fromJson)
                .filter(sample -> !sample.label().isEmpty())
                .toList();
        return new RunData(RunDirectory.readInfo(run), pretrain, rl, models, samples);
    }

    static Optional<Double> number(ObjectNode line, String name) {
        JsonNode value = line.get(name);
        return value != null && value.isNumber() ? Optional.of(value.asDouble()) : Optional.empty();
    }

    /** A metric as a curve over another; lines without either are left out. */
    /** The score on the hardest levels of the model that reinforcement learning started from, if it was evaluated. */
    Optional<Evaluation.Score> base() {
        return models.stream()
                .filter(model -> model.label().equals("base"))
                .findFirst()
                .map(model -> model.evaluation().hardest());
    }

    static List<Chart.Point> curve(List<ObjectNode> lines, String xName, String yName) {
        List<Chart.Point> points = new ArrayList<>();
        for (ObjectNode line : lines) {
            Optional<Double> x = number(line, xName);
            Optional<Double> y = number(line, yName);
            if (x.isPresent() && y.isPresent()) {
                points.add(new Chart.Point(x.get(), y.get()));
            }
        }
        return points;
    }
}
