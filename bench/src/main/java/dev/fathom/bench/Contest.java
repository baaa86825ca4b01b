package dev.fathom.bench;

import dev.fathom.learn.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Fathom and another engine in turns on the same machine: the speed of a shared machine drifts by tens of per cent within the hour, the ratio of two neighbours does not. Every
 * run of either is a process of its own.
 *
 * @param mainClass of the {@code fathom} command
 * @param engine options for {@code fathom bench}: precision, products, threads
 * @param threads of both sides
 * @param pairs runs of each side
 * @param timeoutSeconds of one run of the other engine
 */
public record Contest(String mainClass, List<String> engine, int threads, int pairs, long timeoutSeconds) {
    public Contest {
        if (pairs < 1 || timeoutSeconds < 1) {
            throw new IllegalArgumentException(
                    "needs pairs >= 1, timeout >= 1 s; are " + pairs + ", " + timeoutSeconds);
        }
    }

    /** What {@code fathom bench} with these words prints as JSON. */
    JsonNode fathom(Object... words) {
        List<String> all = new ArrayList<>(List.of("bench"));
        Stream.of(words).map(Object::toString).forEach(all::add);
        all.add("--json");
        all.addAll(engine);
        return Json.MAPPER.readTree(JavaFork.run(mainClass, all));
    }
}
