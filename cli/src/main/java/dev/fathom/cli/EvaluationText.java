package dev.fathom.cli;

import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.eval.Evaluation.Score;
import java.util.ArrayList;
import java.util.List;

/** An evaluation as a small table. */
final class EvaluationText {
    private EvaluationText() {}

    static List<String> lines(String label, Evaluation evaluation) {
        List<String> lines = new ArrayList<>();
        lines.add("%-20s %26s %9s %9s %8s %9s"
                .formatted(label, "pass@1 (95 %)", "pass@" + evaluation.k(), "greedy", "length", "problems"));
        for (Evaluation.Level level : evaluation.levels()) {
            lines.add(line("  " + level.task() + " " + level.level(), level.score()));
        }
        lines.add(line("  hardest levels", evaluation.hardest()));
        lines.add(line("  all", evaluation.overall()));
        return lines;
    }

    private static String line(String name, Score score) {
        String interval = "%s (%s - %s)"
                .formatted(
                        MetricsText.percent(score.passAt1()),
                        MetricsText.number(100 * score.passAt1Low(), 1),
                        MetricsText.number(100 * score.passAt1High(), 1));
        Double greedy = score.greedy();
        return "%-20s %26s %9s %9s %8s %9d"
                .formatted(
                        name,
                        interval,
                        MetricsText.percent(score.passAtK()),
                        greedy == null ? "" : MetricsText.percent(greedy),
                        MetricsText.number(score.meanResponseTokens(), 1),
                        score.problems());
    }
}
