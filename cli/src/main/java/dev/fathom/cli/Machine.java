package dev.fathom.cli;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** The machine in a few words, for the reader of timings. */
final class Machine {
    private Machine() {}

    /** Such as {@code AMD EPYC 9R14, 2 processors, 16 GB, Linux amd64}. */
    static String describe() {
        return processor() + Runtime.getRuntime().availableProcessors() + " processors, " + memory()
                + System.getProperty("os.name") + " " + System.getProperty("os.arch");
    }

    /** Linux says it in a file; elsewhere nothing is said. */
    private static String processor() {
        Path file = Path.of("/proc/cpuinfo");
        if (!Files.isReadable(file)) {
            return "";
        }
        try {
            return Files.readString(file)
                    .lines()
                    .filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip() + ", ")
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return "";
        }
    }

    private static String memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? Math.round(system.getTotalMemorySize() / 1e9) + " GB, "
                : "";
    }
}
