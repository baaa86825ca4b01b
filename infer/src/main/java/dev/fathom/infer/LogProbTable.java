package dev.fathom.infer;

import dev.fathom.infer.SampledToken.Candidate;
import dev.fathom.infer.SampledToken.LogProbs;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Log-probabilities for those who want to see them. */
final class LogProbTable {
    private static final float FIRST_REACH = 8;

    private LogProbTable() {}

    /** @param row the model's own logits; @param top how many alternatives */
    static LogProbs of(LogitRow row, int chosen, int top) {
        float max = row.largest();
        double logSum = Math.log(row.sumOfExponentials(1, max));
        List<Candidate> best = new ArrayList<>();
        if (top > 0) {
            int[] ids = new int[row.size()];
            int wanted = Math.min(top, row.size());
            int count = 0;
            for (float reach = FIRST_REACH; count < wanted; reach *= 2) {
                count = row.atLeast(reach > 256 ? Float.NEGATIVE_INFINITY : max - reach, ids);
            }
            List<Candidate> all = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                all.add(new Candidate(ids[i], logProb(row, ids[i], max, logSum)));
            }
            all.sort(Comparator.comparingDouble((Candidate candidate) -> -row.get(candidate.id()))
                    .thenComparingInt(Candidate::id));
            best = all.subList(0, wanted);
        }
        return new LogProbs(logProb(row, chosen, max, logSum), List.copyOf(best));
    }

    private static float logProb(LogitRow row, int id, float max, double logSum) {
        return (float) ((double) row.get(id) - max - logSum);
    }
}
