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

/** Runs one forward pass over the next rows of some sequences and draws a token for each that has no rows left to compute. */
final class ModelRunner {
    private final LanguageModel model;
    private final List<KeyValueStore> stores;
    private final Workspace workspace = new Workspace();
    private final Sampler sampler;

    /** @param tokens ids the tokenizer knows */
    ModelRunner(LanguageModel model, List<KeyValueStore> stores, int tokens) {
        this.model = model;
        this.stores = stores;
        this.sampler =
                new Sampler(model.engine().kernels(), model.engine().pool(), Math.min(tokens, model.vocabSize()));
    }

    /**
     * A sequence's part of a step.
     *
     * @param rows how many of the tokens that are not computed yet; their span has room for them
     */
    record Part(Sequence sequence, int rows) {
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
            tokens.add(Arrays.copyOfRange(sequence.tokens, sequence.computed, sequence.computed + part.rows));
            rowStart[i] = rows;
            rowCount[i] = part.rows;
            position[i] = sequence.computed;
            slot[i] = sequence.span().slot();
            generated[i] = part.generated();
            rows += part.rows;
            if (part.samples()) {
                work.add(new Sampler.Rows(sequence, lastRows.size(), 1));
                lastRows.add(rows - 1);
            }
        }
        Batch batch = Batch.of(tokens, new Segments(n, rowStart, rowCount, position, slot), generated, workspace);
        Ops ops = model.inference(workspace);
        LanguageModel.States states = model.forward(ops, batch, model.newRoutingLog(), stores::get);
        if (work.isEmpty()) {
            return Sampler.Drawn.NOTHING;
        }
        Tensor selected = workspace.allocate(DType.I32, lastRows.size());
        for (int i = 0; i < lastRows.size(); i++) {
            selected.setInt(0, i, lastRows.get(i));
        }
        Variable hidden = ops.selectRows(states.normed(), selected);
        return sampler.draw(ops.logits(hidden, model.head()), work, workspace);
    }
}
