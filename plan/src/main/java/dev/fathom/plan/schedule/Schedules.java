package dev.fathom.plan.schedule;

import dev.fathom.plan.PlanException;
import dev.fathom.plan.schedule.Chunk.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** Makes schedules. */
public final class Schedules {
    private Schedules() {}

    /**
     * @param ranks of the pipeline
     * @param microBatches of a step; for {@link ScheduleKind#DUALPIPE} both directions together
     * @param interleave stages per rank of {@link ScheduleKind#INTERLEAVED}; ignored by the others, which have their own
     */
    public static Schedule make(ScheduleKind kind, int ranks, int microBatches, int interleave) {
        check(kind, ranks, microBatches, interleave);
        List<List<Slot>> orders = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            orders.add(
                    switch (kind) {
                        case ONE_F_ONE_B -> interleaved(ranks, rank, microBatches, 1);
                        case INTERLEAVED -> interleaved(ranks, rank, microBatches, interleave);
                        case ZB1P -> zeroBubble(ranks, rank, microBatches);
                        case DUALPIPE -> dualPipe(ranks, rank, microBatches);
                        case DUALPIPE_V -> dualPipeV(ranks, rank, microBatches);
                    });
        }
        return new Schedule(kind, kind.stages(ranks, interleave), microBatches, orders);
    }

    /** Refuses what a schedule cannot do, saying what it can. */
    public static void check(ScheduleKind kind, int ranks, int microBatches, int interleave) {
        if (ranks < 1) {
            throw PlanException.of("--pp", ranks, "at least 1");
        }
        if (microBatches < 1) {
            throw PlanException.of("micro-batches", microBatches, "at least 1");
        }
        switch (kind) {
            case ONE_F_ONE_B, ZB1P -> {}
            case INTERLEAVED -> {
                if (interleave < 2) {
                    throw PlanException.of("--interleave", interleave, "at least 2 for schedule interleaved");
                }
                if (microBatches % ranks != 0) {
                    throw PlanException.of(
                            "micro-batches",
                            microBatches,
                            "a multiple of the " + ranks + " pipeline ranks for schedule interleaved; the nearest is "
                                    + Math.max(ranks, (microBatches + ranks / 2) / ranks * ranks));
                }
            }
            case DUALPIPE -> {
                if (ranks % 2 != 0) {
                    throw PlanException.of(
                            "--pp", ranks, "an even number for schedule dualpipe; the nearest is " + (ranks + 1));
                }
                if (microBatches % 2 != 0 || microBatches < 2 * ranks) {
                    throw PlanException.of(
                            "micro-batches",
                            microBatches,
                            "an even number of at least 2 x " + ranks + " pipeline ranks for schedule dualpipe; the"
                                    + " nearest is " + Math.max(2 * ranks, microBatches + microBatches % 2));
                }
            }
            case DUALPIPE_V -> {
                if (microBatches < 2 * ranks) {
                    throw PlanException.of(
                            "micro-batches",
                            microBatches,
                            "at least 2 x " + ranks + " pipeline ranks for schedule dualpipev");
                }
            }
        }
    }

    /** Megatron-LM's order: warm-up, then one forward and one backward in turn, then the backward chunks that are left. */
    private static List<Slot> interleaved(int ranks, int rank, int microBatches, int interleave) {
        int total = microBatches * interleave;
        int warmUp = interleave == 1
                ? Math.min(total, ranks - 1 - rank)
                : Math.min(total, 2 * (ranks - 1 - rank) + (interleave - 1) * ranks);
        List<Slot> slots = new ArrayList<>();
        for (int i = 0; i < warmUp; i++) {
            slots.add(virtual(Kind.FORWARD, ranks, rank, interleave, i));
        }
        for (int i = 0; i < total; i++) {
            if (warmUp + i < total) {
                slots.add(virtual(Kind.FORWARD, ranks, rank, interleave, warmUp + i));
            }
            slots.add(virtual(Kind.BACKWARD, ranks, rank, interleave, i));
        }
        return slots;
    }

    /** The n-th chunk of a rank: micro-batches in groups of as many as there are ranks, each group through all its stages. */
    private static Slot virtual(Kind kind, int ranks, int rank, int interleave, int n) {
        if (interleave == 1) {
            return Slot.of(kind, rank, n);
        }
        int group = n / (ranks * interleave);
        int inGroup = n % (ranks * interleave);
        int part = inGroup / ranks;
        int stage = (kind == Kind.FORWARD ? part : interleave - 1 - part) * ranks + rank;
        return Slot.of(kind, stage, group * ranks + inGroup % ranks);
    }

    /** 1F1B whose weight gradients wait: rank r is r behind with them, which fills the pipe and keeps all ranks at the same memory. */
    private static List<Slot> zeroBubble(int ranks, int rank, int microBatches) {
        List<Slot> slots = new ArrayList<>();
        int warmUp = Math.min(microBatches, ranks - 1 - rank);
        for (int i = 0; i < warmUp; i++) {
            slots.add(Slot.of(Kind.FORWARD, rank, i));
        }
        int weights = 0;
        for (int i = 0; i < microBatches; i++) {
            if (warmUp + i < microBatches) {
                slots.add(Slot.of(Kind.FORWARD, rank, warmUp + i));
            }
            slots.add(Slot.of(Kind.INPUT, rank, i));
            if (i >= rank) {
                slots.add(Slot.of(Kind.WEIGHT, rank, weights++));
            }
        }
        while (weights < microBatches) {
            slots.add(Slot.of(Kind.WEIGHT, rank, weights++));
        }
        return slots;
    }

    /** Half of the micro-batches enter at the first rank, half at the last; every rank holds one stage for each direction. */
    private static List<Slot> dualPipe(int ranks, int rank, int microBatches) {
        int half = microBatches / 2;
        boolean mirrored = rank >= ranks / 2;
        int distance = Math.min(rank, ranks - 1 - rank);
        return new TwoWay(ranks / 2, distance, half) {
            @Override
            Chunk chunk(Kind kind, int way, int index) {
                int direction = mirrored ? 1 - way : way;
                int stage = direction == 0 ? rank : ranks - 1 - rank;
                return new Chunk(kind, stage, direction * half + index);
            }
        }.slots();
    }

    /** Every micro-batch goes down the ranks and back up; every rank holds a stage of each leg. */
    private static List<Slot> dualPipeV(int ranks, int rank, int microBatches) {
        return new TwoWay(ranks, rank, microBatches) {
            @Override
            Chunk chunk(Kind kind, int way, int index) {
                return new Chunk(kind, way == 0 ? rank : 2 * ranks - 1 - rank, index);
            }
        }.slots();
    }

    /**
     * The eight steps that DualPipe and DualPipeV share (the schedule published as deepseek-ai/DualPipe). A rank serves two ways: way
     * 0 enters at its end of the pipeline, way 1 comes from the middle.
     */
    private abstract static class TwoWay {
        private final int half;
        private final int distance;
        private final int perWay;
        private final List<Slot> slots = new ArrayList<>();
        private final int[] forwards = new int[2];
        private final int[] backwards = new int[2];
        private final Deque<Chunk> weights = new ArrayDeque<>();

        /**
         * @param half ranks from an end of the pipeline to its middle
         * @param distance of this rank from its end
         * @param perWay micro-batches each way
         */
        TwoWay(int half, int distance, int perWay) {
            this.half = half;
            this.distance = distance;
            this.perWay = perWay;
        }

        abstract Chunk chunk(Kind kind, int way, int index);

        List<Slot> slots() {
            int inward = half - distance - 1;
            int outward = distance + 1;
            for (int i = 0; i < 2 * inward; i++) { // 1: only this end's micro-batches have come
                forward(0);
            }
            for (int i = 0; i < outward; i++) { // 2: now those of the other way, too
                forward(0);
                forward(1);
            }
            for (int i = 0; i < inward; i++) { // 3: the first come back
                input(1);
                weight();
                forward(1);
            }
            for (int i = 0; i < perWay - 2 * half + outward; i++) { // 4: the steady state, everything in pairs
                if (i == 0 && inward == 0) {
                    forward(0); // in the middle the first pair has nothing to hide behind
                    backward(1);
                } else {
                    pair(0, 1);
                }
                pair(1, 0);
            }
            for (int i = 0; i < inward; i++) { // 5: this end has no new micro-batches
                backward(1);
                pair(1, 0);
            }
            boolean late = false;
            for (int i = 0; i < outward; i++) { // 6: only backward is left, in the second half without weights
                late |= i == outward / 2 && distance % 2 == 1;
                backward(1, late);
                late |= i == outward / 2 && distance % 2 == 0;
                backward(0, late);
            }
            for (int i = 0; i < inward; i++) { // 7: weights fill the gaps
                weight();
                input(0);
            }
            for (int i = 0; i < outward; i++) { // 8
                weight();
            }
            return slots;
        }

        private void forward(int way) {
            slots.add(new Slot(List.of(chunk(Kind.FORWARD, way, forwards[way]++))));
        }

        private void backward(int way) {
            slots.add(new Slot(List.of(chunk(Kind.BACKWARD, way, backwards[way]++))));
        }

        private void backward(int way, boolean inputOnly) {
            if (inputOnly) {
                input(way);
            } else {
                backward(way);
            }
        }

        private void input(int way) {
            int index = backwards[way]++;
            slots.add(new Slot(List.of(chunk(Kind.INPUT, way, index))));
            weights.add(chunk(Kind.WEIGHT, way, index));
        }

        private void weight() {
            slots.add(new Slot(List.of(weights.remove())));
        }

        private void pair(int forwardWay, int backwardWay) {
            slots.add(Slot.pair(
                    chunk(Kind.FORWARD, forwardWay, forwards[forwardWay]++),
                    chunk(Kind.BACKWARD, backwardWay, backwards[backwardWay]++)));
        }
    }
}
