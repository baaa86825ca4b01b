package dev.fathom.learn.report;

import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.eval.Evaluation.Score;
import dev.fathom.learn.run.RunInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** The report's tables. */
final class Tables {
    private Tables() {}

    /** One column per evaluated model, one row per metric, then one per level. */
    static String models(List<RunData.Model> models) {
        if (models.isEmpty()) {
            return "";
        }
        Evaluation first = models.getFirst().evaluation();
        StringBuilder html =
                new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr><th>held out, hardest level</th>");
        models.forEach(
                model -> html.append("<th>").append(Html.escape(model.label())).append("</th>"));
        html.append("</tr></thead>\n<tbody>\n");
        hardestRow(html, "pass@1", models, Tables::withInterval);
        hardestRow(html, "pass@" + first.k(), models, score -> Numbers.PERCENT.format(score.passAtK()));
        hardestRow(
                html, "greedy", models, score -> score.greedy() == null ? "–" : Numbers.PERCENT.format(score.greedy()));
        hardestRow(html, "mean response tokens", models, score -> Numbers.COUNT.format(score.meanResponseTokens()));
        hardestRow(html, "well formed", models, score -> Numbers.PERCENT.format(score.wellFormed()));
        hardestRow(html, "truncated", models, score -> Numbers.PERCENT.format(score.truncated()));
        hardestRow(html, "held-out problems", models, score -> Integer.toString(score.problems()));
        group(html, "held out, pass@1 by level", models);
        for (Evaluation.Level level : levels(models)) {
            row(
                    html,
                    level.task() + " " + level.level(),
                    models,
                    model -> model.evaluation().levels().stream()
                            .filter(l -> l.task().equals(level.task()) && l.level() == level.level())
                            .findFirst()
                            .map(l -> withInterval(l.score()))
                            .orElse("–"));
        }
        group(html, "training that led there", models);
        row(html, "time", models, m -> m.seconds().map(Numbers::duration).orElse("–"));
        row(html, "tokens", models, m -> m.tokens().map(Numbers.COUNT::format).orElse("–"));
        html.append("</tbody>\n</table></div>\n<p class=\"note\">pass@1 is the mean over ")
                .append(first.samplesPerProblem())
                .append(" responses per problem, in brackets its 95 % interval over problems; pass@")
                .append(first.k())
                .append(" is the share of problems that at least one of ")
                .append(first.k())
                .append(" responses solves. Training that only sharpens raises the first and not the second.</p>\n");
        return html.toString();
    }

    private static void group(StringBuilder html, String name, List<RunData.Model> models) {
        html.append("</tbody>\n<thead><tr><th>").append(name).append("</th>");
        models.forEach(model -> html.append("<th></th>"));
        html.append("</tr></thead>\n<tbody>\n");
    }

    private static List<Evaluation.Level> levels(List<RunData.Model> models) {
        List<Evaluation.Level> distinct = new ArrayList<>();
        for (RunData.Model model : models) {
            for (Evaluation.Level level : model.evaluation().levels()) {
                if (distinct.stream().noneMatch(l -> l.task().equals(level.task()) && l.level() == level.level())) {
                    distinct.add(level);
                }
            }
        }
        return distinct;
    }

    private static String withInterval(Score score) {
        return Numbers.PERCENT.format(score.passAt1()) + " <small>[" + Numbers.trim(100 * score.passAt1Low(), 1) + "–"
                + Numbers.trim(100 * score.passAt1High(), 1) + "]</small>";
    }

    private static void hardestRow(
            StringBuilder html, String name, List<RunData.Model> models, Function<Score, String> value) {
        row(html, name, models, model -> value.apply(model.evaluation().hardest()));
    }

    private static void row(
            StringBuilder html, String name, List<RunData.Model> models, Function<RunData.Model, String> value) {
        html.append("<tr><td>").append(Html.escape(name)).append("</td>");
        models.forEach(model -> html.append("<td>").append(value.apply(model)).append("</td>"));
        html.append("</tr>\n");
    }

    /** What the run ran on. */
    static String run(RunInfo info) {
        StringBuilder html = new StringBuilder("<dl>\n");
        entry(html, "began", info.created());
        entry(html, "seed", Long.toString(info.seed()));
        entry(html, "kernels", info.kernels());
        entry(html, "machine", info.machine());
        entry(html, "versions", "Fathom " + info.fathom() + ", Java " + info.java());
        return html.append("</dl>\n").toString();
    }

    private static void entry(StringBuilder html, String name, String value) {
        html.append("<dt>")
                .append(name)
                .append("</dt><dd>")
                .append(Html.escape(value))
                .append("</dd>\n");
    }
}
