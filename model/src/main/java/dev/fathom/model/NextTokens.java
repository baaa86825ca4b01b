package dev.fathom.model;

import dev.fathom.engine.Ops;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** What a model expects after some tokens: for comparison with other engines. */
public final class NextTokens {
    private NextTokens() {}

    /** A token that may come next. */
    public record Candidate(int token, float logit, double probability) {}

    /**
     * The most probable next tokens, best first; the lower id first among equals.
     *
     * @param ids at least one, none outside the vocabulary
     * @param count at most this many
     */
    public static List<Candidate> after(LanguageModel model, int[] ids, int count) {
        Workspace workspace = new Workspace();
        Ops ops = model.inference(workspace);
        Batch batch = Batch.packed(List.of(ids), workspace);
        LanguageModel.States states = model.forward(ops, batch, model.newRoutingLog());
        Tensor last = Tensor.of(new int[] {ids.length - 1});
        float[] logits =
                ops.logits(ops.selectRows(states.normed(), last), model.head()).toFloats();
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - (double) max);
        }
        double largest = max;
        double total = sum;
        return IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparing((Integer token) -> -logits[token]))
                .limit(count)
                .map(token -> new Candidate(token, logits[token], Math.exp(logits[token] - largest) / total))
                .toList();
    }
}
