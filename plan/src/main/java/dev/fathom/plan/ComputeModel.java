package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ChunkTimes;
import dev.fathom.plan.schedule.Slot;
import dev.fathom.plan.shape.ModelShape;
import java.util.List;

/** How long stages compute: operations divided by the rates that {@link Calibration} says are reached. */
final class ComputeModel {
    /** Matrix products of attention's backward pass, which recomputes the scores, relative to the two of the forward pass. */
    private static final double ATTENTION_BACKWARD = 2.5;

    /** Bytes of quantizing a BF16 value to FP8: read 2, written 1. */
    private static final double QUANTIZE = 3;

    /** The same for a gradient, in tiles along channels for one product and along tokens for the other (DeepSeek-V3 section 3.5.2). */
    private static final double QUANTIZE_GRADIENT = 4;

    /** Bytes of turning a kept FP8 value's tiles along the tokens: read 1, written 1. */
    private static final double QUANTIZE_AGAIN = 2;

    private final ModelShape shape;
    private final Layout layout;
    private final Calibration calibration;
    private final CommunicationModel communication;
    private final double dense;
    private final double routed;
    private final double head;
    private final double attention;
    private final double memory;

    ComputeModel(ModelShape shape, Hardware hardware, Layout layout, Calibration calibration) {
        this.shape = shape;
        this.layout = layout;
        this.calibration = calibration;
        communication = new CommunicationModel(shape, hardware, layout);
        // Attention and the head stay in BF16 when linear layers are in FP8 (DeepSeek-V3 section 3.3.1).
        Precision wide = layout.precision() == Precision.FP8 ? Precision.BF16 : layout.precision();
        dense = hardware.gemm(layout.precision()) * calibration.denseLinear().value();
        routed = hardware.gemm(layout.precision()) * calibration.routedLinear().value();
        head = hardware.gemm(wide) * calibration.denseLinear().value();
        attention = hardware.gemm(wide) * calibration.attention().value();
        memory = hardware.memoryBytesPerSecond().value() * calibration.memory().value();
    }

    /**
     * @param tokens of a micro-batch on the devices that share its matrices, after context parallelism
     * @param length of the sequences
     */
    StageCost cost(StagePart part, double tokens, double length) {
        boolean experts = shape.experts() != null;
        double perDevice = tokens / layout.tensor();
        double common = part.dense() * (double) shape.commonMatrices(false)
                + part.mixtures() * (double) shape.commonMatrices(true)
                + part.predictions() * (double) (shape.commonMatrices(experts) + shape.projectionParameters());
        double linear = 2 * perDevice * common / dense
                + 2 * perDevice * part.routedBlocks(shape) * (double) shape.routedMatrices(true) / routed
                + 2 * perDevice * part.heads() * (double) shape.tableParameters() / head;
        double attend = part.blocks() * perDevice * shape.attentionFlops(length, true) / attention;
        double logits = part.heads() * calibration.logitBytes().value() / 2 * perDevice * shape.vocabulary() / memory;
        double inputs = valuesPerToken(part, true) * perDevice / memory;
        double outputs = valuesPerToken(part, false) * perDevice / memory;
        double share = part.blocks() * communication.tensorParallel(tokens);
        double forward = linear + attend + logits + share + inputs * QUANTIZE;
        double again = switch (layout.recomputation()) {
            case NONE -> 0;
            case SELECTIVE ->
                part.blocks() * 2 * perDevice * (double) shape.attention().recomputedParameters() / dense;
            case FULL -> forward - logits;
        };
        double input = linear
                + attend * ATTENTION_BACKWARD / calibration.attentionBackward().value()
                + logits
                + share
                + again
                + outputs * QUANTIZE_GRADIENT;
        double travel = part.routedBlocks(shape) * communication.allToAll(perDevice);
        return new StageCost(forward, input, linear + inputs * QUANTIZE_AGAIN, travel);
    }

    /** Values that are quantized per token: none, but in FP8 all that go into linear layers, or whose gradients come back. */
    private double valuesPerToken(StagePart part, boolean inputs) {
        if (layout.precision() != Precision.FP8) {
            return 0;
        }
        boolean experts = shape.experts() != null;
        long plain = inputs ? shape.linearInputs(false) : shape.linearOutputs(false);
        long mixture = inputs ? shape.linearInputs(experts) : shape.linearOutputs(experts);
        return (double) part.dense() * plain + (double) (part.mixtures() + part.predictions()) * mixture;
    }

    /** Times of slots: alone, a chunk computes and then waits for its tokens; in a pair, the tokens of one travel while the other computes. */
    ChunkTimes times(List<StageCost> stages, double tokens) {
        double handOver = communication.handOver(tokens);
        double slowdown = calibration.pairedSlowdown().value();
        return new ChunkTimes() {
            @Override
            public double of(Slot slot) {
                StageCost first = stages.get(slot.chunks().getFirst().stage());
                if (slot.isPair()) {
                    StageCost second = stages.get(slot.chunks().getLast().stage());
                    double compute = first.forward() + second.input() + second.weight();
                    return Math.max(slowdown * compute, first.allToAll() + second.allToAll());
                }
                return switch (slot.chunks().getFirst().kind()) {
                    case FORWARD -> first.forward() + first.allToAll();
                    case INPUT -> first.input() + first.allToAll();
                    case BACKWARD -> first.input() + first.weight() + first.allToAll();
                    case WEIGHT -> first.weight();
                };
            }

            @Override
            public double handOver() {
                return handOver;
            }
        };
    }
}
