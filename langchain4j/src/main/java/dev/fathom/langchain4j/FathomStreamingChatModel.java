package dev.fathom.langchain4j;

import dev.fathom.infer.Fathom;
import dev.fathom.infer.Generation;
import dev.fathom.infer.Sampling;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A model in this process that answers piece by piece: first thinking ({@code onPartialThinking}), then text ({@code onPartialResponse}) or calls
 * ({@code onCompleteToolCall}), then the whole. A handler is called by one virtual thread per answer and may take its time; the handle that it
 * gets with a piece cancels the answer within a step of the engine.
 */
public final class FathomStreamingChatModel implements StreamingChatModel {
    private final Requests requests;

    /** @param fathom is not closed with this */
    public FathomStreamingChatModel(Fathom fathom) {
        this(fathom, fathom.defaults());
    }

    /**
     * The same with settings of its own, such as a seed or a thinking budget, for which LangChain4j's requests have no field.
     *
     * @param defaults what a request does not say
     */
    public FathomStreamingChatModel(Fathom fathom, Sampling defaults) {
        this.requests = new Requests(fathom, defaults);
    }

    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        // One thread per answer, in the order of its events: the engine's must not wait for a handler.
        ExecutorService thread = Executors.newSingleThreadExecutor(
                Thread.ofVirtual().name("fathom-answer").factory());
        Handle handle = new Handle();
        CompletableFuture<ChatResponse> response = new CompletableFuture<>();
        response.whenComplete((whole, error) -> {
            thread.execute(() -> {
                if (whole != null) {
                    handler.onCompleteResponse(whole);
                } else if (!handle.isCancelled()) {
                    handler.onError(error);
                }
            });
            thread.shutdown();
        });
        Answer.Listener listener = new Answer.Listener() {
            @Override
            public void thinking(String text) {
                thread.execute(
                        () -> handler.onPartialThinking(new PartialThinking(text), new PartialThinkingContext(handle)));
            }

            @Override
            public void text(String text) {
                thread.execute(
                        () -> handler.onPartialResponse(new PartialResponse(text), new PartialResponseContext(handle)));
            }

            @Override
            public void call(CompleteToolCall call) {
                thread.execute(() -> handler.onCompleteToolCall(call));
            }
        };
        try {
            handle.generation.set(
                    requests.submit(request, new Answer(requests.name(), requests.calls(request), listener, response)));
        } catch (RuntimeException e) {
            response.completeExceptionally(e);
        }
    }

    @Override
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }

    private static final class Handle implements StreamingHandle {
        private final AtomicReference<@Nullable Generation> generation = new AtomicReference<>();
        private volatile boolean cancelled;

        @Override
        public void cancel() {
            cancelled = true;
            Generation running = generation.get();
            if (running != null) {
                running.cancel();
            }
        }

        @Override
        public boolean isCancelled() {
            return cancelled;
        }
    }
}
