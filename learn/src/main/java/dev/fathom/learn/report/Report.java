package dev.fathom.learn.report;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.eval.Evaluation.Score;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.RunInfo;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * {@code report.html}: one page that shows what a run did. It needs no scripts and no network, follows light and dark,
 * and every number in it was read from the run's files, so it can be made again at any time, also while the run is
 * going on.
 */
public final class Report {
    private Report() {}

    /** Reads the files of a run directory and writes its {@code report.html}. */
    public static Path write(Path run) {
        Path file = run.resolve("report.html");
        RunDirectory.writeAtomically(file, page(RunData.read(run)));
        return file;
    }

    static String page(RunData data) {
        RunInfo info = data.info();
        String title = Html.escape(info.name());
        return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                + "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" + title + "</title>\n<style>\n"
                + styleSheet() + "</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"kind\">Fathom run"
                + (info.status().equals("finished") ? "" : " · " + Html.escape(info.status())) + "</p>\n<h1>" + title
                + "</h1>\n</header>\n"
                + headline(data)
                + Charts.reinforcement(data)
                + section("What changed", Tables.models(data.models()))
                + section("Before and after", Transcripts.html(data))
                + Charts.exactness(data)
                + Charts.pretraining(data)
                + Charts.experts(data)
                + section("This run", Tables.run(info))
                + rerun(info)
                + "</main>\n</body>\n</html>\n";
    }

    static String section(String title, String content) {
        return content.isEmpty() ? "" : "<section>\n<h2>" + Html.escape(title) + "</h2>\n" + content + "</section>\n";
    }

    /** The two numbers the recipe is about: is the model right more often, and does it think longer? */
    private static String headline(RunData data) {
        List<RunData.Model> models = data.models();
        if (models.isEmpty()) {
            return "<p class=\"lead\">No model of this run has been evaluated yet.</p>\n";
        }
        RunData.Model first = models.getFirst();
        RunData.Model last = models.getLast();
        Score before = first.evaluation().hardest();
        Score after = last.evaluation().hardest();
        if (models.size() == 1) {
            return "<div class=\"headline\">\n"
                    + figure(Numbers.PERCENT.format(before.passAt1()), "", "held-out accuracy")
                    + figure(Numbers.COUNT.format(before.meanResponseTokens()), "tokens", "mean response length")
                    + "</div>\n";
        }
        return "<div class=\"headline\">\n"
                + figure(
                        arrow(Numbers.PERCENT.format(before.passAt1()), Numbers.PERCENT.format(after.passAt1())),
                        "",
                        "held-out accuracy")
                + figure(
                        arrow(
                                Numbers.COUNT.format(before.meanResponseTokens()),
                                Numbers.COUNT.format(after.meanResponseTokens())),
                        "tokens",
                        "mean response length")
                + "</div>\n<p class=\"lead\">From <b>" + Html.escape(first.label()) + "</b> to <b>"
                + Html.escape(last.label()) + "</b>, on " + after.problems()
                + " problems of the hardest level that no training ever showed.</p>\n";
    }

    private static String arrow(String from, String to) {
        return "<span class=\"from\">" + from + "</span><span class=\"arrow\">→</span><span>" + to + "</span>";
    }

    private static String figure(String value, String unit, String caption) {
        return "<div><p class=\"big\">" + value + (unit.isEmpty() ? "" : " <small>" + unit + "</small>")
                + "</p><p class=\"caption\">" + caption + "</p></div>\n";
    }

    private static String rerun(RunInfo info) {
        String recipe = Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(info.recipe());
        return section(
                "Run it again",
                "<pre class=\"command\">" + Html.escape(info.command()) + "</pre>\n"
                        + "<p>The same seed gives the same weights, byte for byte, on any number of threads.</p>\n"
                        + "<details><summary>The complete recipe</summary>\n<pre>" + Html.escape(recipe)
                        + "</pre>\n</details>\n");
    }

    private static String styleSheet() {
        try (InputStream in = Report.class.getResourceAsStream("report.css")) {
            if (in == null) {
                throw new LearnException("report.css is missing from the learn module.");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new LearnException("Cannot read report.css: " + e + ".", e);
        }
    }
}
