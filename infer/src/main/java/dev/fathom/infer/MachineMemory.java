package dev.fathom.infer;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** What the machine, or the container, has. */
final class MachineMemory {
    private static final long UNKNOWN = 4L << 30;

    private MachineMemory() {}

    static long bytes() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : UNKNOWN;
    }
}
