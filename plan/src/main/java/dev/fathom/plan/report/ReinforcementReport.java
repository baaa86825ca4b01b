package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.ReinforcementPlanner.ReinforcementPlan;
import dev.fathom.plan.ReinforcementPlanner.StageCost;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ObjectNode;

/** A plan of reinforcement learning for people and for programs. */
public final class ReinforcementReport {
    private ReinforcementReport() {}

    public static ObjectNode json(ModelShape shape, ReinforcementPlan plan) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("model", shape.name());
        json.put("gpu", plan.cluster().hardware().name());
        json.put("gpus", plan.cluster().devices());
        ObjectNode hours = json.putObject("gpuHours");
        plan.stages().forEach(cost -> hours.put(cost.stage().name(), cost.hours()));
        hours.put("total", plan.hours());
        json.put("costUsd", plan.dollars());
        return json;
    }

    public static List<String> text(ModelShape shape, ReinforcementPlan plan) {
        List<String> lines = new ArrayList<>();
        lines.add("Reinforcement learning of " + shape.name() + " on "
                + Quantity.grouped(plan.cluster().devices()) + " x "
                + plan.cluster().hardware().title());
        lines.add(String.format(
                Locale.ROOT, "  %-26s %12s %12s %12s %12s", "", "rollouts", "scoring", "training", "GPU hours"));
        for (StageCost cost : plan.stages()) {
            boolean given = cost.stage().givenHours() > 0;
            lines.add(String.format(
                    Locale.ROOT,
                    "  %-26s %12s %12s %12s %12s  %s",
                    cost.stage().name(),
                    given ? "-" : TrainingReport.days(cost.rollout()),
                    given ? "-" : TrainingReport.days(cost.scoring()),
                    given ? "-" : TrainingReport.days(cost.training()),
                    Quantity.grouped(cost.hours()),
                    cost.stage().note().isEmpty() ? "" : "(" + cost.stage().note() + ")"));
        }
        lines.add(String.format(
                Locale.ROOT,
                "  total: %s GPU hours, $%s",
                Quantity.grouped(plan.hours()),
                Quantity.grouped(plan.dollars())));
        return lines;
    }
}
