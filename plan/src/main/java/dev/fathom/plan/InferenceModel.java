package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.Attention;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;

/**
 * How long the layers take in inference, on one device of a unit. With experts, attention is data parallel and the experts are spread over all
 * devices, each equally busy; a dense model is split over the devices (tensor parallel).
 */
final class InferenceModel {
    private final ModelShape shape;
    private final Hardware hardware;
    private final InferenceCalibration calibration;
    private final CommunicationModel communication;
    private final int devices;
    private final int tensor;
    private final double held;
    private final double weight;
    private final double linear;
    private final double routed;
    private final Precision wide;
    private final double memory;
    private final double streaming;
    private final double rest;

    /**
     * @param devices of the unit
     * @param redundant copies of experts beyond one of each, in the unit
     */
    InferenceModel(
            ModelShape shape,
            Hardware hardware,
            Precision precision,
            InferenceCalibration calibration,
            int devices,
            int redundant) {
        this.shape = shape;
        this.hardware = hardware;
        this.calibration = calibration;
        this.devices = devices;
        Experts experts = shape.experts();
        tensor = experts == null ? devices : 1;
        communication = new CommunicationModel(
                shape,
                hardware,
                new Layout(
                        1,
                        experts == null ? 1 : devices,
                        tensor,
                        1,
                        ScheduleKind.ONE_F_ONE_B,
                        1,
                        1,
                        0,
                        Recomputation.NONE,
                        precision));
        held = experts == null
                ? 0
                : Math.min(experts.routed(), Math.ceil((double) (experts.routed() + redundant) / devices));
        weight = bytes(precision);
        // Attention and the head stay in BF16 when linear layers are in FP8, as in training.
        wide = precision == Precision.FP8 ? Precision.BF16 : precision;
        linear = hardware.gemm(precision) * calibration.linear().value();
        routed = hardware.gemm(precision) * calibration.routed().value();
        memory = hardware.memoryBytesPerSecond().value() * calibration.memory().value();
        streaming = hardware.memoryBytesPerSecond().value()
                * calibration.streaming().value();
        rest = calibration.decodeRest().value() / 1e6;
    }

    private static double bytes(Precision precision) {
        return switch (precision) {
            case FP8 -> 1;
            case BF16 -> 2;
            case F32 -> 4;
        };
    }

    /** Weights on a device, with the module that drafts. */
    double weightBytes() {
        double tables = (shape.tied() ? 1 : 2) * (double) shape.tableParameters() * bytes(wide);
        double common = (double) shape.denseLayers() * shape.commonParameters(false)
                + (double) mixtures() * shape.commonParameters(true);
        return ((common + mixtures() * held * shape.expertParameters()) * weight + tables) / tensor;
    }

    private int mixtures() {
        return shape.mixtureLayers() + shape.predictionModules();
    }

    /**
     * Seconds to read prompts. Micro-batches take turns, so that the tokens of one travel while another computes.
     *
     * @param tokens read by the device (with tensor parallelism, by all of them together)
     * @param attended tokens that one of them sees on average
     * @param cached tokens of the prompts that are found in a cache; their latents still have to become keys and values
     */
    double promptSeconds(double tokens, double attended, double cached) {
        double each = tokens / tensor;
        double attention = each
                * shape.attentionFlops(attended, false)
                / (hardware.gemm(wide) * calibration.promptAttention().value());
        double between = each * shape.hidden() * calibration.promptRest().value() / memory;
        double computing = shape.layers()
                        * (attention
                                + between
                                + linear(cached, shape.attention().expandingParameters()))
                + shape.denseLayers() * linear(tokens, shape.commonMatrices(false))
                + shape.mixtureLayers() * (linear(tokens, shape.commonMatrices(true)) + experts(tokens));
        double travel = shape.mixtureLayers() * communication.allToAll(tokens);
        return Math.max(computing, travel) + shape.layers() * communication.tensorParallel(tokens);
    }

