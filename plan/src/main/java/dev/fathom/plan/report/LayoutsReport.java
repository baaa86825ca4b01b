package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.Cluster;
import dev.fathom.plan.LayoutSearch.Candidate;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The best layouts of a model on a cluster.
 *
 * @param found the best first; not empty
 */
public record LayoutsReport(ModelShape shape, Cluster cluster, List<Candidate> found) implements Report {
    private boolean anyFits() {
        return found.getFirst().fits();
    }

    /** @param device how to call it: short, or with what matters of a node */
    private String title(String device) {
        return "Layouts of " + shape.name() + " on " + Quantity.grouped(cluster.devices()) + " x " + device;
    }

    /** What to say if nothing fits. */
    private String tooLarge() {
        return "No layout fits: the most frugal needs "
                + Quantity.bytes(found.getFirst().step().memoryBytes()
                        - hardware().memoryBytes().value())
                + " more per device than the "
                + Quantity.bytes(hardware().memoryBytes().value()) + " of "
                + hardware().name() + ".";
    }

    @Override
    public List<String> text() {
        List<String> lines = new ArrayList<>();
        lines.add(title(hardware().title()));
        lines.add(String.format(Locale.ROOT, "  %10s %7s %9s  %s", "step", "MFU", "memory", "layout"));
        for (Candidate candidate : found) {
            lines.add(String.format(
                    Locale.ROOT,
                    "  %10s %7s %9s  %s%s",
                    Quantity.seconds(candidate.step().seconds()),
                    Quantity.percent(candidate.utilisation()),
                    Quantity.bytes(candidate.step().memoryBytes()),
                    candidate.layout().describe(cluster.devices()),
                    candidate.fits() ? "" : "  DOES NOT FIT"));
        }
        if (!anyFits()) {
            lines.add(tooLarge());
        }
        return lines;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("model", shape.name());
        json.put("gpu", hardware().name());
        json.put("gpus", cluster.devices());
        ArrayNode rows = json.putArray("layouts");
        for (Candidate candidate : found) {
            rows.addObject()
                    .put("layout", candidate.layout().describe(cluster.devices()))
                    .put("stepSeconds", candidate.step().seconds())
                    .put("mfu", candidate.utilisation())
                    .put("memoryPerGpuBytes", Math.round(candidate.step().memoryBytes()))
                    .put("fits", candidate.fits());
        }
        return json;
    }

    @Override
    public String html(String command) {
        Candidate best = found.getFirst();
        Map<String, String> headline = new LinkedHashMap<>();
        headline.put("a step, at the best", Quantity.seconds(best.step().seconds()));
        headline.put("MFU, causal", Quantity.percent(best.utilisation()));
        headline.put(
                "of " + Quantity.bytes(hardware().memoryBytes().value()) + " memory",
                Quantity.bytes(best.step().memoryBytes()));
        List<List<String>> rows = new ArrayList<>();
        for (Candidate candidate : found) {
            rows.add(List.of(
                    candidate.layout().describe(cluster.devices()) + (candidate.fits() ? "" : " (does not fit)"),
                    Quantity.seconds(candidate.step().seconds()),
                    Quantity.percent(candidate.utilisation()),
                    Quantity.bytes(candidate.step().memoryBytes())));
        }
        Page page = new Page(title(hardware().name())).headline(headline);
        if (!anyFits()) {
            page.section("Too large", "<p>" + Page.escape(tooLarge()) + "</p>");
        }
        return page.table("The best layouts", List.of("layout", "step", "MFU, causal", "memory"), rows)
                .end(this, command);
    }

    @Override
    public List<Constant> constants() {
        return Calibration.PUBLISHED.constants();
    }

    @Override
    public Hardware hardware() {
        return cluster.hardware();
    }
}
