package dev.fathom.langchain4j;

import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.GenerationListener;
import dev.fathom.infer.tools.ToolCallParser;
import dev.fathom.model.chat.ToolCall;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One answer while it is made: the engine's events as LangChain4j's. */
final class Answer implements GenerationListener {
    private final String modelName;
    private final @Nullable ToolCallParser calls;
    private final Listener listener;
    private final CompletableFuture<ChatResponse> response;
    private final StringBuilder thinking = new StringBuilder();
    private final StringBuilder text = new StringBuilder();
    private final List<ToolExecutionRequest> requests = new ArrayList<>();

    /** Hears the pieces; called by the engine's thread. */
    interface Listener {
        Listener NONE = new Listener() {};

        default void thinking(String text) {}

        default void text(String text) {}

        default void call(CompleteToolCall call) {}
    }

    /** @param calls separates calls from text, null if there are no tools */
    Answer(
            String modelName,
            @Nullable ToolCallParser calls,
            Listener listener,
            CompletableFuture<ChatResponse> response) {
        this.modelName = modelName;
        this.calls = calls;
        this.listener = listener;
        this.response = response;
    }

    @Override
    public void onEvent(GenerationEvent event) {
        switch (event) {
            case Tokens tokens -> {
                if (!tokens.thinking().isEmpty()) {
                    thinking.append(tokens.thinking());
                    listener.thinking(tokens.thinking());
                }
                if (calls == null) {
                    text(tokens.answer());
                } else {
                    piece(calls.add(tokens.answer()));
                }
            }
            case End end -> {
                if (calls != null) {
                    piece(calls.finish());
                }
                end(end);
            }
        }
    }

    private void piece(ToolCallParser.Piece piece) {
        text(piece.text());
        for (ToolCall call : piece.calls()) {
            ToolExecutionRequest request = ToolExecutionRequest.builder()
                    .id(call.id())
                    .name(call.name())
                    .arguments(call.arguments())
                    .build();
            listener.call(new CompleteToolCall(requests.size(), request));
            requests.add(request);
        }
    }

    private void text(String more) {
        if (!more.isEmpty()) {
            text.append(more);
            listener.text(more);
        }
    }

    private void end(End end) {
        switch (end.reason()) {
            case CANCELLED -> response.completeExceptionally(new InternalServerException("the answer was cancelled"));
            case ERROR ->
                response.completeExceptionally(new InternalServerException("the answer failed: " + end.error()));
            case STOP, LENGTH ->
                response.complete(ChatResponse.builder()
                        .id(UUID.randomUUID().toString())
                        .modelName(modelName)
                        .aiMessage(AiMessage.builder()
                                .text(text.isEmpty() && !requests.isEmpty() ? null : text.toString())
                                .thinking(thinking.isEmpty() ? null : thinking.toString())
                                .toolExecutionRequests(requests)
                                .build())
                        .tokenUsage(new TokenUsage(
                                end.usage().promptTokens(), end.usage().completionTokens()))
                        .finishReason(finishReason(end))
                        .build());
        }
    }

    private FinishReason finishReason(End end) {
        if (end.reason() == dev.fathom.infer.FinishReason.LENGTH) {
            return FinishReason.LENGTH;
        }
        return requests.isEmpty() ? FinishReason.STOP : FinishReason.TOOL_EXECUTION;
    }
}