    /**
     * Seconds of one decoding step, with the head and the module that drafts: in two micro-batches that hide each other's travelling, or in one where
     * that is faster because weights are then read once.
     *
     * @param sequences under way on the device (with tensor parallelism, {@code sequences} times the devices on all of them)
     * @param tokensEach tokens a step runs through the model per sequence: the last one, and drafts
     * @param context tokens in the cache of a sequence
     */
    double stepSeconds(double sequences, int tokensEach, double context) {
        double all = sequences * tensor;
        double dense = attentionIn(all, tokensEach)
                + attentionOut(all, tokensEach, context)
                + linear(all * tokensEach, shape.commonMatrices(false) - attentionMatrices())
                + rest
                + communication.tensorParallel(all * tokensEach);
        double mixture = shape.experts() == null
                ? dense
                : Math.min(2 * overlapped(sequences / 2, tokensEach, context), alone(sequences, tokensEach, context));
        double head = product(
                all * tokensEach,
                shape.tableParameters(),
                bytes(wide),
                hardware.gemm(wide) * calibration.linear().value());
        return shape.denseLayers() * dense + mixtures() * mixture + (1 + shape.predictionModules()) * head;
    }

    /**
     * One micro-batch in one layer, in the order of DeepSeek's profile: while its tokens travel to their experts, the shared expert and the other
     * micro-batch's projections compute; while they come back, the other's attention.
     */
    double overlapped(double sequences, int tokensEach, double context) {
        double tokens = sequences * tokensEach;
        double third = rest / 3;
        return Math.max(shared(tokens) + attentionIn(sequences, tokensEach) + third, dispatch(tokens))
                + experts(tokens)
                + third
                + Math.max(attentionOut(sequences, tokensEach, context) + third, combine(tokens));
    }

    /** The whole batch in one layer: only the shared expert hides travelling. */
    private double alone(double sequences, int tokensEach, double context) {
        double tokens = sequences * tokensEach;
        return attentionIn(sequences, tokensEach)
                + attentionOut(sequences, tokensEach, context)
                + Math.max(shared(tokens), dispatch(tokens))
                + experts(tokens)
                + combine(tokens)
                + rest;
    }

    /** Projections before attention. */
    private double attentionIn(double sequences, int tokensEach) {
        return linear(sequences * tokensEach, attentionMatrices() - outputMatrix());
    }

    /** Attention over the cache, in the latent space where there is one, and the projection behind it. */
    private double attentionOut(double sequences, int tokensEach, double context) {
        double flops = switch (shape.attention()) {
            case Attention.Latent latent ->
                2.0 * context * latent.heads() * (2.0 * latent.keyValueRank() + latent.rope());
            case Attention.Grouped grouped -> 4.0 * context * grouped.heads() * grouped.headWidth();
        };
        double rate = hardware.gemm(wide) * calibration.decodeAttention().value();
        double cache = context * shape.attention().cachedValues() * bytes(wide);
        return sequences / tensor * Math.max(tokensEach * flops / rate, cache / memory)
                + linear(sequences * tokensEach, outputMatrix());
    }

    private long attentionMatrices() {
        return shape.attention().matrixParameters(shape.hidden());
    }

    private long outputMatrix() {
        return (long) shape.attention().heads() * shape.attention().valueWidth() * shape.hidden();
    }

    private double shared(double tokens) {
        return linear(tokens, shape.commonMatrices(true) - attentionMatrices());
    }

    private double experts(double tokens) {
        return Math.max(
                held * shape.expertParameters() * weight / streaming, 2 * tokens * shape.routedMatrices(true) / routed);
    }

    private double dispatch(double tokens) {
        return travel(tokens, weight);
    }

    /** What experts return is in BF16. */
    private double combine(double tokens) {
        return travel(tokens, bytes(wide));
    }

    private double travel(double tokens, double bytesPerValue) {
        Experts experts = shape.experts();
        if (experts == null || devices == 1) {
            return 0;
        }
        double link = (devices > hardware.devicesPerNode()
                        ? hardware.networkBytesPerSecond()
                        : hardware.nodeBytesPerSecond())
                .value();
        return tokens
                * experts.perToken()
                * shape.hidden()
                * bytesPerValue
                / (link * calibration.lowLatency().value());
    }

    private double linear(double tokens, double parameters) {
        return product(tokens, parameters, weight, linear);
    }

    /** Seconds of a matrix product: computing, or reading the weights. */
    private double product(double tokens, double parameters, double bytesEach, double rate) {
        return Math.max(2 * tokens * parameters / rate, parameters * bytesEach / streaming) / tensor;
    }
}
