package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.ServingPlanner.ServingPlan;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.shape.ModelShape;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ObjectNode;

/** A serving plan for people and for programs. */
public record ServingReport(ModelShape shape, Hardware hardware, ServingPlan plan) {
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

    public List<String> text() {
        boolean experts = shape.experts() != null;
        return List.of(
                "Serving " + shape.name() + " on " + hardware.title(),
                line(
                        "prompts",
                        "%s tokens/s per node, cache hits included (units of %d GPUs)",
                        Quantity.of(plan.prefillPerNode()),
                        plan.workload().prefillDevices()),
                line(
                        "answers",
                        "%s tokens/s per node (units of %d GPUs)",
                        Quantity.of(plan.decodePerNode()),
                        plan.workload().decodeDevices()),
                line(
                        "time per output token",
                        "%.1f ms, %.0f sequences per GPU, limited by %s",
                        plan.secondsPerToken() * 1e3,
                        plan.batch(),
                        plan.bound()),
                experts
                        ? line(
                                "bound of the network",
                                "%.2f ms per output token between nodes, %.2f ms over the fast links (two micro-batches of 32)",
                                plan.networkBound() * 1e3,
                                plan.domainBound() * 1e3)
                        : line("bound of the network", "none: no experts"),
                line(
                        "cache",
                        "%s bytes per token, %s per sequence of %.0f tokens",
                        Quantity.grouped(plan.cacheBytes()),
                        Quantity.gigabytes(plan.cacheBytes() * plan.workload().context()),
                        plan.workload().context()),
                line(
                        "memory",
                        "%s of %s",
                        Quantity.gigabytes(plan.memoryBytes()),
                        Quantity.gigabytes(hardware.memoryBytes().value())),
                line(
                        "nodes",
                        "%.1f for %s prompt tokens a day, %.1f for %s answer tokens",
                        plan.prefillNodes(),
                        Quantity.of(plan.workload().inputPerDay()),
                        plan.decodeNodes(),
                        Quantity.of(plan.workload().outputPerDay())),
                line(
                        "cost",
                        "$%s a day; $%.3f per million prompt tokens, $%.3f per million answer tokens, at $%.2f per GPU hour",
                        Quantity.grouped(plan.dollarsPerDay()),
                        plan.dollarsPerMillionInput(),
                        plan.dollarsPerMillionOutput(),
                        hardware.dollarsPerHour().value()));
    }

    private static String line(String name, String format, Object... values) {
        return String.format(Locale.ROOT, "  %-24s ", name) + String.format(Locale.ROOT, format, values);
    }
}
