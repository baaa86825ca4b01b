package dev.fathom.plan.report;

import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.PlanException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** One HTML page that needs nothing else, put together from top to bottom. Text is escaped here, except in {@link #section}. */
final class Page {
    private final StringBuilder html = new StringBuilder();

    Page(String heading) {
        String title = escape(heading);
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        + "<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
                .append(title)
                .append("</title>\n<style>\n")
                .append(styleSheet())
                .append("</style>\n</head>\n<body>\n<main>\n<p class=\"kind\">Fathom plan</p>\n<h1>")
                .append(title)
                .append("</h1>\n");
    }

    /** The few numbers that matter most, by caption. */
    Page headline(Map<String, String> numbers) {
        html.append("<div class=\"headline\">");
        numbers.forEach((caption, number) -> html.append("<div><p class=\"big\">")
                .append(escape(number))
                .append("</p><p class=\"caption\">")
                .append(escape(caption))
                .append("</p></div>"));
        html.append("</div>\n");
        return this;
    }

    /** Names and values. */
    Page list(String title, Map<String, String> rows) {
        StringBuilder list = new StringBuilder("<dl>");
        rows.forEach((name, value) -> list.append("<dt>")
                .append(escape(name))
                .append("</dt><dd>")
                .append(escape(value))
                .append("</dd>\n"));
        return section(title, list.append("</dl>").toString());
    }

    /** @param rows a cell per column; the first is text, the others are numbers */
    Page table(String title, List<String> columns, List<List<String>> rows) {
        StringBuilder table = new StringBuilder("<div class=\"scroll\"><table><tr>");
        columns.forEach(column -> table.append("<th>").append(escape(column)).append("</th>"));
        table.append("</tr>\n");
        for (List<String> row : rows) {
            table.append("<tr>");
            row.forEach(cell -> table.append("<td>").append(escape(cell)).append("</td>"));
            table.append("</tr>\n");
        }
        return section(title, table.append("</table></div>").toString());
    }

    /**
     * Bars beside each other.
     *
     * @param labels what is written at the end of a bar
     * @param whole as long as the track
     * @param note below
     */
    Page bars(String title, Map<String, Double> values, Map<String, String> labels, double whole, String note) {
        StringBuilder table = new StringBuilder("<table class=\"bars\">");
        values.forEach((name, value) -> table.append("<tr><td>")
                .append(escape(name))
                .append("</td><td><div class=\"track\"><div style=\"width:")
                .append(Quantity.fixed("%.2f", 100 * value / whole))
                .append("%\"></div></div></td><td>")
                .append(escape(Objects.requireNonNull(labels.get(name))))
                .append("</td></tr>\n"));
        table.append("</table>");
        return section(title, note.isEmpty() ? table.toString() : table + "<p class=\"note\">" + escape(note) + "</p>");
    }

    /** @param content as HTML */
    Page section(String title, String content) {
        html.append("<section><h2>")
                .append(escape(title))
                .append("</h2>")
                .append(content)
                .append("</section>\n");
        return this;
    }

    /** What the plan rests on, and the command that makes the page again. */
    String end(Report report, String command) {
        StringBuilder constants =
                new StringBuilder("<p>Everything else follows from the model's config and the device's"
                        + " figures. The constants are the same for all models, devices and layouts.</p><table>");
        for (Constant constant : report.constants()) {
            source(
                    constants,
                    "<b>" + escape(constant.name()) + "</b> " + escape(constant.meaning()),
                    constant.source(),
                    Quantity.fixed("%.3f", constant.value()));
        }
        section("What is measured by others", constants.append("</table>").toString());
        StringBuilder figures = new StringBuilder("<table>");
        Explanation.figures(report.hardware())
                .forEach((name, figure) -> source(figures, escape(name), figure.source(), Quantity.of(figure.value())));
        section("The device", figures.append("</table>").toString());
        section("Again", "<pre>" + escape(command) + "</pre>");
        return html.append("</main>\n</body>\n</html>\n").toString();
    }

    private static void source(StringBuilder table, String name, String source, String value) {
        table.append("<tr><td>")
                .append(name)
                .append("<br><small>")
                .append(escape(source))
                .append("</small></td><td>")
                .append(value)
                .append("</td></tr>\n");
    }

    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    private static String styleSheet() {
        try (InputStream in = Page.class.getResourceAsStream("plan.css")) {
            return new String(Objects.requireNonNull(in, "plan.css").readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new PlanException("plan.css: cannot be read (" + e + ")", e);
        }
    }
}
