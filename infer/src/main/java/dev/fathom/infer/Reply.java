package dev.fathom.infer;

import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A response under way: its pieces as they come, once, by iterating, or the whole of it by {@link #await}.
 *
 * <pre>{@code
 * for (Tokens piece : fathom.chat(messages, sampling)) {
 *     System.out.print(piece.answer());
 * }
 * }</pre>
 */
public final class Reply implements Iterable<Tokens> {
    /**
     * A whole response.
     *
     * @param thinking what the model thought before it answered, often empty
     * @param answer what it said
     * @param tokens of both
     * @param reason why it ended
     * @param thinkingCut whether it ended while thinking, without an answer
     */
    public record Completed(
            String thinking,
            String answer,
            List<SampledToken> tokens,
            FinishReason reason,
            boolean thinkingCut,
            Usage usage) {}

    private final BlockingQueue<GenerationEvent> events = new LinkedBlockingQueue<>();
    private final CompletableFuture<Completed> completed = new CompletableFuture<>();
    private final Consumer<Completed> whenComplete;
    private final StringBuilder thinking = new StringBuilder();
    private final StringBuilder answer = new StringBuilder();
    private final List<SampledToken> tokens = new ArrayList<>();
    private @Nullable Generation generation;

    private Reply(Consumer<Completed> whenComplete) {
        this.whenComplete = whenComplete;
    }

    /** Submits a request. @param whenComplete called by the engine's thread, unless the request fails */
    static Reply of(GenerationEngine engine, Prompt prompt, Sampling sampling, Consumer<Completed> whenComplete) {
        Reply reply = new Reply(whenComplete);
        reply.generation = engine.submit(prompt, sampling, reply::hear);
        return reply;
    }

    private void hear(GenerationEvent event) {
        switch (event) {
            case Tokens more -> {
                thinking.append(more.thinking());
                answer.append(more.answer());
                tokens.addAll(more.tokens());
            }
            case End end -> {
                if (end.reason() == FinishReason.ERROR) {
                    completed.completeExceptionally(new GenerationException(String.valueOf(end.error())));
                } else {
                    Completed all = new Completed(
                            thinking.toString(),
                            answer.toString(),
                            List.copyOf(tokens),
                            end.reason(),
                            end.thinkingCut(),
                            end.usage());
                    whenComplete.accept(all);
                    completed.complete(all);
                }
            }
        }
        events.add(event);
    }

    /**
     * Waits for the end.
     *
     * @throws GenerationException if the request failed
     */
    public Completed await() {
        try {
            return completed.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof GenerationException failure) {
                throw failure;
            }
            throw e;
        }
    }

    /** Whether it has ended. */
    public boolean isDone() {
        return completed.isDone();
    }

    /** Ends it within a step; what there is of it is the response. From any thread. */
    public void cancel() {
        Generation submitted = generation;
        if (submitted != null) {
            submitted.cancel();
        }
    }

    /**
     * The pieces as they come, for one thread. Each is given out once, whoever asks.
     *
     * <p>{@link Iterator#hasNext} waits for the next piece; it throws {@link GenerationException} if the request failed.
     */
    @Override
    public Iterator<Tokens> iterator() {
        return new Iterator<>() {
            private @Nullable GenerationEvent next;

            @Override
            public boolean hasNext() {
                if (next == null) {
                    try {
                        next = events.take();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        throw new GenerationException("interrupted while waiting for the model");
                    }
                }
                if (next instanceof End) {
                    events.add(next); // for the next who asks
                    await();
                    return false;
                }
                return true;
            }

            @Override
            public Tokens next() {
                if (!hasNext() || !(next instanceof Tokens piece)) {
                    throw new NoSuchElementException("the response has ended");
                }
                next = null;
                return piece;
            }
        };
    }
}
