package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.run.JsonLines;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.Sample;
import dev.fathom.learn.stage.RunListener;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Shows a run while it goes on: a line per reporting interval, a bar per stage, evaluations, and a problem with the model's own thinking. */
final class RunProgress implements RunListener, AutoCloseable {
    private final Screen screen;
    private final @Nullable PrintWriter json;
    private final Recipe recipe;
    private @Nullable ProgressLine bar;
    private long steps;
    private boolean begun;

    private final List<Sample> samples = new ArrayList<>();
    private @Nullable Sample shown;
    private Evaluation.@Nullable Score before;

    /** @param json where the lines of metrics go, if a program wants them */
    RunProgress(Screen screen, @Nullable PrintWriter json, Recipe recipe) {
        this.screen = screen;
        this.json = json;
        this.recipe = recipe;
    }

    /** Whether a stage has begun: what fails from now on fails on the way. */
    boolean hasBegun() {
        return begun;
    }

    @Override
    public void runStarted(Path directory, String kernels, long parameters, long activeParameters) {
        screen.line(kernels);
        screen.line("model: %,d parameters, %,d of them active per token".formatted(parameters, activeParameters));
        screen.line("run: " + directory + ", recipe " + recipe.name() + ", tasks " + String.join(", ", recipe.tasks()));
        // The problem that was shown before an interruption is the one to show after it.
        shown = worthShowing(JsonLines.read(RunDirectory.samplesFile(directory)).stream()
                .map(Sample::fromJson)
                .filter(sample -> sample.stage().equals(EvalOptions.STAGE))
                .toList());
    }

    @Override
    public void stageStarted(String stage, long step, long stageSteps) {
        begun = true;
        steps = stageSteps;
        if (stage.equals(EvalOptions.STAGE)) {
            return; // its bar counts responses
        }
        if (step < stageSteps) {
            screen.line("");
            screen.line(screen.bold(stage) + ": " + stageSteps + " steps"
                    + (step == 0 ? "" : ", going on after step " + step));
            bar = new ProgressLine(screen, stage, "steps", step, stageSteps);
        }
    }

    @Override
    public void stepDone(String stage, long step, long stageSteps) {
        if (bar != null && !stage.equals(EvalOptions.STAGE)) {
            bar.stepTo(step);
        }
    }

    @Override
    public void reported(ObjectNode metrics) {
        if (json != null) {
            json.println(Json.MAPPER.writeValueAsString(metrics));
            json.flush();
        }
        String line = MetricsText.line(metrics, steps);
        if (!line.isEmpty()) {
            screen.line(line);
        }
    }

    @Override
    public void evaluating(String label, long done, long responses) {
        if (bar == null) {
            bar = new ProgressLine(screen, "eval " + label, "responses", 0, responses);
            screen.line("");
            screen.line(
                    screen.bold("eval") + " of " + label + ": %,d responses to held-out problems".formatted(responses));
        }
        bar.stepTo(done);
    }

    @Override
    public void sampled(Sample sample) {
        samples.add(sample);
    }

    @Override
    public void evaluated(String label, Evaluation evaluation) {
        closeBar();
        EvaluationText.lines(label, evaluation).forEach(screen::line);
        showSample();
        Evaluation.Score score = evaluation.hardest();
        if (before != null) {
            screen.line("");
            screen.line(screen.bold("hardest levels: pass@1 %s -> %s, response length %.0f -> %.0f tokens"
                    .formatted(
                            MetricsText.percent(before.passAt1()),
                            MetricsText.percent(score.passAt1()),
                            before.meanResponseTokens(),
                            score.meanResponseTokens())));
        }
        before = score;
    }

    /** The same problem every time, so that thinking before and after can be compared. */
    private void showSample() {
        Sample earlier = shown;
        Sample sample = samples.stream()
                .filter(candidate -> earlier != null && candidate.prompt().equals(earlier.prompt()))
                .findFirst()
                .orElse(worthShowing(samples));
        samples.clear();
        if (sample == null) {
            return;
        }
        shown = earlier == null ? sample : earlier;
        screen.line("");
        screen.line("  " + screen.bold(sample.prompt()) + "   " + (sample.correct() ? "right" : "not right") + ", "
                + sample.tokens() + " tokens:");
        screen.line("  " + ThinkingText.styled(sample.response(), screen));
    }

    /** A problem that is not solved yet has the most to show. */
    private static @Nullable Sample worthShowing(List<Sample> candidates) {
        return candidates.stream()
                .filter(sample -> !sample.correct())
                .findFirst()
                .orElse(candidates.isEmpty() ? null : candidates.getFirst());
    }

    @Override
    public void stageFinished(String stage) {
        closeBar();
    }

    private void closeBar() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }

    @Override
    public void close() {
        closeBar();
    }
}
