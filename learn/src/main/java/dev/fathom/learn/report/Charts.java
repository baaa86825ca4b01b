package dev.fathom.learn.report;

import dev.fathom.learn.report.Chart.Axis;
import dev.fathom.learn.report.Chart.Series;
import dev.fathom.learn.run.Metrics;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The report's pictures, section by section. */
final class Charts {
    private static final Axis STEPS = new Axis("step", Numbers.COUNT, 0, 0);
    private static final Axis TOKENS = new Axis("tokens", Numbers.COUNT, 0, 0);
    private static final Axis SHARE = new Axis("", Numbers.PERCENT, 0, 1);
    private static final Axis LENGTH = new Axis("tokens", Numbers.COUNT, 0, 0);

    private Charts() {}

    /** The R1-Zero curve, and what to look at when it does not rise. */
    static String reinforcement(RunData data) {
        List<ObjectNode> rl = data.rl();
        boolean heldOut =
                !RunData.curve(rl, Metrics.STEP, Metrics.HELD_OUT_ACCURACY).isEmpty();
        String accuracy = heldOut ? Metrics.HELD_OUT_ACCURACY : Metrics.ACCURACY;
        String length = heldOut ? Metrics.HELD_OUT_RESPONSE_LENGTH : Metrics.RESPONSE_LENGTH;
        List<Chart.Point> accuracies = RunData.curve(rl, Metrics.STEP, accuracy);
        List<Chart.Point> lengths = RunData.curve(rl, Metrics.STEP, length);
        if (heldOut) {
            // The evaluation of the base model is the curve's step 0: other problems of the same levels, and more of
            // them.
            data.base().ifPresent(base -> {
                accuracies.addFirst(new Chart.Point(0, base.passAt1()));
                lengths.addFirst(new Chart.Point(0, base.meanResponseTokens()));
            });
        }
        String curve = new Chart(
                        "The R1-Zero curve",
                        heldOut
                                ? "Held-out problems. Nothing rewards length; thinking grows because"
                                        + " it makes answers right."
                                : "Training problems; this run made no held-out evaluations on the" + " way.",
                        STEPS,
                        new Axis("accuracy", Numbers.PERCENT, 0, 1),
                        new Axis("response tokens", Numbers.COUNT, 0, 0),
                        List.of(
                                new Series(heldOut ? "held-out accuracy" : "accuracy", false, accuracies),
                                new Series("mean response length", true, lengths)),
                        true)
                .toHtml();
        String grid = steps(rl, "Reward", Metrics.REWARD, new Axis("", Numbers.PLAIN, 0, 1))
                + steps(rl, "Response length, training", Metrics.RESPONSE_LENGTH, LENGTH)
                + steps(rl, "Dead groups", Metrics.DEAD_GROUPS, SHARE)
                + steps(rl, "Truncated responses", Metrics.TRUNCATED, SHARE)
                + steps(rl, "Entropy", Metrics.ENTROPY, new Axis("nats per token", Numbers.PLAIN, 0, 0))
                + steps(rl, "Level", Metrics.LEVEL, new Axis("", Numbers.PLAIN, 1, 2))
                + steps(rl, "Gradient norm", Metrics.GRADIENT_NORM, new Axis("", Numbers.PLAIN, 0, 0))
                + steps(
                        rl,
                        "Throughput",
                        Metrics.TOKENS_PER_SECOND,
                        new Axis("tokens per second", Numbers.COUNT, 0, 0));
        return Report.section("Reinforcement learning", curve + grid(grid));
    }

    static String pretraining(RunData data) {
        List<ObjectNode> lines = data.pretrain();
        String grid = tokens(lines, "Loss", Metrics.LOSS, new Axis("nats per token", Numbers.PLAIN, 0, 0))
                + tokens(lines, "Learning rate", Metrics.LEARNING_RATE, new Axis("", Numbers.PLAIN, 0, 0))
                + tokens(lines, "Gradient norm", Metrics.GRADIENT_NORM, new Axis("", Numbers.PLAIN, 0, 0))
                + tokens(
                        lines,
                        "Throughput",
                        Metrics.TOKENS_PER_SECOND,
                        new Axis("tokens per second", Numbers.COUNT, 0, 0));
        return Report.section("Pre-training", grid(grid));
    }

