package dev.fathom.plan.report;

import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.hardware.Figure;
import dev.fathom.plan.hardware.Hardware;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The constants and the device's figures that a plan rests on, each with its source. */
public final class Explanation {
    private Explanation() {}

    public static List<String> lines(List<Constant> constants, Hardware hardware) {
        List<String> lines = new ArrayList<>();
        lines.add("");
        lines.add("calibration (the same for all models, devices and layouts; docs/plan.md)");
        for (Constant constant : constants) {
            lines.add(line(constant.name(), Quantity.fixed("%.3f", constant.value()) + "  " + constant.meaning()));
            lines.add(line("", "       " + constant.source()));
        }
        lines.add("");
        lines.add("device");
        figures(hardware).forEach((name, figure) -> {
            lines.add(line(name, Quantity.of(figure.value())));
            lines.add(line("", "       " + figure.source()));
        });
        return lines;
    }

    static Map<String, Figure> figures(Hardware hardware) {
        Map<String, Figure> figures = new LinkedHashMap<>();
        hardware.peakFlops()
                .forEach((precision, figure) -> figures.put("peak " + precision.key() + ", FLOP/s", figure));
        hardware.gemmFlops()
                .forEach((precision, figure) -> figures.put("GEMM " + precision.key() + ", FLOP/s", figure));
        figures.put("memory, bytes", hardware.memoryBytes());
        figures.put("memory, bytes/s", hardware.memoryBytesPerSecond());
        figures.put("in the node, bytes/s", hardware.nodeBytesPerSecond());
        figures.put("network, bytes/s", hardware.networkBytesPerSecond());
        figures.put("dollars per hour", hardware.dollarsPerHour());
        figures.put("hours between node failures", hardware.nodeHoursBetweenFailures());
        return figures;
    }

    private static String line(String name, String value) {
        return String.format(Locale.ROOT, "  %-28s %s", name, value);
    }
}
