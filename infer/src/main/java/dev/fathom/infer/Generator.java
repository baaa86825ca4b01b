package dev.fathom.infer;

import dev.fathom.engine.DType;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Philox;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.RoutingLog;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Samples many responses at once with continuous batching: every step runs one row per sequence that is under way and all prompt rows of
 * the sequences that start, in one packed batch; a sequence that ends leaves its slot to the next in the queue at once.
 *
 * <p>It runs the same forward pass as training, over keys and values kept from step to step. A row's result does not depend on the batch
 * it is in, so neither the tokens nor their log-probabilities depend on the number of slots or on what else is being generated.
 *
 * <p>Not thread safe.
 */
public final class Generator {
    /** Rows of prompts admitted in one step: bounds the memory of a step, not the result. */
    private static final int PROMPT_ROWS = 4096;

    /** Most rows of a part of a step: more than the second-level cache holds the activations of. */
    private static final int PART_ROWS = 256;

    /** Fewest rows of a part: each part reads all weights once. */
    private static final int FEWEST_ROWS = 64;

    /** As much work as a row's products, in positions that it attends to; for small models, it only decides what is even. */
    private static final int ROW_WORK = 256;

    /** Enough rows per step to keep the matrix products busy. */
    private static final int BATCH_SLOTS = 256;

    /** Philox stream of sampling ("samp"). */
    private static final int SAMPLING = 0x73616d70;

    private final LanguageModel model;
    private final int slots;
    private final int maxLength;
    private final int capacity;
    private final List<KeyValueStore> stores = new ArrayList<>();

    /** Of each thread. */
    private final Workspace[] workspaces;

