package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.Failures;
import dev.fathom.plan.Scaling;
import dev.fathom.plan.TrainingJob;
import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.schedule.Slot.Phase;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/** A training plan for people and for programs. */
public final class TrainingReport {
    private final TrainingPlan plan;
    private final Calibration calibration;

    public TrainingReport(TrainingPlan plan, Calibration calibration) {
        this.plan = plan;
        this.calibration = calibration;
    }

    /** The plan as one JSON object. */
    public ObjectNode json() {
        TrainingJob job = plan.job();
        ModelShape shape = job.shape();
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("model", shape.name());
        json.put("gpu", job.cluster().hardware().name());
        json.put("gpus", job.cluster().devices());
        json.put("layout", job.layout().describe(job.cluster().devices()));
        json.put("parameters", shape.parameters());
        json.put("activeParameters", shape.activeParameters());
        json.put("flopPerToken", plan.flopPerToken(true));
        json.put("kvBytesPerToken", shape.keyValueBytesPerToken(2));
        json.put("memoryPerGpuBytes", Math.round(plan.step().memoryBytes()));
        ObjectNode memory = json.putObject("memoryComponents");
        plan.step().memory().forEach((name, bytes) -> memory.put(name, Math.round(bytes)));
        json.put("stepSeconds", plan.step().seconds());
        ObjectNode phases = json.putObject("stepPhases");
        stepPhases().forEach(phases::put);
        json.put("tokensPerStep", plan.step().tokens());
        json.put("tokensPerDay", plan.tokensPerDay());
        json.put("mfu", plan.utilisation(true));
        json.put("mfuNonCausal", plan.utilisation(false));
        ObjectNode hours = json.putObject("gpuHours");
        plan.phases().forEach(phase -> hours.put(phase.phase().name(), phase.hours()));
        hours.put("total", plan.hours());
        json.put("days", plan.days());
        json.put("costUsd", plan.dollars());
        Failures failures = plan.failures();
        ObjectNode failing = json.putObject("failures");
        failing.put("secondsBetweenFailures", failures.secondsBetweenFailures());
        failing.put("checkpointSeconds", failures.checkpointSeconds());
        failing.put("bestCheckpointIntervalSeconds", failures.interval());
        failing.put("lostSecondsPerFailure", failures.lostPerFailure());
        failing.put("goodput", failures.goodput());
        ObjectNode constants = json.putObject("calibration");
        calibration.constants().forEach(constant -> constants.put(constant.name(), constant.value()));
        return json;
    }

    /** Seconds of a step by phase, as ISCA 2025 Table 4 splits it. */
    Map<String, Double> stepPhases() {
        Map<Phase, Double> phases = plan.step().phases();
        Map<String, Double> named = new LinkedHashMap<>();
        named.put("forward", phases.get(Phase.FORWARD));
        named.put("bubble", plan.step().bubble());
        named.put("backward", phases.get(Phase.BACKWARD));
        named.put("weight", phases.get(Phase.WEIGHT));
        named.put("overlapped", phases.get(Phase.PAIR));
        named.put("optimizer", plan.step().optimizer());
        return named;
    }

