package dev.fathom.plan.hardware;

import dev.fathom.plan.PlanException;
import java.util.Map;

/**
 * A device, and the node and network it sits in.
 *
 * @param name as the command line knows it
 * @param title in words
 * @param devicesPerNode devices that share the fast links
 * @param memoryBytes of one device
 * @param peakFlops dense tensor peak per precision, the denominator of MFU
 * @param gemmFlops the fastest measured matrix product per precision, the base of every achieved rate
 * @param memoryBytesPerSecond of the device's memory
 * @param nodeBytesPerSecond between devices of a node, per device and direction, as achieved
 * @param networkBytesPerSecond between nodes, per device and direction
 * @param dollarsPerHour rent of one device
 * @param nodeHoursBetweenFailures mean time between failures of one node
 */
public record Hardware(
        String name,
        String title,
        int devicesPerNode,
        Figure memoryBytes,
        Map<Precision, Figure> peakFlops,
        Map<Precision, Figure> gemmFlops,
        Figure memoryBytesPerSecond,
        Figure nodeBytesPerSecond,
        Figure networkBytesPerSecond,
        Figure dollarsPerHour,
        Figure nodeHoursBetweenFailures) {

    public double peak(Precision precision) {
        return of(peakFlops, precision);
    }

    public double gemm(Precision precision) {
        return of(gemmFlops, precision);
    }

    /** Whether the device multiplies in this precision at all. */
    public boolean has(Precision precision) {
        return gemmFlops.containsKey(precision) && peakFlops.containsKey(precision);
    }

    /** The precision whose peak MFU is measured against: BF16, as published, or what there is. */
    public Precision reference() {
        return has(Precision.BF16) ? Precision.BF16 : Precision.F32;
    }

    private double of(Map<Precision, Figure> figures, Precision precision) {
        Figure figure = figures.get(precision);
        if (figure == null) {
            throw PlanException.of(
                    "precision", "\"" + precision.key() + "\"", "one that " + name + " has: " + figures.keySet());
        }
        return figure.value();
    }
}
