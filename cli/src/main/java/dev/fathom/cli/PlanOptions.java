package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.plan.PlanException;
import dev.fathom.plan.hardware.Figure;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.report.Report;
import dev.fathom.plan.shape.ModelShape;
import dev.fathom.plan.shape.ModelShapes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** What the plans have in common: the device, its price, how to print. */
final class PlanOptions {
    static final String MODEL =
            "A model that was published (deepseek-v3, deepseek-v2, deepseek-v2-lite, llama-3.1-405b, gpt-3-175b, ...),"
                    + " a config.json, a directory with one, or a run.";

    @Option(
            names = "--gpu",
            paramLabel = "NAME|FILE",
            description =
                    "h800, h100, h200, a100, a100-pcie, b200, gb200-nvl72, h20, mi300x, or a JSON file of your own."
                            + " Default: the one the model was trained on.")
    @Nullable
    String gpu;

    @Option(
            names = "--price",
            paramLabel = "DOLLARS",
            description = "Rent of one GPU per hour. Default: the catalogue's.")
    private @Nullable Double price;

    @Option(
            names = "--precision",
            paramLabel = "fp8|bf16|f32",
            description = "Operands of linear layers. Default: as published.")
    private @Nullable String precision;

    @Option(names = "--json", description = "Print the plan as one JSON object.")
    private boolean json;

    @Option(
            names = "--explain",
            description = "Also print every constant and every figure of the device with its source.")
    private boolean explain;

    @Option(names = "--html", paramLabel = "FILE", description = "Also write the plan as an HTML page.")
    private @Nullable Path html;

    /** Prints a plan as the user wants it. */
    void print(Screen screen, Report report, CommandSpec spec) {
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(report.json()));
        } else {
            report.text().forEach(screen::line);
            if (explain) {
                report.explanation().forEach(screen::line);
            }
        }
        if (html != null) {
            try {
                Files.writeString(html, report.html(CommandText.repeating(spec)));
            } catch (NoSuchFileException e) {
                throw new CommandException(ExitCode.SOFTWARE, "--html: cannot write " + html + ": no such folder", e);
            } catch (IOException e) {
                throw new CommandException(ExitCode.SOFTWARE, "--html: cannot write " + html + ": " + e, e);
            }
            screen.note("page: " + html);
        }
    }

    /** The model that was named, by a run too. */
    static ModelShape shape(String model) {
        Path path = Path.of(model);
        if (!ModelShapes.BUILT_IN.contains(model) && RunDirectory.isRun(path)) {
            return ModelShapes.find(ModelPath.find(path, null).directory().toString())
                    .named(model);
        }
        return ModelShapes.find(model).named(model);
    }

    /** The device, with the user's price. */
    @Nullable
    Hardware hardware(@Nullable String otherwise) {
        String name = gpu != null ? gpu : otherwise;
        return name == null ? null : priced(HardwareCatalog.find(name));
    }

    private Hardware priced(Hardware device) {
        if (price == null) {
            return device;
        }
        if (!(price > 0)) {
            throw PlanException.of("--price", price, "a number above 0");
        }
        return new Hardware(
                device.name(),
                device.title(),
                device.devicesPerNode(),
                device.memoryBytes(),
                device.peakFlops(),
                device.gemmFlops(),
                device.memoryBytesPerSecond(),
                device.nodeBytesPerSecond(),
                device.networkBytesPerSecond(),
                new Figure(price, "--price"),
                device.nodeHoursBetweenFailures());
    }

    @Nullable
    Precision precision() {
        if (precision == null) {
            return null;
        }
        try {
            return Precision.valueOf(precision.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new PlanException("--precision: found \"" + precision + "\", expected fp8, bf16 or f32", e);
        }
    }
}
