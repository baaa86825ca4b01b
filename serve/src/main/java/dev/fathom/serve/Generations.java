package dev.fathom.serve;

import dev.fathom.infer.EngineBusyException;
import dev.fathom.infer.Generation;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.Sampling;
import dev.fathom.serve.api.ApiException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The answers to one request: the engine's thread puts what happens into a queue, the request's thread takes it out. How much can pile up is
 * bounded by the lengths of the answers, so that a slow reader slows nobody but itself.
 */
final class Generations implements AutoCloseable {
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final List<Generation> generations = new ArrayList<>();

    /** Something happened to one of the answers. */
    record Event(int index, GenerationEvent event) {}

    private Generations() {}

    /**
     * Queues {@code n} answers to each of the prompts, numbered through.
     *
     * @throws ApiException if the engine has too many requests already, or is ending
     */
    static Generations submit(GenerationEngine engine, List<Prompt> prompts, Sampling sampling, int n) {
        Generations all = new Generations();
        try {
            for (Prompt prompt : prompts) {
                for (int choice = 0; choice < n; choice++) {
                    int index = all.generations.size();
                    all.generations.add(
                            engine.submit(prompt, sampling, choice, event -> all.events.add(new Event(index, event))));
                }
            }
            return all;
        } catch (EngineBusyException e) {
            all.close();
            int seconds = 1 + engine.status().queued() / 16;
            throw ApiException.busy("Too many requests: " + e.getMessage() + ". Try again in a moment.", seconds);
        } catch (IllegalStateException e) {
            all.close();
            throw ApiException.unavailable("The server is shutting down.", 5);
        }
    }

    int count() {
        return generations.size();
    }

    /** The next event; nothing if there is none within the time. */
    Optional<Event> next(Duration patience) {
        try {
            return Optional.ofNullable(events.poll(patience.toMillis(), TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            close();
            Thread.currentThread().interrupt();
            throw ApiException.unavailable("The server is shutting down.", 5);
        }
    }

    /** Ends whatever has not ended. */
    @Override
    public void close() {
        generations.forEach(Generation::cancel);
    }
}
