package dev.fathom.model.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation.
 *
 * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}, or what else the template knows
 * @param content what was said; for an assistant the answer without the thinking before it, for a tool the result of the call
 * @param reasoning what an assistant thought before it answered, null for nothing; DeepSeek-R1's template leaves it out, others
 *     may show it
 * @param toolCalls the calls that an assistant asked for
 * @param toolCallId which call a tool's result belongs to, null in all other messages
 */
public record ChatMessage(
        String role,
        String content,
        @Nullable String reasoning,
        List<ToolCall> toolCalls,
        @Nullable String toolCallId) {
    public ChatMessage {
        toolCalls = List.copyOf(toolCalls);
    }

    /** Instructions. */
    public static ChatMessage system(String content) {
        return new ChatMessage("system", content, null, List.of(), null);
    }

    /** What the user says. */
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content, null, List.of(), null);
    }

    /** What the model answered before. */
    public static ChatMessage assistant(String content, @Nullable String reasoning) {
        return assistant(content, reasoning, List.of());
    }

    /** What the model answered before, and what it asked to have called. */
    public static ChatMessage assistant(String content, @Nullable String reasoning, List<ToolCall> toolCalls) {
        return new ChatMessage("assistant", content, reasoning, toolCalls, null);
    }

    /** What a call gave back. */
    public static ChatMessage tool(String toolCallId, String content) {
        return new ChatMessage("tool", content, null, List.of(), toolCallId);
    }
}
