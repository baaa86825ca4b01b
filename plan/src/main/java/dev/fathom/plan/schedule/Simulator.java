package dev.fathom.plan.schedule;

import dev.fathom.plan.schedule.Timeline.Interval;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs a schedule: a slot begins when its rank has done the slot before and everything its chunks need has arrived. A forward chunk needs
 * the one of the stage before; a backward chunk its own forward chunk and the backward chunk of the stage after; a weight chunk its input
 * chunk.
 */
public final class Simulator {
    private final Schedule schedule;
    private final ChunkTimes times;
    /** When the output of [stage][micro-batch] was there, and on which rank; NaN before. */
    private final double[][] forward;

    private final double[][] backward;
    private final int[][] forwardRank;
    private final int[][] backwardRank;

    private Simulator(Schedule schedule, ChunkTimes times) {
        this.schedule = schedule;
        this.times = times;
        forward = table(schedule);
        backward = table(schedule);
        forwardRank = new int[schedule.stages()][schedule.microBatches()];
        backwardRank = new int[schedule.stages()][schedule.microBatches()];
    }

    /** @throws IllegalStateException if ranks wait for each other for ever: the schedule is wrong */
    public static Timeline run(Schedule schedule, ChunkTimes times) {
        return new Simulator(schedule, times).run();
    }

    private static double[][] table(Schedule schedule) {
        double[][] table = new double[schedule.stages()][schedule.microBatches()];
        for (double[] row : table) {
            Arrays.fill(row, Double.NaN);
        }
        return table;
    }

    private Timeline run() {
        int count = schedule.ranks().size();
        List<List<Interval>> done = new ArrayList<>();
        for (int rank = 0; rank < count; rank++) {
            done.add(new ArrayList<>());
        }
        boolean progress = true;
        while (progress) {
            progress = false;
            for (int rank = 0; rank < count; rank++) {
                progress |= advance(rank, done.get(rank));
            }
        }
        double end = 0;
        for (int rank = 0; rank < count; rank++) {
            List<Interval> intervals = done.get(rank);
            if (intervals.size() < schedule.ranks().get(rank).size()) {
                throw new IllegalStateException("rank " + rank + " waits for ever for "
                        + schedule.ranks().get(rank).get(intervals.size()));
            }
            end = Math.max(end, intervals.getLast().end());
        }
        return new Timeline(schedule, done, end);
    }

    /** Runs a rank until it has to wait for another; whether it did anything. */
    private boolean advance(int rank, List<Interval> done) {
        List<Slot> slots = schedule.ranks().get(rank);
        int before = done.size();
        while (done.size() < slots.size()) {
            Slot slot = slots.get(done.size());
            double start = done.isEmpty() ? 0 : done.getLast().end();
            for (Chunk chunk : slot.chunks()) {
                start = Math.max(start, ready(chunk, rank)); // NaN stays NaN
            }
            if (Double.isNaN(start)) {
                break;
            }
            double end = start + times.of(slot);
            for (Chunk chunk : slot.chunks()) {
                finish(chunk, rank, end);
            }
            done.add(new Interval(slot, start, end));
        }
        return done.size() > before;
    }

    /** When everything a chunk needs is on its rank; NaN if not known yet. */
    private double ready(Chunk chunk, int rank) {
        int stage = chunk.stage();
        int micro = chunk.microBatch();
        return switch (chunk.kind()) {
            case FORWARD -> stage == 0 ? 0 : arrival(forward, forwardRank, stage - 1, micro, rank);
            case BACKWARD, INPUT ->
                Math.max(
                        forward[stage][micro],
                        stage == schedule.stages() - 1 ? 0 : arrival(backward, backwardRank, stage + 1, micro, rank));
            case WEIGHT -> backward[stage][micro];
        };
    }

    private double arrival(double[][] table, int[][] from, int stage, int micro, int rank) {
        return table[stage][micro] + (from[stage][micro] == rank ? 0 : times.handOver());
    }

    private void finish(Chunk chunk, int rank, double end) {
        switch (chunk.kind()) {
            case FORWARD -> {
                forward[chunk.stage()][chunk.microBatch()] = end;
                forwardRank[chunk.stage()][chunk.microBatch()] = rank;
            }
            case BACKWARD, INPUT -> {
                backward[chunk.stage()][chunk.microBatch()] = end;
                backwardRank[chunk.stage()][chunk.microBatch()] = rank;
            }
            case WEIGHT -> {}
        }
    }
}
