package dev.fathom.infer;

import dev.fathom.engine.DType;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.LanguageModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Runs one forward pass over the next rows of some sequences and draws a token for each that has no rows left to compute.
 *
 * <p><b>Speculation.</b> Decoding reads all weights for one row, and two rows cost little more. So a sequence that is alone has the model's
 * multi-token-prediction layer guess the token after next (DeepSeek-V3, arXiv 2412.19437 section 5.4.3), and the next step computes the guess's row beside
 * that of the token before it. Both rows are drawn from as always, with the numbers of their places: where the first draw is the guess, the second counts,
 * and else it is as if it had not been. What is drawn is the same either way; only the acceptance depends on the guess. The layer keeps keys and values of
 * its own, in the same span, from the row on where guessing began.
 */
final class ModelRunner {
    private final LanguageModel model;
    private final List<KeyValueStore> stores;
    private final @Nullable KeyValueStore guessStore;
    private final Workspace workspace = new Workspace();
    private final Sampler sampler;
    private @Nullable Pass last;

    /** The latest forward pass, as far as guessing goes on from it. */
    private record Pass(Ops ops, Variable hidden) {}

    /**
     * @param stores of the model's layers
     * @param guessStore of the multi-token-prediction layer, null for no speculation
     * @param tokens ids the tokenizer knows
     */
    ModelRunner(LanguageModel model, List<KeyValueStore> stores, @Nullable KeyValueStore guessStore, int tokens) {
        this.model = model;
        this.stores = stores;
        this.guessStore = guessStore;
        this.sampler =
                new Sampler(model.engine().kernels(), model.engine().pool(), Math.min(tokens, model.vocabSize()));
    }

    /**
     * A sequence's part of a step.
     *
     * @param rows how many of the tokens that are not computed yet; their span has room for them
     * @param guesses 1 if the guess for the token behind them is computed, too, else 0
     */
    record Part(Sequence sequence, int rows, int guesses) {
        /** Whether they are rows of the response; a part has rows of the prompt or of the response. */
        boolean generated() {
            return sequence.computed >= sequence.promptLength;
        }

        boolean samples() {
            return sequence.computed + rows == sequence.length;
        }
    }

    /** Computes the rows and draws; nothing has changed if this throws, so that it may be tried again. */
    Sampler.Drawn run(List<Part> parts) {
        workspace.reset();
        int n = parts.size();
        List<int[]> tokens = new ArrayList<>(n);
        int[] rowStart = new int[n];
        int[] rowCount = new int[n];
        int[] position = new int[n];
        long[] slot = new long[n];
        boolean[] generated = new boolean[n];
        List<Sampler.Rows> work = new ArrayList<>(n);
        List<Integer> lastRows = new ArrayList<>(n);
        int rows = 0;
        for (int i = 0; i < n; i++) {
            Part part = parts.get(i);
            Sequence sequence = part.sequence;
            int count = part.rows + part.guesses;
            tokens.add(Arrays.copyOfRange(sequence.tokens, sequence.computed, sequence.computed + count));
            rowStart[i] = rows;
            rowCount[i] = count;
            position[i] = sequence.computed;
            slot[i] = sequence.span().slot();
            generated[i] = part.generated();
            rows += count;
            if (part.samples()) {
                work.add(new Sampler.Rows(sequence, lastRows.size(), 1 + part.guesses));
                for (int row = rows - 1 - part.guesses; row < rows; row++) {
                    lastRows.add(row);
                }
            }
        }
        Batch batch = Batch.of(tokens, new Segments(n, rowStart, rowCount, position, slot), generated, workspace);
        Ops ops = model.inference(workspace);
        LanguageModel.States states = model.forward(ops, batch, model.newRoutingLog(), stores::get);
        last = new Pass(ops, states.hidden());
        if (work.isEmpty()) {
            return Sampler.Drawn.NOTHING;
        }
        Variable hidden = ops.selectRows(
                states.normed(), indices(lastRows.stream().mapToInt(row -> row).toArray()));
        return sampler.draw(ops.logits(hidden, model.head()), work, workspace);
    }

    private Tensor indices(int... rows) {
        Tensor indices = workspace.allocate(DType.I32, rows.length);
        for (int i = 0; i < rows.length; i++) {
            indices.setInt(0, i, rows[i]);
        }
        return indices;
    }

    /**
     * Takes rows of the latest pass, which was of this sequence alone, through the multi-token-prediction layer; the token behind each of them is known by
     * now. If all tokens but the last are computed, it guesses the one that comes after that.
     *
     * @param first position of the first row
     * @param rows how many
     */
    void guess(Sequence sequence, int first, int rows) {
        KeyValueStore store = guessStore;
        Pass pass = last;
        if (store == null || pass == null) {
            throw new IllegalStateException("no speculation here");
        }
        if (sequence.guessedTo != first) {
            sequence.guessesBegin = first;
        }
        sequence.guessedTo = first + rows;
        Tensor next = workspace.allocate(DType.I32, rows);
        Tensor positions = workspace.allocate(DType.I32, rows);
        for (int i = 0; i < rows; i++) {
            next.setInt(0, i, sequence.tokens[first + i + 1]);
            positions.setInt(0, i, first + i);
        }
        Segments segments =
                new Segments(1, new int[1], new int[] {rows}, new int[] {first - sequence.guessesBegin}, new long[] {
                    sequence.span().slot()
                });
        Batch batch = new Batch(next, positions, segments, new boolean[] {first >= sequence.promptLength});
        Ops ops = pass.ops;
        Variable hidden =
                ops.selectRows(pass.hidden, indices(IntStream.range(0, rows).toArray()));
        Variable ahead = model.predictAhead(ops, hidden, next, batch, model.newRoutingLog(), store);
        if (first + rows == sequence.length - 1 && sequence.mayGuess()) {
            Tensor logits = ops.logits(ops.selectRows(ahead, indices(rows - 1)), model.head());
            sequence.setGuess(sampler.draw(logits, List.of(new Sampler.Rows(sequence, 0, 1)), workspace)
                    .tokens()[0]);
        }
    }
}
