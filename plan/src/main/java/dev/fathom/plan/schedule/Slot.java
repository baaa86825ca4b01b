package dev.fathom.plan.schedule;

import java.util.List;

/**
 * What a rank does at a time: one chunk, or a forward and a backward chunk overlapped.
 *
 * @param chunks one, or two of which the first is forward and the second backward
 */
public record Slot(List<Chunk> chunks) {
    static Slot of(Chunk.Kind kind, int stage, int microBatch) {
        return new Slot(List.of(new Chunk(kind, stage, microBatch)));
    }

    static Slot pair(Chunk forward, Chunk backward) {
        return new Slot(List.of(forward, backward));
    }

    public boolean isPair() {
        return chunks.size() == 2;
    }

    /** The kind of slot that phase tables and pictures distinguish. */
    public Phase phase() {
        if (isPair()) {
            return Phase.PAIR;
        }
        return switch (chunks.getFirst().kind()) {
            case FORWARD -> Phase.FORWARD;
            case BACKWARD, INPUT -> Phase.BACKWARD;
            case WEIGHT -> Phase.WEIGHT;
        };
    }

    /** Phases of a step as the ISCA 2025 paper tells them apart. */
    public enum Phase {
        FORWARD,
        BACKWARD,
        WEIGHT,
        PAIR
    }
}
