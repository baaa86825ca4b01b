package dev.fathom.serve;

import dev.fathom.infer.FinishReason;
import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.Usage;
import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.Json;
import dev.fathom.serve.api.Streaming;
import dev.fathom.serve.api.UsageJson;
import dev.fathom.serve.http.ClientConnection;
import dev.fathom.serve.http.EventStream;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.ServerResponse;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Carries the answers to one request to its client, streamed or whole. If the client goes away the answers are cancelled, whether anything is
 * being written to it or not.
 */
final class Exchange {
    private static final System.Logger LOGGER = System.getLogger(Exchange.class.getName());

    private final Server server;
    private final ServerResponse response;
    private final int answersPerPrompt;
    private volatile boolean gone;

    Exchange(Server server, ServerResponse response, int answersPerPrompt) {
        this.server = server;
        this.response = response;
        this.answersPerPrompt = answersPerPrompt;
    }

    /** What an endpoint makes of the events, in the order in which they come. */
    interface Answers {
        /** Parts of the response, in a stream one event each. */
        List<Object> tokens(int index, Tokens event);

        List<Object> end(int index, End event);

        /** Before everything else. */
        default List<Object> begin(int index) {
            return List.of();
        }
    }

    /**
     * Sends everything as it comes.
     *
     * @param lastChunk tells the usage
     */
    void stream(Generations generations, Answers answers, Streaming streaming, Function<UsageJson, Object> lastChunk) {
        EventStream stream = new EventStream(response, server.stalls());
        try (generations;
                ClientConnection.Watch watch = ClientConnection.current().whenGone(() -> leave(generations))) {
            for (int i = 0; i < generations.count(); i++) {
                answers.begin(i).forEach(part -> send(stream, part));
            }
            Usage[] usages = follow(generations, () -> stream.keepAlive(), (index, event) -> {
                List<Object> parts = event instanceof Tokens tokens
                        ? answers.tokens(index, tokens)
                        : answers.end(index, (End) event);
                parts.forEach(part -> send(stream, part));
            });
            if (streaming.includeUsage()) {
                send(stream, lastChunk.apply(UsageJson.of(Arrays.asList(usages), answersPerPrompt)));
            }
            stream.send("[DONE]");
            stream.complete();
        } catch (ApiException e) {
            requireClient(e);
            // Too late for a status. The error is an event, and the stream ends without [DONE] and without its last
            // chunk.
            stream.send(e.toJson().toString());
            throw new CloseConnectionException("the answer failed", e);
        } catch (RuntimeException e) {
            throw e instanceof CloseConnectionException ? e : new CloseConnectionException("the client has gone", e);
        }
    }

    private void leave(Generations generations) {
        gone = true;
        generations.close();
    }

    /** There is no point in telling a client that has gone what became of its answer. */
    private void requireClient(ApiException e) {
        if (gone) {
            server.metrics().clientGone();
            throw new CloseConnectionException("the client has gone", e);
        }
    }

    private static void send(EventStream stream, Object part) {
        stream.send(Json.MAPPER.writeValueAsString(part));
    }

    /** Collects everything and sends it at once. */
    void whole(Generations generations, Answers answers, Function<UsageJson, Object> result) {
        Usage[] usages;
        try (generations;
                ClientConnection.Watch watch = ClientConnection.current().whenGone(() -> leave(generations))) {
            usages = follow(generations, () -> {}, (index, event) -> {
                if (event instanceof Tokens tokens) {
                    answers.tokens(index, tokens);
                } else {
                    answers.end(index, (End) event);
                }
            });
        } catch (ApiException e) {
            requireClient(e);
            throw e;
        }
        Object body = result.apply(UsageJson.of(Arrays.asList(usages), answersPerPrompt));
        response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "application/json"));
        byte[] bytes = Json.MAPPER.writeValueAsBytes(body);
        server.stalls().guard(() -> {
            response.send(bytes);
            return true;
        });
    }

    private interface Listener {
        void onEvent(int index, GenerationEvent event);
    }

    /** Passes events on until all answers have ended. */
    private Usage[] follow(Generations generations, Runnable whenSilent, Listener listener) {
        @Nullable Usage[] usages = new Usage[generations.count()];
        long begun = System.nanoTime();
        int open = generations.count();
        boolean first = true;
        while (open > 0) {
            Optional<Generations.Event> next = generations.next(server.options().keepAlive());
            if (next.isEmpty()) {
                whenSilent.run();
                continue;
            }
            int index = next.get().index();
            GenerationEvent event = next.get().event();
            if (first) {
                first = false;
                server.metrics().firstToken(System.nanoTime() - begun);
            }
            if (event instanceof End end) {
                open--;
                usages[index] = end.usage();
                requireAnswer(end);
            }
            listener.onEvent(index, event);
        }
        return Arrays.stream(usages).map(Objects::requireNonNull).toArray(Usage[]::new);
    }

    private static void requireAnswer(End end) {
        if (end.reason() == FinishReason.CANCELLED) {
            throw ApiException.unavailable("The answer was cancelled: the server is shutting down.", 5);
        }
        if (end.reason() == FinishReason.ERROR) {
            LOGGER.log(System.Logger.Level.ERROR, "an answer failed: {0}", end.error());
            throw ApiException.internal("The answer failed: " + end.error());
        }
    }
}
