package dev.fathom.plan.schedule;

/** How long things take, in seconds. */
public interface ChunkTimes {
    /** Of one slot. */
    double of(Slot slot);

    /** From the end of a chunk on one rank to the start of the next one on another: sending its activations. */
    double handOver();

    /**
     * The same for all stages.
     *
     * @param pair of an overlapped forward and backward chunk
     */
    static ChunkTimes uniform(double forward, double input, double weight, double pair, double handOver) {
        return new ChunkTimes() {
            @Override
            public double of(Slot slot) {
                if (slot.isPair()) {
                    return pair;
                }
                return switch (slot.chunks().getFirst().kind()) {
                    case FORWARD -> forward;
                    case BACKWARD -> input + weight;
                    case INPUT -> input;
                    case WEIGHT -> weight;
                };
            }

            @Override
            public double handOver() {
                return handOver;
            }
        };
    }
}
