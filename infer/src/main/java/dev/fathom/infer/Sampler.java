package dev.fathom.infer;

import dev.fathom.engine.DType;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.LogitScan;
import dev.fathom.engine.Philox;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import dev.fathom.engine.Workspace;
import dev.fathom.infer.SampledToken.LogProbs;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * From logits to tokens. A setting that leaves tokens out gives them the logit minus infinity; then one kernel draws for all rows, the one that
 * draws rollouts. A token depends on its row of logits, the request's settings, seed and place alone.
 */
final class Sampler {
    /** Philox stream of sampling ("samp"), the {@link Generator}'s: the same seed, request and logits give the same tokens there. */
    private static final int SAMPLING = 0x73616d70;

    private final Kernels kernels;
    private final WorkerPool pool;
    private final int tokens;
    private final Truncation[] truncations;

    /** @param tokens ids the tokenizer knows; logits beyond are padding of the model and never drawn */
    Sampler(Kernels kernels, WorkerPool pool, int tokens) {
        this.kernels = kernels;
        this.pool = pool;
        this.tokens = tokens;
        truncations = new Truncation[pool.threads()];
        for (int i = 0; i < truncations.length; i++) {
            truncations[i] = new Truncation();
        }
    }

    /**
     * Rows of logits that follow each other in one response.
     *
     * @param sequence the response
     * @param row its first row
     * @param count rows: 1, and one more for each token that was guessed
     */
    record Rows(Sequence sequence, int row, int count) {}

    /**
     * What was drawn.
     *
     * @param tokens for each row
     * @param logProbs for each row, null where nobody asked
     */
    record Drawn(int[] tokens, @Nullable LogProbs[] logProbs) {
        static final Drawn NOTHING = new Drawn(new int[0], new LogProbs[0]);
    }

    /**
     * Draws a token for every row.
     *
     * @param logits {@code [N, vocabulary]}; overwritten
     */
    Drawn draw(Tensor logits, List<Rows> work, Workspace workspace) {
        int n = Math.toIntExact(logits.rows());
        Tensor temperatures = workspace.allocate(DType.F32, n);
        Tensor uniforms = workspace.allocate(DType.F32, n);
        @Nullable Tensor[] originals = new Tensor[n];
        for (Rows rows : work) {
            Sequence sequence = rows.sequence;
            for (int i = 0; i < rows.count; i++) {
                int row = rows.row + i;
                int index = sequence.length - sequence.promptLength + i;
                temperatures.set(0, row, (float) sequence.sampling.temperature());
                if (tokens < logits.columns()) {
                    LogitScan.fill(logits, row, tokens, (int) logits.columns(), Float.NEGATIVE_INFINITY);
                }
                uniforms.set(0, row, Philox.uniform(sequence.seed, SAMPLING, sequence.choice, index));
                if (sequence.sampling.logProbs() >= 0) {
                    Tensor original = workspace.allocate(DType.F32, 1, logits.columns());
                    original.copyFrom(logits.rows(row, row + 1));
                    originals[row] = original;
                }
            }
        }
        pool.run(work.size(), (task, worker) -> prepare(logits, work.get(task), worker));
        Tensor drawn = workspace.allocate(DType.I32, n);
        kernels.sample(logits, temperatures, uniforms, drawn, workspace.allocate(DType.F32, n));
        int[] ids = drawn.toInts();
        @Nullable LogProbs[] logProbs = new LogProbs[n];
        for (Rows rows : work) {
            for (int row = rows.row; row < rows.row + rows.count; row++) {
                int forced = rows.sequence.forcedToken(row - rows.row);
                if (forced >= 0) {
                    ids[row] = forced;
                }
            }
        }
        pool.run(work.size(), (task, worker) -> {
            Rows rows = work.get(task);
            for (int row = rows.row; row < rows.row + rows.count; row++) {
                Tensor original = originals[row];
                if (original != null) {
                    logProbs[row] = LogProbTable.of(
                            new LogitRow(original, 0, pool, worker), ids[row], rows.sequence.sampling.logProbs());
                }
            }
        });
        return new Drawn(ids, logProbs);
    }

    /** Leaves in each row the logits that are to be drawn from. */
    private void prepare(Tensor logits, Rows work, int worker) {
        Sequence sequence = work.sequence;
        Sampling sampling = sequence.sampling;
        int guessed = 0;
        for (int i = 0; i < work.count; i++) {
            LogitRow row = new LogitRow(logits, work.row + i, pool, worker);
            if (i > 0) {
                sequence.counts.add(sequence.tokens[sequence.length + i - 1], 1);
                sequence.promptAndResponse.add(sequence.tokens[sequence.length + i - 1], 1);
                guessed++;
            }
            penalize(row, sequence);
            long[] mask = i == 0 ? sequence.allowed(tokens) : null;
            if (mask != null) {
                row.keep(mask);
            }
            if (sampling.temperature() > 0) {
                truncations[worker].apply(
                        row, 1 / (float) sampling.temperature(), sampling.topK(), sampling.topP(), sampling.minP());
            }
        }
        for (int i = 0; i < guessed; i++) {
            sequence.counts.add(sequence.tokens[sequence.length + i], -1);
            sequence.promptAndResponse.add(sequence.tokens[sequence.length + i], -1);
        }
    }

    private static void penalize(LogitRow row, Sequence sequence) {
        Sampling sampling = sequence.sampling;
        float repetition = (float) sampling.repetitionPenalty();
        if (repetition != 1) {
            sequence.promptAndResponse.forEach((token, count) -> {
                float logit = row.get(token);
                row.set(token, logit < 0 ? logit * repetition : logit / repetition);
            });
        }
        float presence = (float) sampling.presencePenalty();
        float frequency = (float) sampling.frequencyPenalty();
        if (presence != 0 || frequency != 0) {
            sequence.counts.forEach((token, count) -> row.set(token, row.get(token) - frequency * count - presence));
        }
    }
}
