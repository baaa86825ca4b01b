package dev.fathom.plan.report;

import dev.fathom.plan.Calibration;
import dev.fathom.plan.PlanException;
import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.schedule.Timeline;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A training plan as one HTML page that needs nothing else. */
public final class TrainingPage {
    private TrainingPage() {}

    public static String html(TrainingReport report, String command) {
        TrainingPlan plan = report.plan();
        String title = "Training " + Html.escape(plan.job().shape().name());
        StringBuilder html = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                + "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" + title + "</title>\n<style>\n"
                + styleSheet() + "</style>\n</head>\n<body>\n<main>\n<p class=\"kind\">Fathom plan</p>\n<h1>" + title
                + "</h1>\n");
        html.append("<div class=\"headline\">")
                .append(big(
                        Quantity.of(plan.hours()) + " GPU h",
                        "on " + Quantity.grouped(plan.job().cluster().devices()) + " x "
                                + Html.escape(plan.job().cluster().hardware().name())))
                .append(big("$" + Quantity.of(plan.dollars()), "rent"))
                .append(big(TrainingReport.days(plan.days() * 86400), "of wall time"))
                .append(big(Quantity.percent(plan.utilisation(true)), "MFU, causal"))
                .append("</div>\n");
        html.append(table("The plan", report.facts())).append(table("Cost", report.costs()));
        html.append("<section><h2>A step of ")
                .append(Quantity.fixed("%.2f s", plan.step().seconds()))
                .append("</h2>");
        html.append(bars(report.stepPhases(), " s", 1, plan.step().seconds())).append("</section>\n");
        html.append("<section><h2>Memory of the fullest device</h2>");
        html.append(bars(
                plan.step().memory(),
                " GB",
                1e-9,
                plan.job().cluster().hardware().memoryBytes().value()));
        html.append("<p class=\"note\">The track is the whole memory of the device.</p></section>\n");
        Timeline timeline = plan.step().timeline();
        if (timeline.ranks().size() > 1) {
            double part = Math.min(
                    0.5, 40.0 / Math.max(40, timeline.ranks().getFirst().size()));
            html.append("<section><h2>The pipeline</h2><p class=\"legend\"><span class=\"forward\">forward</span>"
                    + "<span class=\"backward\">backward</span><span class=\"weight\">weight gradients</span>"
                    + "<span class=\"pair\">forward and backward overlapped</span></p>");
            html.append("<h3>The whole step</h3>").append(TimelineSvg.of(timeline, 0, 1, "the whole step"));
            if (part < 0.5) {
                html.append("<h3>Its beginning</h3>")
                        .append(TimelineSvg.of(timeline, 0, part, "the beginning of the step"));
                html.append("<h3>Its end</h3>").append(TimelineSvg.of(timeline, 1 - part, 1, "the end of the step"));
            }
            html.append("<p class=\"note\">A row per pipeline rank; ranks wait ")
                    .append(Quantity.percent(timeline.bubbleShare()))
                    .append(" of the time on average.</p></section>\n");
        }
        html.append(
                "<section><h2>What is measured by others</h2><p>Everything else follows from the model's config and the device's"
                        + " figures. The constants are the same for all models, devices and layouts.</p><table>");
        for (Calibration.Constant constant : report.calibration().constants()) {
            html.append("<tr><td><b>")
                    .append(Html.escape(constant.name()))
                    .append("</b> ")
                    .append(Html.escape(constant.meaning()))
                    .append("<br><small>")
                    .append(Html.escape(constant.source()))
                    .append("</small></td><td>")
                    .append(Quantity.fixed("%.3f", constant.value()))
                    .append("</td></tr>\n");
        }
        html.append("</table></section>\n<section><h2>The device</h2><table>");
        Explanation.figures(report.plan().job().cluster().hardware())
                .forEach((name, figure) -> html.append("<tr><td>")
                        .append(Html.escape(name))
                        .append("<br><small>")
                        .append(Html.escape(figure.source()))
                        .append("</small></td><td>")
                        .append(Quantity.of(figure.value()))
                        .append("</td></tr>\n"));
        html.append("</table></section>\n<section><h2>Again</h2><pre>")
                .append(Html.escape(command))
                .append("</pre></section>\n");
        return html.append("</main>\n</body>\n</html>\n").toString();
    }

    private static String big(String value, String caption) {
        return "<div><p class=\"big\">" + value + "</p><p class=\"caption\">" + caption + "</p></div>";
    }

    private static String table(String title, Map<String, String> rows) {
        StringBuilder html = new StringBuilder("<section><h2>" + title + "</h2><dl>");
        rows.forEach((name, value) -> html.append("<dt>")
                .append(Html.escape(name))
                .append("</dt><dd>")
                .append(Html.escape(value))
                .append("</dd>\n"));
        return html.append("</dl></section>\n").toString();
    }

    private static String bars(Map<String, Double> values, String unit, double scale, double whole) {
        StringBuilder html = new StringBuilder("<table class=\"bars\">");
        values.forEach((name, value) -> html.append("<tr><td>")
                .append(Html.escape(name))
                .append("</td><td><div class=\"track\"><div style=\"width:")
                .append(Quantity.fixed("%.2f", 100 * value / whole))
                .append("%\"></div></div></td><td>")
                .append(Quantity.fixed("%.2f", value * scale))
                .append(unit)
                .append("</td></tr>\n"));
        return html.append("</table>").toString();
    }

    private static String styleSheet() {
        try (InputStream in = TrainingPage.class.getResourceAsStream("plan.css")) {
            return new String(java.util.Objects.requireNonNull(in, "plan.css").readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new PlanException("plan.css: cannot be read (" + e + ")", e);
        }
    }
}
