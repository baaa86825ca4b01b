package dev.fathom.plan.schedule;

import java.util.List;

/**
 * What every rank does, in which order; when, the {@link Simulator} finds out.
 *
 * @param kind how it was made
 * @param stages parts of the model
 * @param microBatches micro-batches of a step; for DualPipe those of both directions
 * @param ranks slots of each rank in order
 */
public record Schedule(ScheduleKind kind, int stages, int microBatches, List<List<Slot>> ranks) {}
