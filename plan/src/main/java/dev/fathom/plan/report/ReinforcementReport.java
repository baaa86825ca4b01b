package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.InferenceCalibration;
import dev.fathom.plan.ReinforcementPlanner.ReinforcementPlan;
import dev.fathom.plan.ReinforcementPlanner.StageCost;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/** A plan of reinforcement learning. */
public record ReinforcementReport(ModelShape shape, ReinforcementPlan plan) implements Report {
    /** @param device how to call it: short, or with what matters of a node */
    private String title(String device) {
        return "Reinforcement learning of " + shape.name() + " on "
                + Quantity.grouped(plan.cluster().devices()) + " x " + device;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("model", shape.name());
        json.put("gpu", hardware().name());
        json.put("gpus", plan.cluster().devices());
        ObjectNode hours = json.putObject("gpuHours");
        plan.stages().forEach(cost -> hours.put(cost.stage().name(), cost.hours()));
        hours.put("total", plan.hours());
        json.put("costUsd", plan.dollars());
        return json;
    }

    @Override
    public List<String> text() {
        List<String> lines = new ArrayList<>();
        lines.add(title(hardware().title()));
        lines.add(String.format(
                Locale.ROOT, "  %-26s %12s %12s %12s %12s", "", "rollouts", "scoring", "training", "GPU hours"));
        for (StageCost cost : plan.stages()) {
            List<String> cells = cells(cost);
            lines.add(String.format(
                            Locale.ROOT,
                            "  %-26s %12s %12s %12s %12s  %s",
                            cost.stage().name(),
                            cells.get(0),
                            cells.get(1),
                            cells.get(2),
                            cells.get(3),
                            cost.stage().note().isEmpty()
                                    ? ""
                                    : "(" + cost.stage().note() + ")")
                    .stripTrailing());
        }
        lines.add(String.format(
                Locale.ROOT,
                "  total: %s GPU hours, %s",
                Quantity.grouped(plan.hours()),
                Quantity.dollars(plan.dollars())));
        return lines;
    }

    private static List<String> cells(StageCost cost) {
        boolean given = cost.stage().givenHours() > 0;
        return List.of(
                given ? "-" : Quantity.duration(cost.rollout()),
                given ? "-" : Quantity.duration(cost.scoring()),
                given ? "-" : Quantity.duration(cost.training()),
                Quantity.grouped(cost.hours()));
    }

    @Override
    public String html(String command) {
        Map<String, String> headline = new LinkedHashMap<>();
        headline.put("GPU hours", Quantity.grouped(plan.hours()));
        headline.put("rent", Quantity.dollars(plan.dollars()));
        headline.put(
                "of wall time",
                Quantity.duration(plan.hours() * 3600 / plan.cluster().devices()));
        List<List<String>> rows = new ArrayList<>();
        for (StageCost cost : plan.stages()) {
            List<String> row = new ArrayList<>();
            row.add(cost.stage().name()
                    + (cost.stage().note().isEmpty() ? "" : " (" + cost.stage().note() + ")"));
            // What matters most comes first: a narrow screen shows the rest after scrolling.
            List<String> cells = cells(cost);
            row.add(cells.getLast());
            row.addAll(cells.subList(0, cells.size() - 1));
            rows.add(row);
        }
        return new Page(title(hardware().name()))
                .headline(headline)
                .table("Stages", List.of("stage", "GPU hours", "rollouts", "scoring", "training"), rows)
                .end(this, command);
    }

    @Override
    public List<Constant> constants() {
        List<Constant> constants = new ArrayList<>(Calibration.PUBLISHED.constants());
        constants.addAll(InferenceCalibration.PUBLISHED.constants());
        return constants;
    }

    @Override
    public Hardware hardware() {
        return plan.cluster().hardware();
    }
}
