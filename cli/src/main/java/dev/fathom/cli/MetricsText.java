package dev.fathom.cli;

import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.run.Metrics;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** A line of {@code metrics.jsonl} for people. What a line does not have is left out. */
final class MetricsText {
    private final ObjectNode metrics;
    private final List<String> parts = new ArrayList<>();

    private MetricsText(ObjectNode metrics) {
        this.metrics = metrics;
    }

    /** @return empty for a stage whose figures are shown in another way */
    static String line(ObjectNode metrics, long steps) {
        MetricsText text = new MetricsText(metrics);
        String stage = metrics.path(Metrics.STAGE).asString("");
        int width = Long.toString(steps).length();
        text.parts.add(("%-8s %" + width + "d/%d")
                .formatted(stage, metrics.path(Metrics.STEP).asLong(), steps));
        return switch (stage) {
            case PretrainOptions.STAGE ->
                text.add(Metrics.TOKENS, "%s tokens", MetricsText::count)
                        .add(Metrics.LOSS, "loss %s", value -> number(value, 4))
                        .add(Metrics.TOKENS_PER_SECOND, "%s tok/s", MetricsText::count)
                        .join();
            case RlOptions.STAGE ->
                text.add(Metrics.ACCURACY, "right %s", MetricsText::percent)
                        .add(Metrics.HELD_OUT_ACCURACY, "held-out %s", MetricsText::percent)
                        .add(Metrics.RESPONSE_LENGTH, "length %s", value -> number(value, 1))
                        .add(Metrics.LEVEL, "level %s", value -> number(value, 1))
                        .add(Metrics.DEAD_GROUPS, "dead groups %s", MetricsText::percent)
                        .add(Metrics.ENTROPY, "entropy %s", value -> number(value, 3))
                        .add(Metrics.MAX_ABS_DELTA_LOG_PROB, "max|Δ log p| %s", MetricsText::exact)
                        .add(Metrics.ROUTING_DISAGREEMENTS, "other experts %s", MetricsText::exact)
                        .join();
            default -> "";
        };
    }

    private MetricsText add(String name, String format, Function<Double, String> text) {
        JsonNode value = metrics.get(name);
        if (value != null && value.isNumber()) {
            parts.add(format.formatted(text.apply(value.asDouble())));
        }
        return this;
    }

    private String join() {
        return String.join("  ", parts);
    }

    static String percent(double share) {
        return number(100 * share, 1) + " %";
    }

    static String number(double value, int digits) {
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    /** Zero is zero, and nothing else is shown as if it were. */
    private static String exact(double value) {
        return value == Math.rint(value) ? number(value, 0) : Double.toString(value);
    }

    private static String count(double value) {
        return value < 1e6 ? String.format(Locale.ROOT, "%,.0f", value) : number(value / 1e6, 2) + " M";
    }
}
