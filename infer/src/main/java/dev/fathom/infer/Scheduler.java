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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** FIRST VERSION. */
final class Scheduler {
    private static final System.Logger LOGGER = System.getLogger(Scheduler.class.getName());

    private final LanguageModel model;
    private final GenerationEngine.Options options;
    private final List<KeyValueStore> stores = new ArrayList<>();
    private final Workspace workspace = new Workspace();
    private final Sampler sampler;
    private final int capacity;
    private final Deque<Integer> freeSlots = new ArrayDeque<>();
    private final Deque<Sequence> waiting = new ArrayDeque<>();
    private List<Running> running = new ArrayList<>();
    private volatile int waitingCount;
    private long promptTokens;
    private long completionTokens;
    private long steps;

    private record Running(Sequence sequence, int slot) {}

    Scheduler(LanguageModel model, int vocabulary, GenerationEngine.Options options) {
        this.model = model;
        this.options = options;
        int tile = KeyValueStore.TILE;
        capacity = (int) (Math.min(model.maxPositionEmbeddings(), options.positions()) + tile - 1) / tile * tile;
        int slots = (int) Math.max(1, Math.min(options.maxRunning(), options.positions() / capacity));
        for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
            stores.add(model.allocateKeyValues((long) slots * capacity));
        }
        for (int slot = 0; slot < slots; slot++) {
            freeSlots.add(slot);
        }
        sampler = new Sampler(model.engine().kernels(), model.engine().pool(), Math.min(vocabulary, model.vocabSize()));
    }

    void add(Sequence sequence) {
        waiting.add(sequence);
        waitingCount = waiting.size();
    }

    int waiting() {
        return waitingCount;
    }

    boolean isIdle() {
        return waiting.isEmpty() && running.isEmpty();
    }

    void cancelAll() {
        waiting.forEach(Sequence::cancel);
        running.forEach(it -> it.sequence.cancel());
    }

    EngineStatus status(int arrivals) {
        return new EngineStatus(
                running.size(),
                waiting.size() + arrivals,
                options.positions(),
                running.stream().mapToLong(it -> it.sequence.computed).sum(),
                0,
                promptTokens,
                0,
                completionTokens,
                0,
                steps);
    }

    void step() {
        waiting.removeIf(sequence -> {
            if (sequence.isCancelled()) {
                end(sequence, FinishReason.CANCELLED, null);
            }
            return sequence.isCancelled();
        });
        List<Running> going = new ArrayList<>();
        for (Running it : running) {
            if (it.sequence.isCancelled()) {
                end(it.sequence, FinishReason.CANCELLED, null);
                freeSlots.add(it.slot);
            } else {
                going.add(it);
            }
        }
        while (!waiting.isEmpty() && !freeSlots.isEmpty() && going.size() < options.maxRunning()) {
            Sequence sequence = waiting.remove();
            promptTokens += sequence.promptLength;
            going.add(new Running(sequence, freeSlots.remove()));
        }
        waitingCount = waiting.size();
        running = going;
        if (going.isEmpty()) {
            return;
        }
        steps++;
        try {
            forward(going);
        } catch (RuntimeException | Error e) {
            LOGGER.log(System.Logger.Level.ERROR, "a generation step failed", e);
            for (Running it : going) {
                if (it.sequence.reason() == null) {
                    end(it.sequence, FinishReason.ERROR, String.valueOf(e.getMessage()));
                }
            }
        }
        running = new ArrayList<>();
        for (Running it : going) {
            if (it.sequence.reason() == null) {
                running.add(it);
            } else {
                freeSlots.add(it.slot);
            }
        }
    }

    private static void end(Sequence sequence, FinishReason reason, @Nullable String error) {
        try {
            sequence.end(reason, error);
        } catch (RuntimeException e) {
            LOGGER.log(System.Logger.Level.WARNING, "a listener failed", e);
        }
    }

    private void forward(List<Running> going) {
        workspace.reset();
        int n = going.size();
        int budget = options.rowsPerStep();
        List<int[]> rows = new ArrayList<>();
        List<Running> part = new ArrayList<>();
        for (Running it : going) {
            int left = it.sequence.length - it.sequence.computed;
            int count = left == 1 ? 1 : Math.min(left, Math.max(1, budget));
            budget -= count;
            rows.add(Arrays.copyOfRange(it.sequence.tokens, it.sequence.computed, it.sequence.computed + count));
            part.add(it);
        }
        int[] rowStart = new int[n];
        int[] rowCount = new int[n];
        int[] position = new int[n];
        long[] slot = new long[n];
        int start = 0;
        List<Integer> last = new ArrayList<>();
        List<Sampler.Rows> work = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            Sequence sequence = part.get(i).sequence;
            rowStart[i] = start;
            rowCount[i] = rows.get(i).length;
            position[i] = sequence.computed;
            slot[i] = (long) part.get(i).slot * capacity;
            start += rowCount[i];
            if (sequence.computed + rowCount[i] == sequence.length) {
                work.add(new Sampler.Rows(sequence, last.size(), 1));
                last.add(start - 1);
            }
        }
        Batch batch = Batch.of(rows, new Segments(n, rowStart, rowCount, position, slot), workspace);
        Ops ops = Ops.inference(model.engine(), workspace);
        LanguageModel.States states = model.forward(ops, batch, model.newRoutingLog(), stores::get);
        for (int i = 0; i < n; i++) {
            part.get(i).sequence.computed += rowCount[i];
        }
        if (work.isEmpty()) {
            return;
        }
        Tensor lastRows = workspace.allocate(DType.I32, last.size());
        for (int i = 0; i < last.size(); i++) {
            lastRows.setInt(0, i, last.get(i));
        }
        Variable hidden = ops.selectRows(states.normed(), lastRows);
        Sampler.Drawn drawn = sampler.draw(ops.logits(hidden, model.head()), work, workspace);
        for (Sampler.Rows it : work) {
            it.sequence().append(drawn.tokens()[it.row()], drawn.logProbs()[it.row()]);
            completionTokens++;
            it.sequence().report();
        }
    }
}
