package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;

/**
 * So many devices of a kind.
 *
 * @param devices all of them
 */
public record Cluster(Hardware hardware, long devices) {
    private static final long MOST = 100_000_000;

    public Cluster {
        if (devices < 1 || devices > MOST) {
            throw PlanException.of("--gpus", devices, "1 to " + MOST);
        }
        if (devices > hardware.devicesPerNode() && devices % hardware.devicesPerNode() != 0) {
            long node = hardware.devicesPerNode();
            throw PlanException.of(
                    "--gpus",
                    devices,
                    "a multiple of the " + node + " devices of a node; the nearest is "
                            + Math.round((double) devices / node) * node);
        }
    }

    public long nodes() {
        return Math.ceilDiv(devices, hardware.devicesPerNode());
    }
}