    /**
     * @param slots sequences generated at the same time
     * @param maxLength longest sequence, prompt and response together
     */
    public Generator(LanguageModel model, int slots, int maxLength) {
        int limit = model.maxPositionEmbeddings();
        if (maxLength > limit) {
            throw new IllegalArgumentException(
                    "sequences of " + maxLength + " tokens exceed max_position_embeddings=" + limit + " of the model");
        }
        this.model = model;
        this.slots = slots;
        this.maxLength = maxLength;
        this.capacity = (maxLength + KeyValueStore.TILE - 1) / KeyValueStore.TILE * KeyValueStore.TILE;
        workspaces = new Workspace[model.engine().pool().threads()];
        Arrays.setAll(workspaces, worker -> new Workspace());
        for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
            stores.add(model.allocateKeyValues((long) slots * capacity));
        }
    }

    /** For rollouts and evaluations: many slots, sequences up to what the model can hold. */
    public static Generator forBatches(LanguageModel model) {
        return new Generator(model, BATCH_SLOTS, model.maxPositionEmbeddings());
    }

    /** A sequence under way. */
    private static final class Sequence {
        final int index;
        final GenerationRequest request;
        final int slot;
        final int[] tokens;
        final float[] logProbs;
        final short[] experts;
        int length; // tokens of the response so far
        int cached; // positions in the key/value stores

        Sequence(int index, GenerationRequest request, int slot, int expertsPerRow) {
            this.index = index;
            this.request = request;
            this.slot = slot;
            tokens = new int[request.maxTokens()];
            logProbs = new float[request.maxTokens()];
            experts = new short[(request.prompt().length + request.maxTokens() - 1) * expertsPerRow];
        }

        int[] nextRows() {
            return length == 0 ? request.prompt() : new int[] {tokens[length - 1]};
        }

        int nextRowCount() {
            return length == 0 ? request.prompt().length : 1;
        }

        Completion complete(boolean truncated, int expertsPerRow) {
            return new Completion(
                    request,
                    Arrays.copyOf(tokens, length),
                    Arrays.copyOf(logProbs, length),
                    truncated,
                    Arrays.copyOf(experts, cached * expertsPerRow));
        }
    }

    /**
     * Samples a response to every request.
     *
     * @param endToken the token that ends a response
     * @param recordExperts whether to keep the routing in {@link Completion#experts}
     * @return in the order of the requests
     */
    public List<Completion> generate(
            List<GenerationRequest> requests, long seed, int endToken, boolean recordExperts, TokenListener listener) {
        for (GenerationRequest request : requests) {
            if (request.prompt().length + request.maxTokens() > maxLength) {
                throw new IllegalArgumentException("prompt of " + request.prompt().length + " tokens and maxTokens="
                        + request.maxTokens() + " exceed the generator's " + maxLength + " positions");
            }
        }
        int expertsPerRow = recordExperts ? model.mixtures() * model.numExpertsPerToken() : 0;
        @Nullable Completion[] done = new Completion[requests.size()];
        Deque<Integer> free = new ArrayDeque<>();
        for (int slot = 0; slot < slots; slot++) {
            free.add(slot);
        }
        List<Sequence> active = new ArrayList<>();
        int next = 0;
        while (next < requests.size() || !active.isEmpty()) {
            int promptRows = 0;
            while (next < requests.size() && !free.isEmpty()) {
                GenerationRequest request = requests.get(next);
                if (promptRows > 0 && promptRows + request.prompt().length > PROMPT_ROWS) {
                    break;
                }
                promptRows += request.prompt().length;
                active.add(new Sequence(next++, request, free.remove(), expertsPerRow));
            }
            List<List<Sequence>> parts = divide(active, model.engine().pool().threads());
            model.engine()
                    .pool()
                    .run(
                            parts.size(),
                            (part, worker) -> step(parts.get(part), workspaces[worker], seed, expertsPerRow));
            List<Sequence> remaining = new ArrayList<>(active.size());
            for (Sequence sequence : active) {
                int token = sequence.tokens[sequence.length - 1];
                listener.onToken(sequence.request, token);
                boolean ended = token == endToken;
                if (ended || sequence.length == sequence.request.maxTokens()) {
                    done[sequence.index] = sequence.complete(!ended, expertsPerRow);
                    free.add(sequence.slot);
                } else {
                    remaining.add(sequence);
                }
            }
            active = remaining;
        }
        List<Completion> completions = new ArrayList<>(done.length);
        for (Completion completion : done) {
            if (completion != null) {
                completions.add(completion);
            }
        }
        return completions;
    }

    /**
     * Divides the sequences of a step into parts of about equal work, each of which one thread takes through the whole model: its activations stay
     * in that core's caches, and no thread waits for another until the step ends. Where rows are few, or most are of one long prompt, there is one
     * part, in which all threads share every operation.
     *
     * <p>Sequences that began earlier stand earlier and attend to more: they are dealt out one by one. Within a part the order stays, so that a
     * sequence's neighbour is about as long as itself, which is what attention expects as it fetches keys ahead.
     */
    private static List<List<Sequence>> divide(List<Sequence> active, int threads) {
        long rows = 0;
        int longest = 1;
        for (Sequence sequence : active) {
            rows += sequence.nextRowCount();
            longest = Math.max(longest, sequence.nextRowCount());
        }
        long wanted = (rows + (long) threads * PART_ROWS - 1) / ((long) threads * PART_ROWS) * threads;
        int count = (int) Math.min(wanted, rows / longest);
        if (count < threads || rows < (long) threads * FEWEST_ROWS) {
            return List.of(active);
        }
        List<List<Sequence>> parts = new ArrayList<>(count);
        for (int part = 0; part < count; part++) {
            parts.add(new ArrayList<>());
        }
        long[] work = new long[count];
        deal(active, true, parts, work); // the largest first: single rows then even things out
        deal(active, false, parts, work);
        return parts;
    }

    /** Gives each sequence that begins, or each that goes on, to the part with the least work. */
    private static void deal(List<Sequence> active, boolean beginning, List<List<Sequence>> parts, long[] work) {
        for (Sequence sequence : active) {
            if (sequence.cached == 0 != beginning) {
                continue;
            }
            int least = 0;
            for (int part = 1; part < work.length; part++) {
                if (work[part] < work[least]) {
                    least = part;
                }
            }
            parts.get(least).add(sequence);
            work[least] += (long) sequence.nextRowCount() * (ROW_WORK + sequence.cached);
        }
    }

    /** Runs the next rows of these sequences and samples one token for each. */
    private void step(List<Sequence> active, Workspace workspace, long seed, int expertsPerRow) {
        workspace.reset();
        int n = active.size();
        List<int[]> rows = new ArrayList<>(n);
        int[] rowStart = new int[n];
        int[] rowCount = new int[n];
        int[] position = new int[n];
        long[] slot = new long[n];
        boolean[] generated = new boolean[n];
        Tensor lastRows = workspace.allocate(DType.I32, n);
        Tensor temperatures = workspace.allocate(DType.F32, n);
        Tensor uniforms = workspace.allocate(DType.F32, n);
        int start = 0;
        for (int i = 0; i < n; i++) {
            Sequence sequence = active.get(i);
            int[] ids = sequence.nextRows();
            rows.add(ids);
            rowStart[i] = start;
            rowCount[i] = ids.length;
            position[i] = sequence.cached;
            slot[i] = (long) sequence.slot * capacity;
            generated[i] = sequence.cached > 0;
            start += ids.length;
            lastRows.setInt(0, i, start - 1);
            temperatures.set(0, i, sequence.request.temperature());
            uniforms.set(0, i, Philox.uniform(seed, SAMPLING, sequence.request.id(), sequence.length));
        }
        Batch batch = Batch.of(rows, new Segments(n, rowStart, rowCount, position, slot), generated, workspace);
        Ops ops = model.inference(workspace);
        RoutingLog log = model.newRoutingLog();
        LanguageModel.States states = model.forward(ops, batch, log, stores::get);
        Variable last = ops.selectRows(states.normed(), lastRows);
        Tensor tokens = workspace.allocate(DType.I32, n);
        Tensor logProbs = workspace.allocate(DType.F32, n);
        ops.sample(last, model.head(), temperatures, uniforms, tokens, logProbs);
        for (int i = 0; i < n; i++) {
            Sequence sequence = active.get(i);
            if (expertsPerRow > 0) {
                recordExperts(sequence, log, rowStart[i], rowCount[i]);
            }
            sequence.cached += rowCount[i];
            sequence.tokens[sequence.length] = tokens.getInt(0, i);
            sequence.logProbs[sequence.length] = logProbs.get(0, i);
            sequence.length++;
        }
    }

    private void recordExperts(Sequence sequence, RoutingLog log, int rowStart, int rowCount) {
        int topK = model.numExpertsPerToken();
        int at = sequence.cached * topK * model.mixtures();
        for (int row = rowStart; row < rowStart + rowCount; row++) {
            for (int mixture = 0; mixture < model.mixtures(); mixture++) {
                Tensor chosen = log.chosen(mixture);
                for (int rank = 0; rank < topK; rank++) {
                    sequence.experts[at++] = (short) chosen.getInt(row, rank);
                }
            }
        }
    }
}