    /** Sampler and trainer agree to the bit, or by how much they do not. */
    static String exactness(RunData data) {
        List<Chart.Point> deltas = RunData.curve(data.rl(), Metrics.STEP, Metrics.MAX_ABS_DELTA_LOG_PROB);
        if (deltas.isEmpty()) {
            return "";
        }
        double largest = deltas.stream().mapToDouble(Chart.Point::y).max().orElseThrow();
        double disagreements = RunData.curve(data.rl(), Metrics.STEP, Metrics.ROUTING_DISAGREEMENTS).stream()
                .mapToDouble(Chart.Point::y)
                .sum();
        String verdict =
                "<p>Over " + deltas.size() + " reported steps the largest difference between a sampled token’s "
                        + "log-probability in the sampler and in the trainer was <b>" + Numbers.PLAIN.format(largest)
                        + "</b>, and they chose different experts <b>" + Numbers.COUNT.format(disagreements)
                        + "</b> times.</p>\n";
        String picture = largest == 0
                ? ""
                : grid(steps(
                        data.rl(),
                        "Largest |Δ log p|",
                        Metrics.MAX_ABS_DELTA_LOG_PROB,
                        new Axis("nats", Numbers.PLAIN, 0, 0)));
        return Report.section("Rollout and training mismatch", verdict + picture);
    }

    static String experts(RunData data) {
        String grid = heatMap("Expert load after pre-training", data.pretrain())
                + heatMap("Expert load after reinforcement learning", data.rl())
                + tokens(data.pretrain(), "MaxVio, pre-training", Metrics.MAX_VIO, new Axis("", Numbers.PLAIN, 0, 0))
                + steps(
                        data.rl(),
                        "MaxVio, reinforcement learning",
                        Metrics.MAX_VIO,
                        new Axis("", Numbers.PLAIN, 0, 0));
        String note = grid.isEmpty()
                ? ""
                : "<p class=\"note\">Load is an expert’s share of the tokens relative to a fair share: 1 is fair."
                        + " MaxVio is how far the most loaded expert is above it.</p>\n";
        return Report.section("Experts", grid(grid) + note);
    }

    private static String steps(List<ObjectNode> lines, String title, String metric, Axis axis) {
        return single(lines, title, STEPS, Metrics.STEP, metric, axis);
    }

    private static String tokens(List<ObjectNode> lines, String title, String metric, Axis axis) {
        return single(lines, title, TOKENS, Metrics.TOKENS, metric, axis);
    }

    private static String single(
            List<ObjectNode> lines, String title, Axis x, String xMetric, String metric, Axis axis) {
        Series series = new Series(title, false, RunData.curve(lines, xMetric, metric));
        return new Chart(title, "", x, axis, null, List.of(series), false).toHtml();
    }

    private static String grid(String charts) {
        return charts.isEmpty() ? "" : "<div class=\"grid\">\n" + charts + "</div>\n";
    }

    /** The last reported load: a row per layer, a cell per expert, darker for more. */
    private static String heatMap(String title, List<ObjectNode> lines) {
        JsonNode load = null;
        for (ObjectNode line : lines) {
            load = line.has(Metrics.EXPERT_LOAD) ? line.get(Metrics.EXPERT_LOAD) : load;
        }
        if (load == null || load.isEmpty()) {
            return "";
        }
        int experts = load.get(0).size();
        double cellWidth = 316.0 / experts;
        double cellHeight = 30;
        double height = load.size() * cellHeight + 34;
        StringBuilder svg = new StringBuilder("<figure class=\"chart\">\n<figcaption><b>").append(Html.escape(title));
        svg.append("</b></figcaption>\n");
        append(svg, "<svg viewBox=\"0 0 370 %.0f\" role=\"img\" aria-label=\"%s\">%n", height, Html.escape(title));
        for (int layer = 0; layer < load.size(); layer++) {
            double y = layer * cellHeight;
            append(svg, "<text x=\"47\" y=\"%.1f\" text-anchor=\"end\">MoE %d</text>%n", y + 19, layer + 1);
            for (int expert = 0; expert < load.get(layer).size(); expert++) {
                double value = load.get(layer).get(expert).asDouble();
                double x = 54 + expert * cellWidth;
                append(
                        svg,
                        "<rect class=\"cell\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\""
                                + " fill-opacity=\"%.2f\"><title>%.2f</title></rect>",
                        x,
                        y,
                        cellWidth - 1.5,
                        cellHeight - 1.5,
                        Math.clamp(value / 2, 0.03, 1),
                        value);
                if (experts <= 10) {
                    append(
                            svg,
                            "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.2f</text>%n",
                            value > 1.3 ? "on" : "off",
                            x + cellWidth / 2,
                            y + 19,
                            value);
                }
            }
        }
        append(
                svg,
                "<text x=\"212\" y=\"%.1f\" text-anchor=\"middle\">expert 1 … %d</text>%n</svg>%n</figure>%n",
                height - 10,
                experts);
        return svg.toString();
    }

    private static void append(StringBuilder out, String format, Object... arguments) {
        out.append(String.format(Locale.ROOT, format, arguments));
    }
}
