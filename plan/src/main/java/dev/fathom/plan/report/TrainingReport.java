package dev.fathom.plan.report;

import dev.fathom.model.files.Json;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.Calibration.Constant;
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
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A training plan.
 *
 * @param growth what breaks when the cluster grows, if that was asked
 * @param here what was measured, if the plan is for this machine
 */
public record TrainingReport(
        TrainingPlan plan,
        Calibration calibration,
        Scaling.@Nullable Result growth,
        @Nullable Here here) implements Report {
    /**
     * The time of a training on this machine, in seconds.
     *
     * @param expected with warming up, without evaluation and reinforcement learning
     * @param fastest if it keeps the fastest pace that was seen
     * @param slowest if it keeps the slowest
     * @param warmUp what the just-in-time compiler takes of it at the beginning
     * @param varies whether the two paces are far apart
     */
    public record Here(double expected, double fastest, double slowest, double warmUp, boolean varies) {}

    String title() {
        return "Training " + plan.job().shape().name() + (here == null ? "" : " on this machine");
    }

    /** The few numbers that matter most, by caption. */
    Map<String, String> headline() {
        Map<String, String> headline = new LinkedHashMap<>();
        if (here == null) {
            headline.put(
                    "on " + Quantity.grouped(plan.job().cluster().devices()) + " x "
                            + hardware().name(),
                    Quantity.count(plan.hours()) + " GPU hours");
            headline.put("rent", "$" + Quantity.count(plan.dollars()));
            headline.put("of wall time", Quantity.duration(plan.days() * 86400));
        } else {
            headline.put("of wall time", Quantity.duration(here.expected));
            headline.put("tokens per second", Quantity.count(plan.tokensPerDay() / 86400));
        }
        headline.put("MFU, causal", Quantity.percent(plan.utilisation(true)));
        return headline;
    }

    /** The plan as one JSON object. */
    @Override
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
        if (here != null) {
            json.put("trainingSeconds", here.expected);
            json.put("trainingSecondsAtFastestPace", here.fastest);
            json.put("trainingSecondsAtSlowestPace", here.slowest);
            json.put("warmUpSeconds", here.warmUp);
        }
        if (growth != null) {
            json.set("growth", Json.MAPPER.valueToTree(growth));
        }
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

    /** Without those that take no time in this layout. */
    Map<String, Double> shownPhases() {
        Map<String, Double> shown = stepPhases();
        shown.values().removeIf(seconds -> seconds < 1e-9);
        return shown;
    }

    /** What is said about the plan, name and value. */
    Map<String, String> facts() {
        TrainingJob job = plan.job();
        ModelShape shape = job.shape();
        Hardware hardware = job.cluster().hardware();
        Map<String, String> facts = new LinkedHashMap<>();
        if (here != null) {
            facts.put(
                    "takes",
                    Quantity.duration(here.expected) + ", " + Quantity.duration(here.warmUp)
                            + " of it for the compiler to warm up (without evaluation and reinforcement learning)");
            if (here.varies) {
                facts.put(
                        "pace",
                        "this machine changed it while it was measured: " + Quantity.duration(here.fastest)
                                + " at the fastest, " + Quantity.duration(here.slowest) + " at the slowest");
            }
        }
        facts.put(
                "parameters",
                Quantity.grouped(shape.parameters()) + ", of which " + Quantity.count(shape.activeParameters())
                        + " active");
        facts.put(
                "FLOPs per token",
                Quantity.of(plan.flopPerToken(true)) + "FLOP (" + Quantity.of(plan.flopPerToken(false))
                        + "FLOP counting all of attention)");
        facts.put("cache per token", Quantity.grouped(shape.keyValueBytesPerToken(2)) + " bytes in BF16");
        facts.put(
                here == null ? "cluster" : "machine",
                (here == null ? Quantity.grouped(job.cluster().devices()) + " x " : "") + hardware.title());
        facts.put("layout", job.layout().describe(job.cluster().devices()));
        facts.put(
                "memory",
                Quantity.bytes(plan.step().memoryBytes()) + " of "
                        + Quantity.bytes(hardware.memoryBytes().value())
                        + (here == null ? " on the fullest device" : ""));
        facts.put(
                "step",
                Quantity.seconds(plan.step().seconds()) + " for "
                        + Quantity.count(plan.step().tokens()) + " tokens"
                        + (here == null ? ", " + microBatches() : ""));
        facts.put("tokens per day", Quantity.count(plan.tokensPerDay()));
        facts.put(
                "MFU",
                Quantity.percent(plan.utilisation(true)) + " causal, " + Quantity.percent(plan.utilisation(false))
                        + " counting all of attention, of the "
                        + hardware.reference().key().toUpperCase(Locale.ROOT) + " peak");
        return facts;
    }

    private String microBatches() {
        int count = plan.step().microBatches();
        return count + (count == 1 ? " micro-batch" : " micro-batches") + " per pipeline";
    }

    /** Name and value of the cost. */
    Map<String, String> costs() {
        Map<String, String> costs = new LinkedHashMap<>();
        for (TrainingPlan.PhaseCost phase : plan.phases()) {
            costs.put(
                    phase.phase().name(),
                    hours(phase.hours()) + ", " + Quantity.duration(phase.seconds())
                            + (phase.phase().note().isEmpty()
                                    ? ""
                                    : "  (" + phase.phase().note() + ")"));
        }
        Hardware hardware = plan.job().cluster().hardware();
        costs.put(
                "total",
                hours(plan.hours()) + ", " + Quantity.duration(plan.days() * 86400) + ", "
                        + Quantity.dollars(plan.dollars())
                        + " at $"
                        + Quantity.fixed("%.2f", hardware.dollarsPerHour().value()) + " per hour");
        Failures failures = plan.failures();
        costs.put(
                "failures",
                "a node every " + Quantity.duration(failures.secondsBetweenFailures()) + "; checkpoint every "
                        + Quantity.duration(failures.interval()) + " ("
                        + Quantity.fixed("%.1f s", failures.checkpointSeconds())
                        + " each), goodput " + Quantity.percent(failures.goodput()));
        return costs;
    }

    private static String hours(double hours) {
        return hours >= 100 ? Quantity.grouped(hours) + " GPU hours" : Quantity.fixed("%.2f GPU hours", hours);
    }

    @Override
    public List<String> text() {
        List<String> lines = new ArrayList<>();
        lines.add(title());
        facts().forEach((name, value) -> lines.add(line(name, value)));
        lines.add("");
        lines.add("memory of the fullest device");
        plan.step().memory().forEach((name, bytes) -> lines.add(line(name, right(Quantity.bytes(bytes)))));
        lines.add("");
        lines.add("a step on the first pipeline rank");
        shownPhases().forEach((name, seconds) -> lines.add(line(name, right(Quantity.seconds(seconds)))));
        if (here == null) {
            lines.add("");
            lines.add("cost");
            costs().forEach((name, value) -> lines.add(line(name, value)));
        }
        if (plan.step().timeline().ranks().size() > 1) {
            lines.add("");
            lines.add("pipeline: ranks over time");
            lines.addAll(TimelineText.lines(plan.step().timeline()));
        }
        if (growth != null) {
            lines.add("");
            lines.addAll(scaling(growth));
        }
        return lines;
    }

    private static String right(String text) {
        return String.format(Locale.ROOT, "%10s", text);
    }

    @Override
    public String html(String command) {
        return TrainingPage.html(this, command);
    }

    @Override
    public List<Constant> constants() {
        return calibration.constants();
    }

    @Override
    public Hardware hardware() {
        return plan.job().cluster().hardware();
    }

    /** What breaks first when the cluster grows. */
    static List<String> scaling(Scaling.Result result) {
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
}