    /** What is said about the plan, name and value. */
    Map<String, String> facts() {
        TrainingJob job = plan.job();
        ModelShape shape = job.shape();
        Hardware hardware = job.cluster().hardware();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "parameters",
                Quantity.grouped(shape.parameters()) + ", of which " + Quantity.of(shape.activeParameters())
                        + " active");
        facts.put(
                "FLOPs per token",
                Quantity.of(plan.flopPerToken(true)) + "FLOP (" + Quantity.of(plan.flopPerToken(false))
                        + "FLOP counting all of attention)");
        facts.put("cache per token", Quantity.grouped(shape.keyValueBytesPerToken(2)) + " bytes in BF16");
        facts.put("cluster", Quantity.grouped(job.cluster().devices()) + " x " + hardware.title());
        facts.put("layout", job.layout().describe(job.cluster().devices()));
        facts.put(
                "memory",
                Quantity.gigabytes(plan.step().memoryBytes()) + " of "
                        + Quantity.gigabytes(hardware.memoryBytes().value()) + " on the fullest device");
        facts.put(
                "step",
                Quantity.fixed("%.3f s", plan.step().seconds()) + " for "
                        + Quantity.of(plan.step().tokens()) + " tokens, "
                        + plan.step().microBatches() + " micro-batches per pipeline");
        facts.put("tokens per day", Quantity.of(plan.tokensPerDay()));
        facts.put(
                "MFU",
                Quantity.percent(plan.utilisation(true)) + " causal, " + Quantity.percent(plan.utilisation(false))
                        + " counting all of attention, of the "
                        + hardware.reference().key().toUpperCase(Locale.ROOT) + " peak");
        return facts;
    }

    /** Name and value of the cost. */
    Map<String, String> costs() {
        Map<String, String> costs = new LinkedHashMap<>();
        for (TrainingPlan.PhaseCost phase : plan.phases()) {
            costs.put(
                    phase.phase().name(),
                    hours(phase.hours()) + ", " + days(phase.seconds())
                            + (phase.phase().note().isEmpty()
                                    ? ""
                                    : "  (" + phase.phase().note() + ")"));
        }
        Hardware hardware = plan.job().cluster().hardware();
        costs.put(
                "total",
                hours(plan.hours()) + ", " + days(plan.days() * 86400) + ", $" + Quantity.grouped(plan.dollars())
                        + " at $"
                        + Quantity.fixed("%.2f", hardware.dollarsPerHour().value()) + " per hour");
        Failures failures = plan.failures();
        costs.put(
                "failures",
                "a node every " + days(failures.secondsBetweenFailures()) + "; checkpoint every "
                        + days(failures.interval()) + " (" + Quantity.fixed("%.1f s", failures.checkpointSeconds())
                        + " each), goodput " + Quantity.percent(failures.goodput()));
        return costs;
    }

    private static String hours(double hours) {
        return hours >= 100 ? Quantity.grouped(hours) + " GPU hours" : Quantity.fixed("%.4f GPU hours", hours);
    }

    static String days(double seconds) {
        if (seconds < 120) {
            return Quantity.fixed("%.1f s", seconds);
        }
        if (seconds < 7200) {
            return Quantity.fixed("%.1f min", seconds / 60);
        }
        return seconds < 2 * 86400
                ? Quantity.fixed("%.1f h", seconds / 3600)
                : Quantity.fixed("%.1f days", seconds / 86400);
    }

    /** The plan as lines. */
    public List<String> text(boolean explain) {
        List<String> lines = new ArrayList<>();
        lines.add("Training " + plan.job().shape().name());
        facts().forEach((name, value) -> lines.add(line(name, value)));
        lines.add("");
        lines.add("memory of the fullest device");
        plan.step().memory().forEach((name, bytes) -> lines.add(line(name, Quantity.gigabytes(bytes))));
        lines.add("");
        lines.add("a step on the first pipeline rank");
        stepPhases().forEach((name, seconds) -> lines.add(line(name, Quantity.fixed("%8.3f s", seconds))));
        lines.add("");
        lines.add("cost");
        costs().forEach((name, value) -> lines.add(line(name, value)));
        if (plan.step().timeline().ranks().size() > 1) {
            lines.add("");
            lines.add("pipeline: ranks over time");
            lines.addAll(TimelineText.lines(plan.step().timeline()));
        }
        if (explain) {
            lines.addAll(explanation());
        }
        return lines;
    }

    /** Where every number comes from. */
    public List<String> explanation() {
        return Explanation.lines(calibration.constants(), plan.job().cluster().hardware());
    }

    /** What breaks first when the cluster grows. */
    public static List<String> scaling(Scaling.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add("when the cluster grows (same model, batch and layout)");
        lines.add(String.format(Locale.ROOT, "  %12s %10s %10s %10s", "GPUs", "MFU", "goodput", "both"));
        for (Scaling.Point point : result.points()) {
            boolean starved = point.utilisation() == 0;
            lines.add(String.format(
                    Locale.ROOT,
                    "  %12s %10s %10s %10s",
                    Quantity.grouped(point.devices()),
                    starved ? "-" : Quantity.percent(point.utilisation()),
                    Quantity.percent(point.goodput()),
                    starved ? "-" : Quantity.percent(point.effective())));
        }
        for (int i = 0; i < result.limits().size(); i++) {
            Scaling.Limit limit = result.limits().get(i);
            lines.add("  " + (i == 0 ? "breaks first: " : "then: ") + limit.what() + " at "
                    + Quantity.grouped(limit.devices()) + " GPUs: " + limit.why());
        }
        return lines;
    }

    private static String line(String name, String value) {
        return String.format(Locale.ROOT, "  %-28s %s", name, value);
    }

    public TrainingPlan plan() {
        return plan;
    }

    Calibration calibration() {
        return calibration;
    }
}
