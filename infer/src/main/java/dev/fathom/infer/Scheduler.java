package dev.fathom.infer;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.infer.GenerationEngine.Options;
import dev.fathom.infer.KeyValueMemory.Span;
import dev.fathom.infer.ModelRunner.Part;
import dev.fathom.model.LanguageModel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Decides which rows are computed next. Requests begin in the order they came. Every step has the next row of each request that is being
 * answered, and parts of prompts in what is left of its rows. When memory runs out, the youngest request gives up its place, waits and begins
 * again with what it has so far: the oldest one always goes on, so each comes to its end.
 *
 * <p>For the engine's thread.
 */
final class Scheduler {
    private static final System.Logger LOGGER = System.getLogger(Scheduler.class.getName());

    /** Positions a new sequence gets beside those of its prompt. */
    private static final int FIRST_ROOM = 4 * KeyValueStore.TILE;

    /** Most positions a growing sequence gets beyond what it needs. */
    private static final int MOST_ROOM = 64 * KeyValueStore.TILE;

    /** Tiles that must be left for each sequence under way when another begins: else it might have to stop again at once. */
    private static final int RESERVE = 4;

    /** Part of a step's rows that prompts get at least. */
    private static final int PROMPT_SHARE = 4;

    private final Options options;
    private final KeyValueMemory memory;
    private final ModelRunner runner;
    private final boolean speculates;

    /** Both from the oldest to the youngest, and all of those running are older than all that wait. */
    private final Deque<Sequence> waiting = new ArrayDeque<>();

    private final List<Sequence> running = new ArrayList<>();
    private volatile int waitingCount; // for threads that submit
    private long promptTokens;
    private long cachedTokens;
    private long completionTokens;
    private long preemptions;
    private long steps;

