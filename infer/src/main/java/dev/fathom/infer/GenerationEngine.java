package dev.fathom.infer;

import dev.fathom.engine.Philox;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.tokenizer.Tokenizer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Generates responses to any mix of requests at the same time: one thread steps, and every step is one forward pass over the next rows of all
 * requests under way (continuous batching). Requests come from any thread and each has a {@link GenerationListener}.
 *
 * <p>Neither tokens nor log-probabilities depend on what else is being generated, on how prompts are cut into steps or on what was found in
 * the cache: the same prompt with the same settings and seed gives the same response alone and under load.
 */
public final class GenerationEngine implements AutoCloseable {
    /** Philox stream of seeds for those who bring none ("seed"). */
    private static final int SEEDS = 0x73656564;

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Options options;
    private final TokenRoles roles;
    private final Scheduler scheduler;
    private final Thread thread;
    private final long seeds = System.nanoTime() ^ System.currentTimeMillis() << 20;

    /** Guards what follows. */
    private final Object lock = new Object();

    private final Deque<Sequence> arrivals = new ArrayDeque<>();
    private long submitted;
    private boolean draining;
    private boolean closed;
    private EngineStatus status;

    /**
     * How an engine divides memory and time. Results do not depend on any of it.
     *
     * @param positions tokens whose keys and values are kept, those of running requests and of the cache together
     * @param maxRunning requests under way at the same time
     * @param maxQueued requests that may wait; one more is refused with {@link EngineBusyException}
     * @param rowsPerStep rows of one forward pass: a long prompt is cut into parts that leave room for the others' next tokens
     * @param prefixReuse whether to look for the beginnings of prompts among earlier requests
     * @param speculation whether a request that is alone may guess tokens ahead, with models that can
     */
    public record Options(
            long positions, int maxRunning, int maxQueued, int rowsPerStep, boolean prefixReuse, boolean speculation) {
        public Options {
            require(positions >= 1, "positions", positions);
            require(maxRunning >= 1, "maxRunning", maxRunning);
            require(maxQueued >= 1, "maxQueued", maxQueued);
            require(rowsPerStep >= 1, "rowsPerStep", rowsPerStep);
        }

        private static void require(boolean valid, String field, long found) {
            if (!valid) {
                throw new IllegalArgumentException(field + ": found " + found + ", expected 1 or more");
            }
        }

        /** Usual settings with room for so many positions. */
        public static Options withPositions(long positions) {
            return new Options(positions, 64, 256, 512, true, true);
        }

        public Options withMaxRunning(int value) {
            return new Options(positions, value, maxQueued, rowsPerStep, prefixReuse, speculation);
        }

        public Options withMaxQueued(int value) {
            return new Options(positions, maxRunning, value, rowsPerStep, prefixReuse, speculation);
        }

        public Options withRowsPerStep(int value) {
            return new Options(positions, maxRunning, maxQueued, value, prefixReuse, speculation);
        }

        public Options withPrefixReuse(boolean value) {
            return new Options(positions, maxRunning, maxQueued, rowsPerStep, value, speculation);
        }

        public Options withSpeculation(boolean value) {
            return new Options(positions, maxRunning, maxQueued, rowsPerStep, prefixReuse, value);
        }
    }

