package dev.fathom.plan.schedule;

import dev.fathom.plan.schedule.Slot.Phase;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A simulated step.
 *
 * @param schedule what was simulated
 * @param ranks for each rank its slots with their times, in order
 * @param seconds until the last rank is done
 */
public record Timeline(Schedule schedule, List<List<Interval>> ranks, double seconds) {
    /** A slot and when it ran. */
    public record Interval(Slot slot, double start, double end) {}

    /** Seconds a rank spends in each phase. */
    public Map<Phase, Double> phases(int rank) {
        Map<Phase, Double> sums = new EnumMap<>(Phase.class);
        for (Phase phase : Phase.values()) {
            sums.put(phase, 0.0);
        }
        for (Interval interval : ranks.get(rank)) {
            sums.merge(interval.slot.phase(), interval.end - interval.start, Double::sum);
        }
        return sums;
    }

    /** Seconds a rank does nothing. */
    public double bubble(int rank) {
        return seconds - phases(rank).values().stream().mapToDouble(x -> x).sum();
    }

    /** Mean share of the step that ranks do nothing. */
    public double bubbleShare() {
        double idle = 0;
        for (int rank = 0; rank < ranks.size(); rank++) {
            idle += bubble(rank);
        }
        return idle / ranks.size() / seconds;
    }

    /**
     * The largest sum over time, on one rank, of what its chunks under way hold: from the start of a forward chunk to the end of
     * the pass that frees it.
     *
     * @param held what a chunk of a stage holds
     */
    public double peak(int rank, java.util.function.IntToDoubleFunction held) {
        double now = 0;
        double peak = 0;
        for (Interval interval : ranks.get(rank)) {
            for (Chunk chunk : interval.slot.chunks()) {
                if (chunk.kind() == Chunk.Kind.FORWARD) {
                    now += held.applyAsDouble(chunk.stage());
                }
            }
            peak = Math.max(peak, now);
            for (Chunk chunk : interval.slot.chunks()) {
                if (chunk.kind() == Chunk.Kind.BACKWARD || chunk.kind() == Chunk.Kind.WEIGHT) {
                    now -= held.applyAsDouble(chunk.stage());
                }
            }
        }
        return peak;
    }
}
