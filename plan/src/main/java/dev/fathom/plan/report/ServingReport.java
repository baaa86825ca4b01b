package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.InferenceCalibration;
import dev.fathom.plan.ServingPlanner.ServingPlan;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/** A serving plan. */
public record ServingReport(ModelShape shape, Hardware hardware, ServingPlan plan) implements Report {
    @Override
    public ObjectNode json() {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("model", shape.name());
        json.put("gpu", hardware.name());
        json.put("kvBytesPerToken", plan.cacheBytes());
        json.put("prefillTokensPerSecondPerNode", plan.prefillPerNode());
        json.put("decodeTokensPerSecondPerNode", plan.decodePerNode());
        json.put("secondsPerOutputToken", plan.secondsPerToken());
        json.put("sequencesPerGpu", plan.batch());
        json.put("batchLimitedBy", plan.bound());
        json.put("memoryPerGpuBytes", Math.round(plan.memoryBytes()));
        json.put("networkBoundSecondsPerOutputToken", plan.networkBound());
        json.put("fastLinkBoundSecondsPerOutputToken", plan.domainBound());
        json.put("prefillNodes", plan.prefillNodes());
        json.put("decodeNodes", plan.decodeNodes());
        json.put("costUsdPerDay", plan.dollarsPerDay());
        json.put("costUsdPerMillionInputTokens", plan.dollarsPerMillionInput());
        json.put("costUsdPerMillionOutputTokens", plan.dollarsPerMillionOutput());
        return json;
    }

    /** @param device how to call it: short, or with what matters of a node */
    private String title(String device) {
        return "Serving " + shape.name() + " on " + device;
    }

    @Override
    public List<String> text() {
        List<String> lines = new ArrayList<>();
        lines.add(title(hardware.title()));
        facts().forEach((name, value) -> lines.add(String.format(Locale.ROOT, "  %-24s %s", name, value)));
        return lines;
    }

    @Override
    public String html(String command) {
        Map<String, String> headline = new LinkedHashMap<>();
        headline.put("prompt tokens per second and node", Quantity.count(plan.prefillPerNode()));
        headline.put("answer tokens per second and node", Quantity.count(plan.decodePerNode()));
        headline.put("per million answer tokens", Quantity.fixed("$%.2f", plan.dollarsPerMillionOutput()));
        headline.put("a day", Quantity.dollars(plan.dollarsPerDay()));
        return new Page(title(hardware.name()))
                .headline(headline)
                .list("The plan", facts())
                .end(this, command);
    }

    /** What is said about the plan, name and value. */
    private Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "prompts",
                format(
                        "%s tokens/s per node, cache hits included (units of %d GPUs)",
                        Quantity.count(plan.prefillPerNode()), plan.workload().prefillDevices()));
        facts.put(
                "answers",
                format(
                        "%s tokens/s per node (units of %d GPUs)",
                        Quantity.count(plan.decodePerNode()), plan.workload().decodeDevices()));
        facts.put(
                "time per output token",
                format(
                        "%.1f ms, %.0f sequences per GPU, limited by %s",
                        plan.secondsPerToken() * 1e3, plan.batch(), plan.bound()));
        facts.put(
                "bound of the network",
                shape.experts() == null
                        ? "none: no experts"
                        : format(
                                "%.2f ms per output token between nodes, %.2f ms over the fast links (two micro-batches of 32)",
                                plan.networkBound() * 1e3, plan.domainBound() * 1e3));
        facts.put(
                "cache",
                format(
                        "%s bytes per token, %s per sequence of %.0f tokens",
                        Quantity.grouped(plan.cacheBytes()),
                        Quantity.bytes(plan.cacheBytes() * plan.workload().context()),
                        plan.workload().context()));
        facts.put(
                "memory",
                Quantity.bytes(plan.memoryBytes()) + " of "
                        + Quantity.bytes(hardware.memoryBytes().value()));
        facts.put(
                "nodes",
                format(
                        "%.1f for %s prompt tokens a day, %.1f for %s answer tokens",
                        plan.prefillNodes(),
                        Quantity.count(plan.workload().inputPerDay()),
                        plan.decodeNodes(),
                        Quantity.count(plan.workload().outputPerDay())));
        facts.put(
                "cost",
                format(
                        "$%s a day; $%.3f per million prompt tokens, $%.3f per million answer tokens, at $%.2f per GPU hour",
                        Quantity.grouped(plan.dollarsPerDay()),
                        plan.dollarsPerMillionInput(),
                        plan.dollarsPerMillionOutput(),
                        hardware.dollarsPerHour().value()));
        return facts;
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    @Override
    public List<Constant> constants() {
        return InferenceCalibration.PUBLISHED.constants();
    }
}
