package dev.fathom.serve.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.fathom.model.chat.ToolCall;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The response to a chat request.
 *
 * @param created seconds since 1970
 * @param systemFingerprint changes when the same seed may give another answer
 */
public record ChatCompletion(
        String id,
        String object,
        long created,
        String model,
        String systemFingerprint,
        List<Choice> choices,
        UsageJson usage) {

    /** One of the answers. */
    public record Choice(
            int index,
            Message message,

            @JsonInclude(JsonInclude.Include.ALWAYS) @Nullable
            LogProbsJson logprobs,

            String finishReason) {}

    /**
     * An answer.
     *
     * @param content null where there are calls instead
     * @param reasoningContent what the model thought before; null if it did not think
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Message(
            String role,

            @JsonInclude(JsonInclude.Include.ALWAYS) @Nullable
            String content,

            @Nullable String reasoningContent,
            @Nullable List<Call> toolCalls) {}

    /**
     * A call that the model asks for.
     *
     * @param index in a stream, which call it is; null elsewhere
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Call(@Nullable Integer index, String id, String type, Function function) {
        static Call of(ToolCall call, @Nullable Integer index) {
            return new Call(index, call.id(), "function", new Function(call.name(), call.arguments()));
        }
    }

    /** The function that is to be called. */
    public record Function(String name, String arguments) {}

    public static ChatCompletion of(Origin origin, List<Choice> choices, UsageJson usage) {
        return new ChatCompletion(
                origin.id(),
                "chat.completion",
                origin.created(),
                origin.model(),
                origin.systemFingerprint(),
                choices,
                usage);
    }

    /** A message as the response has it. */
    public static Message message(String content, String reasoning, List<ToolCall> calls) {
        return new Message(
                "assistant",
                content.isEmpty() && !calls.isEmpty() ? null : content,
                reasoning.isEmpty() ? null : reasoning,
                calls.isEmpty()
                        ? null
                        : calls.stream().map(call -> Call.of(call, null)).toList());
    }
}