    private GenerationEngine(LanguageModel model, Tokenizer tokenizer, List<Integer> endTokens, Options options) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.options = options;
        this.roles = TokenRoles.of(tokenizer, endTokens);
        scheduler = new Scheduler(model, tokenizer.vocabularySize(), options);
        status = scheduler.status();
        thread = Thread.ofPlatform().daemon().name("fathom-generation").unstarted(this::run);
    }

    /**
     * Starts an engine.
     *
     * @param endTokens each of them ends a response
     */
    public static GenerationEngine start(
            LanguageModel model, Tokenizer tokenizer, List<Integer> endTokens, Options options) {
        GenerationEngine engine = new GenerationEngine(model, tokenizer, endTokens, options);
        engine.thread.start();
        return engine;
    }

    public LanguageModel model() {
        return model;
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Longest prompt and response together. */
    public int contextLength() {
        return (int) Math.min(model.maxPositionEmbeddings(), options.positions);
    }

    public EngineStatus status() {
        synchronized (lock) {
            return status.withQueued(scheduler.waiting() + arrivals.size());
        }
    }

    /** See {@link #submit(Prompt, Sampling, long, GenerationListener)}. */
    public Generation submit(Prompt prompt, Sampling sampling, GenerationListener listener) {
        return submit(prompt, sampling, 0, listener);
    }

    /**
     * Queues a request.
     *
     * @param choice tells several responses to the same prompt with the same seed apart
     * @throws IllegalArgumentException if the prompt leaves no room for a token, or has an id that is none of the vocabulary's
     * @throws EngineBusyException if too many wait already
     * @throws IllegalStateException if the engine is being closed
     */
    public Generation submit(Prompt prompt, Sampling sampling, long choice, GenerationListener listener) {
        int length = prompt.tokens().length;
        int context = contextLength();
        if (length >= context) {
            throw new IllegalArgumentException("prompt: found " + length + " tokens, expected at most " + (context - 1)
                    + ": prompt and response together may have " + context);
        }
        for (int token : prompt.tokens()) {
            if (token < 0 || token >= model.vocabSize()) {
                throw new IllegalArgumentException(
                        "prompt: found token " + token + ", expected 0 to " + (model.vocabSize() - 1));
            }
        }
        if (sampling.thinkingBudget() != null && roles.endOfThinking() < 0 && prompt.format() != ReasoningFormat.NONE) {
            throw new IllegalArgumentException(
                    "thinkingBudget: found " + sampling.thinkingBudget() + ", but the model has no token </think>");
        }
        synchronized (lock) {
            if (draining) {
                throw new IllegalStateException("the generation engine is being closed");
            }
            int queued = scheduler.waiting() + arrivals.size();
            if (queued >= options.maxQueued) {
                throw new EngineBusyException(queued);
            }
            Long seed = sampling.seed();
            Sequence sequence = new Sequence(
                    prompt,
                    sampling,
                    seed != null ? seed : Philox.bits(seeds, SEEDS, submitted, 0),
                    choice,
                    (int) Math.min(context, (long) length + sampling.maxTokens()),
                    new TextStream(tokenizer, roles.hidden(), prompt.format(), sampling.stop()),
                    roles,
                    listener);
            submitted++;
            arrivals.add(sequence);
            lock.notifyAll();
            return sequence;
        }
    }

    /**
     * Takes no more requests and waits until those that came have ended.
     *
     * @return whether they have, within this time
     */
    public boolean drain(Duration patience) {
        synchronized (lock) {
            draining = true;
            lock.notifyAll();
        }
        try {
            return thread.join(patience);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Cancels what is under way and ends the thread; {@link #drain} before it lets requests end by themselves. */
    @Override
    public void close() {
        synchronized (lock) {
            draining = true;
            closed = true;
            lock.notifyAll();
        }
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        while (true) {
            List<Sequence> news;
            boolean end;
            synchronized (lock) {
                while (arrivals.isEmpty() && scheduler.isIdle() && !draining) {
                    try {
                        lock.wait();
                    } catch (InterruptedException e) {
                        closed = true;
                        draining = true;
                    }
                }
                news = new ArrayList<>(arrivals);
                arrivals.clear();
                news.forEach(scheduler::add);
                end = closed;
            }
            if (end) {
                scheduler.cancelAll();
            }
            if (!scheduler.isIdle()) {
                try {
                    scheduler.step();
                } catch (RuntimeException | Error e) {
                    scheduler.failAll(e);
                }
            }
            synchronized (lock) {
                status = scheduler.status();
                if (draining && scheduler.isIdle() && arrivals.isEmpty()) {
                    return;
                }
            }
        }
    }
}
