package dev.fathom.plan;

import dev.fathom.model.files.Json;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * How a model was trained, as published: what a plan takes where the user says nothing.
 *
 * @param source where it was published
 * @param devices how many
 * @param gpu name in the hardware catalogue
 */
public record PublishedJob(String source, long devices, String gpu, Layout layout, List<TrainingPhase> phases) {

    /** The job of a built-in model, if it is known. */
    public static Optional<PublishedJob> of(String model) {
        // A name is no path: nothing but the jobs is reachable.
        if (!model.matches("[a-z0-9.-]+")) {
            return Optional.empty();
        }
        String path = "/dev/fathom/plan/jobs/" + model + ".json";
        try (InputStream in = PublishedJob.class.getResourceAsStream(path)) {
            return in == null ? Optional.empty() : Optional.of(read(Json.MAPPER.readTree(in.readAllBytes())));
        } catch (IOException e) {
            throw new PlanException(path + ": cannot be read (" + Json.describe(e) + ")", e);
        }
    }

    private static PublishedJob read(JsonNode json) {
        JsonNode layout = json.get("layout");
        List<TrainingPhase> phases = new ArrayList<>();
        for (JsonNode phase : json.get("phases")) {
            phases.add(new TrainingPhase(
                    phase.get("name").stringValue(),
                    phase.path("tokens").doubleValue(0),
                    phase.path("sequenceLength").intValue(0),
                    phase.path("batch").intValue(0),
                    phase.path("context").intValue(1),
                    phase.path("gpuHours").doubleValue(0),
                    phase.path("note").stringValue("")));
        }
        return new PublishedJob(
                json.get("source").stringValue(),
                json.get("devices").longValue(),
                json.get("gpu").stringValue(),
                new Layout(
                        layout.get("pp").intValue(),
                        layout.get("ep").intValue(),
                        layout.get("tp").intValue(),
                        1,
                        ScheduleKind.of(layout.get("schedule").stringValue()),
                        layout.path("interleave").intValue(1),
                        layout.get("microBatch").intValue(),
                        1,
                        Recomputation.valueOf(
                                layout.get("recompute").stringValue().toUpperCase(Locale.ROOT)),
                        Precision.valueOf(layout.get("precision").stringValue().toUpperCase(Locale.ROOT))),
                phases);
    }
}
