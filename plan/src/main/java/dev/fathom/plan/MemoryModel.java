package dev.fathom.plan;

import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.schedule.Timeline;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Bytes on the fullest device, by what they are for. */
final class MemoryModel {
    private final ModelShape shape;
    private final Layout layout;
    private final double reserve;

    MemoryModel(ModelShape shape, Layout layout, Calibration calibration) {
        this.shape = shape;
        this.layout = layout;
        reserve = calibration.reserve().value() * 1e9;
    }

    /**
     * Bytes of the fullest rank by component, in the order in which they are shown.
     *
     * @param timeline tells how many micro-batches are under way where
     * @param tokens of a micro-batch, after context parallelism
     * @param replicas devices with the same common parameters, in one direction
     */
    Map<String, Double> fullest(List<StagePart> parts, Timeline timeline, double tokens, int replicas) {
        Map<String, Double> fullest = Map.of();
        for (int rank = 0; rank < layout.pipeline(); rank++) {
            double activations =
                    timeline.peak(rank, stage -> activationBytes(parts.get(stage), tokens / layout.tensor()));
            Map<String, Double> memory = of(rank, parts, activations, tokens, replicas);
            if (total(memory) > total(fullest)) {
                fullest = memory;
            }
        }
        return fullest;
    }

    /** What the fullest rank needs at the very least, whatever the order of its work: with one micro-batch under way. */
    double least(List<StagePart> parts, double tokens, int replicas) {
        double least = 0;
        for (int rank = 0; rank < layout.pipeline(); rank++) {
            double activations = 0;
            for (int stage : layout.stagesOf(rank)) {
                activations = Math.max(activations, activationBytes(parts.get(stage), tokens / layout.tensor()));
            }
            least = Math.max(least, total(of(rank, parts, activations, tokens, replicas)));
        }
        return least;
    }

    private static double total(Map<String, Double> bytes) {
        return bytes.values().stream().mapToDouble(x -> x).sum();
    }

    private Map<String, Double> of(int rank, List<StagePart> parts, double activations, double tokens, int replicas) {
        double common = 0;
        double tables = 0;
        double routed = 0;
        int heads = 0;
        for (int stage : layout.stagesOf(rank)) {
            StagePart part = parts.get(stage);
            common += (double) part.commonParameters(shape) / layout.tensor();
            tables += (double) part.tableParameters(shape) / layout.tensor();
            routed += (double) part.routedParameters(shape) / layout.expert() / layout.tensor();
            heads = Math.max(heads, part.heads() > 0 ? 1 : 0);
        }
        boolean narrow = layout.precision() == Precision.FP8;
        boolean plain = layout.precision() == Precision.F32;
        double all = common + tables + routed;
        double commonShard = layout.zero() > 0 ? (double) replicas * layout.mirrors() : 1;
        double routedShard =
                layout.zero() > 0 ? Math.max(1, (double) replicas / layout.expert()) * layout.mirrors() : 1;
        double sharded = (common + tables) / commonShard + routed / routedShard;
        double perDevice = tokens / layout.tensor();

        Map<String, Double> bytes = new LinkedHashMap<>();
        bytes.put("weights", plain ? 0 : (common + routed) * (narrow ? 1 : 2) + tables * 2);
        bytes.put("gradients", all * 4);
        bytes.put("master weights", sharded * 4);
        // DeepSeek-V3 keeps both moments in BF16 (section 3.3.2), others in FP32.
        bytes.put("moments", sharded * (narrow ? 4 : 8));
        bytes.put("activations", activations);
        // The logits and their gradient, and what is on its way to and from experts, twice for two directions.
        Experts experts = shape.experts();
        double travelling = experts == null || layout.expert() == 1
                ? 0
                : perDevice
                        * experts.perToken()
                        * shape.hidden()
                        * 3.0
                        * (layout.schedule().isPaired() ? 2 : 1);
        bytes.put("buffers", heads * perDevice * shape.vocabulary() * 4.0 * 2 + travelling + reserve);
        return bytes;
    }

    /** What one micro-batch leaves in a stage for its backward pass (DeepSeek-V3 sections 3.2.3 and 3.3.3 for the FP8 recipe). */
    double activationBytes(StagePart part, double tokens) {
        double state = 2.0 * shape.hidden() * (layout.precision() == Precision.F32 ? 2 : 1);
        if (layout.recomputation() == Recomputation.FULL) {
            return part.blocks() * tokens * state;
        }
        double value = switch (layout.precision()) { // of an input of a linear layer
            case FP8 -> 1;
            case BF16 -> 2;
            case F32 -> 4;
        };
        boolean keepsAll = layout.recomputation() == Recomputation.NONE;
        double heads = shape.attention().heads();
        // The input of the layer after attention is kept in twelve bits (E5M6) by the FP8 recipe.
        double attention = shape.attention().savedValues() * value
                + heads * shape.attention().valueWidth() * (layout.precision() == Precision.FP8 ? 1.5 : value)
                + heads * 4;
        if (keepsAll) {
            attention += shape.hidden() * value
                    + heads
                            * (2.0 * shape.attention().queryKeyWidth()
                                    + shape.attention().valueWidth())
                            * value;
        }
        double perBlock = 2 * state + attention;
        double widths = (shape.gated() ? 2.0 : 1.0) + (keepsAll || !shape.gated() ? 1 : 0);
        double dense = shape.inner() * widths * value + (keepsAll ? shape.hidden() * value : 0);
        Experts experts = shape.experts();
        double mixture = experts == null
                ? dense
                : (experts.perToken() * (shape.hidden() + experts.inner() * widths)
                                + shape.hidden()
                                + experts.shared() * experts.inner() * widths)
                        * value;
        return tokens
                * (part.blocks() * perBlock + part.dense() * dense + (part.mixtures() + part.predictions()) * mixture);
    }
}
