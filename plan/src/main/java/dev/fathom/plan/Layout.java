package dev.fathom.plan;

import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;

/**
 * How training is spread over devices.
 *
 * @param pipeline ranks of the pipeline (PP)
 * @param expert devices that share the experts of a layer (EP), within the data-parallel devices
 * @param tensor devices that share every matrix (TP), with sequence parallelism
 * @param context devices that share a sequence (CP)
 * @param schedule of the pipeline
 * @param interleave stages per rank of the interleaved schedule
 * @param microBatch sequences per micro-batch
 * @param zero 1: optimizer state sharded over data-parallel devices; 0: not
 * @param recomputation what the forward pass does not keep
 * @param precision operands of linear layers
 */
public record Layout(
        int pipeline,
        int expert,
        int tensor,
        int context,
        ScheduleKind schedule,
        int interleave,
        int microBatch,
        int zero,
        Recomputation recomputation,
        Precision precision) {

    /** Devices of one copy of the pipeline. */
    public int devicesPerPipeline() {
        return pipeline * tensor * context;
    }

    /** Copies of the pipeline, each with its share of the batch. */
    public int data(long devices) {
        return Math.toIntExact(devices / devicesPerPipeline());
    }

    /** Devices over which a stage's common parameters are repeated, in one direction of the pipeline. */
    public int replicas(long devices) {
        return data(devices) * context;
    }

    /** Copies of each parameter that the two directions of DualPipe make. */
    public int mirrors() {
        return schedule == ScheduleKind.DUALPIPE ? 2 : 1;
    }

    /** Different parts that the model is cut into. */
    public int stages() {
        return schedule.stages(pipeline, interleave);
    }

    /** The stages that a rank of the pipeline holds. */
    int[] stagesOf(int rank) {
        return switch (schedule) {
            case ONE_F_ONE_B, ZB1P -> new int[] {rank};
            case INTERLEAVED -> {
                int[] stages = new int[interleave];
                for (int i = 0; i < stages.length; i++) {
                    stages[i] = i * pipeline + rank;
                }
                yield stages;
            }
            case DUALPIPE -> new int[] {rank, pipeline - 1 - rank};
            case DUALPIPE_V -> new int[] {rank, 2 * pipeline - 1 - rank};
        };
    }

    /** The same for longer sequences: as many tokens per device, spread over more devices. */
    public Layout withContext(int devices) {
        return new Layout(
                pipeline, expert, tensor, devices, schedule, interleave, microBatch, zero, recomputation, precision);
    }

    /** Such as {@code PP 16 (dualpipe) x EP 64 x DP 128, ZeRO-1, fp8}. */
    public String describe(long devices) {
        StringBuilder text = new StringBuilder("PP " + pipeline);
        if (pipeline > 1) {
            text.append(" (").append(schedule.key());
            text.append(schedule == ScheduleKind.INTERLEAVED ? " x" + interleave : "")
                    .append(")");
        }
        text.append(expert > 1 ? ", EP " + expert : "");
        text.append(tensor > 1 ? ", TP " + tensor : "");
        text.append(context > 1 ? ", CP " + context : "");
        text.append(", DP ").append(data(devices));
        text.append(zero > 0 ? ", ZeRO-" + zero : "");
        text.append(", micro-batch ").append(microBatch);
        text.append(", ").append(precision.key());
        return text.append(
                        switch (recomputation) {
                            case NONE -> ", no recomputation";
                            case SELECTIVE -> ", selective recomputation";
                            case FULL -> ", full recomputation";
                        })
                .toString();
    }
}