    Scheduler(LanguageModel model, int vocabulary, Options options) {
        this.options = options;
        long positions = (options.positions() + KeyValueStore.TILE - 1) / KeyValueStore.TILE * KeyValueStore.TILE;
        List<KeyValueStore> stores = new ArrayList<>();
        for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
            stores.add(model.reserveKeyValues(positions, options.maxRunning() > 1));
        }
        speculates = options.speculation() && model.predictsMultipleTokens();
        KeyValueStore guessStore = speculates ? model.reserveKeyValues(positions, options.maxRunning() > 1) : null;
        List<KeyValueStore> all = new ArrayList<>(stores);
        if (guessStore != null) {
            all.add(guessStore);
        }
        memory = new KeyValueMemory(all, model.engine().pool());
        runner = new ModelRunner(model, stores, guessStore, vocabulary);
    }

    void add(Sequence sequence) {
        waiting.add(sequence);
        waitingCount = waiting.size();
    }

    /** Requests that wait; from any thread. */
    int waiting() {
        return waitingCount;
    }

    boolean isIdle() {
        return waiting.isEmpty() && running.isEmpty();
    }

    void cancelAll() {
        waiting.forEach(Sequence::cancel);
        running.forEach(Sequence::cancel);
    }

    /** Ends everything: something went wrong that is no single request's fault. */
    void failAll(Throwable e) {
        running.forEach(sequence -> fail(sequence, e));
        waiting.forEach(sequence -> fail(sequence, e));
        running.clear();
        waiting.clear();
        waitingCount = 0;
    }

    EngineStatus status() {
        return new EngineStatus(
                running.size(),
                waiting.size(),
                memory.positions(),
                memory.positionsOf(true),
                memory.positionsOf(false),
                promptTokens,
                cachedTokens,
                completionTokens,
                preemptions,
                steps);
    }

    /** One forward pass, and what comes before and after it. */
    void step() {
        waiting.removeIf(this::endIfCancelled);
        running.removeIf(this::endIfCancelled);
        admit();
        List<Part> parts = plan();
        waitingCount = waiting.size();
        if (!parts.isEmpty()) {
            run(parts);
            running.removeIf(sequence -> sequence.reason() != null);
        }
    }

    private boolean endIfCancelled(Sequence sequence) {
        boolean cancelled = sequence.isCancelled();
        if (cancelled) {
            end(sequence, FinishReason.CANCELLED, null);
        }
        return cancelled;
    }

    private void admit() {
        while (!waiting.isEmpty() && running.size() < options.maxRunning()) {
            Sequence sequence = waiting.getFirst();
            int positions = Math.min(sequence.limit, sequence.length + FIRST_ROOM);
            if (!running.isEmpty() && memory.available() < KeyValueMemory.tiles(positions) + RESERVE * running.size()) {
                return;
            }
            // The last token is computed in any case: what comes next is read off its row.
            Span span = memory.allocate(positions, sequence.tokens, options.prefixReuse() ? sequence.length - 1 : 0);
            if (span == null) {
                return;
            }
            waiting.removeFirst();
            if (sequence.begin(span)) {
                promptTokens += sequence.promptLength;
                cachedTokens += sequence.computed;
            }
            running.add(sequence);
        }
    }

    /** The rows of the next step, the oldest sequence first, each with room for its rows. */
    private List<Part> plan() {
        int answering = 0;
        for (Sequence sequence : running) {
            answering += sequence.length - sequence.computed == 1 ? 1 : 0;
        }
        int promptRows = Math.max(options.rowsPerStep() - answering, Math.max(1, options.rowsPerStep() / PROMPT_SHARE));
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < running.size(); i++) { // it may become shorter on the way
            Sequence sequence = running.get(i);
            int left = sequence.length - sequence.computed;
            int end = sequence.computed < sequence.promptLength ? sequence.promptLength : sequence.length;
            int rows = left == 1 ? 1 : Math.min(end - sequence.computed, promptRows);
            boolean guess = running.size() == 1 && left == 1 && sequence.hasGuess();
            if (!guess) {
                sequence.dropGuess();
            }
            if (rows > 0 && makeRoom(sequence, sequence.computed + rows + (guess ? 1 : 0))) {
                promptRows -= left == 1 ? 0 : rows;
                parts.add(new Part(sequence, rows, guess ? 1 : 0));
            }
        }
        return parts;
    }

    /** Room for a sequence to grow, if need be at the expense of younger ones; false if it had to give up its own. */
    private boolean makeRoom(Sequence sequence, int positions) {
        Span span = sequence.span();
        // More than it needs now, so that a sequence that grows long is not moved often.
        int generous = Math.min(sequence.limit, positions + Math.min(positions / 4, MOST_ROOM));
        if (span.positions() >= positions || memory.grow(span, generous) || memory.grow(span, positions)) {
            return true;
        }
        while (running.getLast() != sequence) {
            preempt(running.removeLast());
            if (memory.grow(span, positions)) {
                return true;
            }
        }
        preempt(running.removeLast());
        return false;
    }

    private void preempt(Sequence sequence) {
        preemptions++;
        memory.retire(sequence.giveUp());
        waiting.addFirst(sequence);
    }

    /** A step that fails is tried again with each sequence by itself, so that only those fail that cannot be computed. */
    private void run(List<Part> parts) {
        Sampler.Drawn drawn;
        try {
            drawn = runner.run(parts);
        } catch (RuntimeException | Error e) {
            if (parts.size() == 1) {
                fail(parts.getFirst().sequence(), e);
            } else {
                parts.forEach(part -> run(List.of(part)));
            }
            return;
        }
        take(parts, drawn);
    }

    private void take(List<Part> parts, Sampler.Drawn drawn) {
        steps++;
        int row = 0;
        for (Part part : parts) {
            Sequence sequence = part.sequence();
            boolean samples = part.samples();
            int at = row;
            row += samples ? 1 + part.guesses() : 0;
            int first = sequence.computed;
            int guess = sequence.hasGuess() ? sequence.tokens[sequence.length] : -1;
            sequence.computed += part.rows();
            try {
                if (samples) {
                    append(sequence, drawn, at);
                }
                if (part.guesses() == 1) {
                    boolean right = drawn.tokens()[at] == guess;
                    sequence.countGuess(right);
                    if (right && sequence.reason() == null) {
                        sequence.computed++;
                        append(sequence, drawn, at + 1);
                    }
                }
                memory.fill(sequence.span(), sequence.computed);
                memory.publish(sequence.span(), sequence.tokens, Math.min(sequence.computed, sequence.promptLength));
                if (speculates && parts.size() == 1 && sequence.reason() == null) {
                    runner.guess(sequence, first, sequence.computed - first);
                }
                if (sequence.reason() != null) {
                    memory.retire(sequence.giveUp());
                }
                if (samples) {
                    sequence.report();
                }
            } catch (RuntimeException e) {
                fail(sequence, e);
            }
        }
    }

    private void append(Sequence sequence, Sampler.Drawn drawn, int row) {
        completionTokens++;
        sequence.append(drawn.tokens()[row], drawn.logProbs()[row]);
    }

    private void fail(Sequence sequence, Throwable e) {
        if (sequence.hasEnded()) {
            return;
        }
        LOGGER.log(System.Logger.Level.ERROR, "a request failed", e);
        end(sequence, FinishReason.ERROR, e.getMessage() == null ? e.toString() : e.getMessage());
    }

    private void end(Sequence sequence, FinishReason reason, @Nullable String error) {
        if (sequence.hasSpan()) {
            memory.retire(sequence.giveUp());
        }
        try {
            sequence.end(reason, error);
        } catch (RuntimeException e) {
            LOGGER.log(System.Logger.Level.WARNING, "a listener failed", e);
        }
    }
}
