package dev.fathom.plan.hardware;

import dev.fathom.model.files.Json;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.plan.PlanException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The devices that come with Fathom, one JSON file each, and those of a user's own files, which look the same. */
public final class HardwareCatalog {
    public static final List<String> BUILT_IN =
            List.of("h800", "h100", "h200", "a100", "a100-pcie", "b200", "gb200-nvl72", "h20", "mi300x");

    private HardwareCatalog() {}

    /** A built-in name, or a JSON file. */
    public static Hardware find(String device) {
        String name = device.toLowerCase(java.util.Locale.ROOT);
        if (BUILT_IN.contains(name)) {
            return parse(resource(name), "hardware " + name);
        }
        Path file = Path.of(device);
        if (!device.endsWith(".json") || !Files.isRegularFile(file)) {
            throw PlanException.of(
                    "--gpu",
                    "\"" + device + "\"",
                    "a JSON file that is there, or one of " + String.join(", ", BUILT_IN));
        }
        return parse(Json.readObject(file, HardwareFileException::new), file.toString());
    }

    private static ObjectNode resource(String name) {
        String path = "/dev/fathom/plan/hardware/" + name + ".json";
        try (InputStream in = HardwareCatalog.class.getResourceAsStream(path)) {
            return Json.parseObject(Objects.requireNonNull(in, path).readAllBytes(), path, HardwareFileException::new);
        } catch (IOException e) {
            throw new PlanException(path + ": cannot be read (" + Json.describe(e) + ")", e);
        }
    }

    /** @param source what to call the JSON in an error */
    static Hardware parse(ObjectNode json, String source) {
        Keys keys = new Keys(json, source);
        Hardware hardware = new Hardware(
                keys.text("name"),
                keys.text("title"),
                (int) keys.positive(json.get("devicesPerNode"), "devicesPerNode"),
                keys.figure("memoryBytes"),
                keys.figures("peakFlops"),
                keys.figures("gemmFlops"),
                keys.figure("memoryBytesPerSecond"),
                keys.figure("nodeBytesPerSecond"),
                keys.figure("networkBytesPerSecond"),
                keys.figure("dollarsPerHour"),
                keys.figure("nodeHoursBetweenFailures"));
        keys.refuseRest();
        return hardware;
    }

    private static final class HardwareFileException extends ModelFileException {
        private static final long serialVersionUID = 1;

        HardwareFileException(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    private record Keys(ObjectNode json, String source, Set<String> left) {
        Keys(ObjectNode json, String source) {
            this(json, source, new TreeSet<>(new ArrayList<>(json.propertyNames())));
        }

        String text(String key) {
            left.remove(key);
            JsonNode node = json.get(key);
            if (node == null || !node.isString()) {
                throw wrong(key, node, "a string");
            }
            return node.stringValue();
        }

        Figure figure(String key) {
            left.remove(key);
            return figure(json.get(key), key);
        }

        Map<Precision, Figure> figures(String key) {
            left.remove(key);
            if (!(json.get(key) instanceof ObjectNode object) || object.isEmpty()) {
                throw wrong(key, json.get(key), "an object with a figure per precision: fp8, bf16, f32");
            }
            Map<Precision, Figure> figures = new EnumMap<>(Precision.class);
            Set<String> unknown = new TreeSet<>(object.propertyNames());
            for (Precision precision : Precision.values()) {
                if (unknown.remove(precision.key())) {
                    figures.put(precision, figure(object.get(precision.key()), key + "." + precision.key()));
                }
            }
            if (!unknown.isEmpty()) {
                throw wrong(key + "." + unknown.iterator().next(), object, "fp8, bf16 or f32");
            }
            return figures;
        }

        private Figure figure(@Nullable JsonNode node, String key) {
            if (!(node instanceof ObjectNode object)
                    || object.get("source") == null
                    || !object.get("source").isString()
                    || object.size() != 2) {
                throw wrong(key, node, "{\"value\": a number, \"source\": where it comes from}");
            }
            return new Figure(
                    positive(object.get("value"), key + ".value"),
                    object.get("source").stringValue());
        }

        double positive(@Nullable JsonNode node, String key) {
            left.remove(key);
            if (node == null || !node.isNumber() || !(node.doubleValue() > 0)) {
                throw wrong(key, node, "a number above 0");
            }
            return node.doubleValue();
        }

        void refuseRest() {
            if (!left.isEmpty()) {
                String key = left.iterator().next();
                throw wrong(key, json.get(key), "no such key");
            }
        }

        private PlanException wrong(String key, @Nullable JsonNode found, String expected) {
            return new PlanException(
                    source + ": " + key + ": found " + Json.describe(found) + ", expected " + expected);
        }
    }
}
