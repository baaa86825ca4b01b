package dev.fathom.plan.report;

import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.schedule.Timeline;
import java.util.LinkedHashMap;
import java.util.Map;

/** A training plan as a page. */
final class TrainingPage {
    private TrainingPage() {}

    static String html(TrainingReport report, String command) {
        TrainingPlan plan = report.plan();
        Map<String, Double> memory = plan.step().memory();
        Map<String, Double> phases = report.shownPhases();
        Page page = new Page(report.title()).headline(report.headline()).list("The plan", report.facts());
        if (report.here() == null) {
            page.list("Cost", report.costs());
        }
        page.bars(
                "A step of " + Quantity.seconds(plan.step().seconds()),
                phases,
                labels(phases, Quantity::seconds),
                plan.step().seconds(),
                "");
        page.bars(
                "Memory of the fullest device",
                memory,
                labels(memory, Quantity::bytes),
                report.hardware().memoryBytes().value(),
                "The track is the whole memory of the device.");
        Timeline timeline = plan.step().timeline();
        if (timeline.ranks().size() > 1) {
            page.section("The pipeline", pipeline(timeline));
        }
        if (report.growth() != null) {
            page.section(
                    "When the cluster grows",
                    "<pre>" + Page.escape(String.join("\n", TrainingReport.scaling(report.growth()))) + "</pre>");
        }
        return page.end(report, command);
    }

    private static Map<String, String> labels(
            Map<String, Double> values, java.util.function.DoubleFunction<String> format) {
        Map<String, String> labels = new LinkedHashMap<>();
        values.forEach((name, value) -> labels.put(name, format.apply(value)));
        return labels;
    }

    private static String pipeline(Timeline timeline) {
        double part =
                Math.min(0.5, 40.0 / Math.max(40, timeline.ranks().getFirst().size()));
        StringBuilder html = new StringBuilder("<p class=\"legend\"><span class=\"forward\">forward</span>"
                + "<span class=\"backward\">backward</span><span class=\"weight\">weight gradients</span>"
                + "<span class=\"pair\">forward and backward overlapped</span></p>");
        picture(html, "The whole step", timeline, 0, 1);
        if (part < 0.5) {
            picture(html, "Its beginning", timeline, 0, part);
            picture(html, "Its end", timeline, 1 - part, 1);
        }
        return html.append("<p class=\"note\">A row per pipeline rank; ranks wait ")
                .append(Quantity.percent(timeline.bubbleShare()))
                .append(" of the time on average.</p>")
                .toString();
    }

    private static void picture(StringBuilder html, String title, Timeline timeline, double from, double to) {
        html.append("<h3>")
                .append(title)
                .append("</h3><div class=\"scroll\">")
                .append(TimelineSvg.of(timeline, from, to, title))
                .append("</div>");
    }
}
