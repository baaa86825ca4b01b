package dev.fathom.plan;

import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What of a model lies in one pipeline stage.
 *
 * @param dense layers without experts
 * @param mixtures layers with experts
 * @param predictions multi-token-prediction modules
 * @param embedding whether it begins with the embedding
 * @param heads passes through the output head: one, and one per prediction module
 */
public record StagePart(int dense, int mixtures, int predictions, boolean embedding, int heads) {
    private static final int MOST_HEAD_LAYERS = 8;

    /**
     * Deals the layers out as evenly as they go, so that the slowest rank takes as little time as it can. How many layers the head is
     * worth in the last stage is tried out; where numbers do not come out even, the stages at both ends get one less, the last one
     * first. DeepSeek-V3 in 16 stages: four layers each (as in DeepSeek's published profile), and one layer, the prediction
     * module and two heads in the last.
     *
     * @param slowestRank seconds that the slowest rank takes with these parts
     */
    static List<StagePart> split(ModelShape shape, int stages, ToDoubleFunction<List<StagePart>> slowestRank) {
        List<StagePart> best = deal(shape, stages, 0);
        double least = slowestRank.applyAsDouble(best);
        for (int headLayers = 1; headLayers <= (stages == 1 ? 0 : MOST_HEAD_LAYERS); headLayers++) {
            List<StagePart> parts = deal(shape, stages, headLayers);
            double seconds = slowestRank.applyAsDouble(parts);
            if (seconds < least) {
                best = parts;
                least = seconds;
            }
        }
        return best;
    }

    private static List<StagePart> deal(ModelShape shape, int stages, int headLayers) {
        int total = shape.layers() + shape.predictionModules() + headLayers;
        int heads = 1 + shape.predictionModules();
        int[] counts = new int[stages];
        for (int s = 0; s < stages; s++) {
            counts[s] = total / stages;
        }
        int extra = total % stages; // to the middle first, then to the first stage, then to the last
        for (int i = 0; i < extra; i++) {
            counts[i < stages - 2 ? i + 1 : i == stages - 2 ? 0 : stages - 1]++;
        }
        counts[stages - 1] -= headLayers;
        for (int s = stages - 1; s > 0 && counts[s] < 0; s--) { // a heavy head may weigh more than a stage
            counts[s - 1] += counts[s];
            counts[s] = 0;
        }
        List<StagePart> parts = new ArrayList<>();
        int next = 0;
        for (int s = 0; s < stages; s++) {
            int dense = Math.clamp(shape.denseLayers() - next, 0, counts[s]);
            int predictions = Math.clamp(next + counts[s] - shape.layers(), 0, counts[s]);
            parts.add(new StagePart(
                    dense, counts[s] - dense - predictions, predictions, s == 0, s == stages - 1 ? heads : 0));
            next += counts[s];
        }
        return parts;
    }

    int blocks() {
        return dense + mixtures + predictions;
    }

    /** Layers whose tokens travel to experts. */
    int routedBlocks(ModelShape shape) {
        return shape.experts() == null ? 0 : mixtures + predictions;
    }

    /** Parameters without routed experts and tables. */
    long commonParameters(ModelShape shape) {
        boolean experts = shape.experts() != null;
        return dense * shape.commonParameters(false)
                + mixtures * shape.commonParameters(true)
                + predictions * (shape.commonParameters(experts) + shape.projectionParameters() + 3L * shape.hidden());
    }

    /** Parameters of the embedding and the head that lie here; modules of multi-token prediction share them. */
    long tableParameters(ModelShape shape) {
        long tables = (embedding ? 1 : 0) + (heads > 0 ? 1 : 0);
        if (shape.tied() && embedding && heads > 0) {
            tables = 1;
        }
        return tables * shape.tableParameters() + (embedding ? (long) shape.positions() * shape.hidden() : 0);
    }

    /** Parameters of all routed experts here. */
    long routedParameters(ModelShape shape) {
        return routedBlocks(shape) * shape.routedParameters(true);
    }
}
