package dev.fathom.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Seconds of the same work, repeated.
 *
 * @param seconds of each repetition, in order
 * @param cpuSeconds processor time of the whole process meanwhile, all threads
 */
record Timings(List<Double> seconds, double cpuSeconds) {

    /** Does and times it so many times. */
    static Timings of(int repetitions, IntConsumer work) {
        List<Double> seconds = new ArrayList<>();
        double cpu = cpuTime();
        for (int i = 0; i < repetitions; i++) {
            long start = System.nanoTime();
            work.accept(i);
            seconds.add((System.nanoTime() - start) * 1e-9);
        }
        return new Timings(seconds, cpuTime() - cpu);
    }

    double median() {
        return median(seconds);
    }

    double best() {
        return Collections.min(seconds);
    }

    double worst() {
        return Collections.max(seconds);
    }

    double total() {
        return seconds.stream().mapToDouble(Double::doubleValue).sum();
    }

    /** The middle value, or the mean of the two in the middle. */
    static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int half = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(half) : (sorted.get(half - 1) + sorted.get(half)) / 2;
    }

    private static double cpuTime() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? system.getProcessCpuTime() * 1e-9
                : 0;
    }
}
