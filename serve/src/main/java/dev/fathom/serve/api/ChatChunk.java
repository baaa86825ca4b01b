package dev.fathom.serve.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.fathom.model.chat.ToolCall;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A piece of a streamed chat response.
 *
 * @param usage in the last chunk of a stream that was asked for it, which has no choices
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ChatChunk(
        String id,
        String object,
        long created,
        String model,
        String systemFingerprint,
        List<Choice> choices,
        @Nullable UsageJson usage) {

    /** @param finishReason null until the last piece of the answer */
    public record Choice(
            int index,
            Delta delta,
            @Nullable LogProbsJson logprobs,

            @JsonInclude(JsonInclude.Include.ALWAYS) @Nullable
            String finishReason) {}

    /** What is to be added to the answer. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Delta(
            @Nullable String role,
            @Nullable String content,
            @Nullable String reasoningContent,
            @Nullable List<ChatCompletion.Call> toolCalls) {
        /** The first of an answer. */
        public static final Delta BEGIN = new Delta("assistant", "", null, null);

        /** The last of an answer. */
        public static final Delta END = new Delta(null, null, null, null);

        public static Delta thinking(String text) {
            return new Delta(null, null, text, null);
        }

        public static Delta answer(String text) {
            return new Delta(null, text, null, null);
        }

        /** @param index which call of the answer it is */
        public static Delta call(ToolCall call, int index) {
            return new Delta(null, null, null, List.of(ChatCompletion.Call.of(call, index)));
        }
    }

    /** A piece of one answer. */
    public static ChatChunk of(Origin origin, Choice choice) {
        return new ChatChunk(
                origin.id(),
                "chat.completion.chunk",
                origin.created(),
                origin.model(),
                origin.systemFingerprint(),
                List.of(choice),
                null);
    }

    /** The chunk that tells the usage. */
    public static ChatChunk of(Origin origin, UsageJson usage) {
        return new ChatChunk(
                origin.id(),
                "chat.completion.chunk",
                origin.created(),
                origin.model(),
                origin.systemFingerprint(),
                List.of(),
                usage);
    }
}
