package dev.fathom.model.chat;

import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation.
 *
 * @param role {@code system}, {@code user} or {@code assistant}, or what else the template knows
 * @param content what was said; for an assistant the answer without the thinking before it
 * @param reasoning what an assistant thought before it answered, null for nothing; DeepSeek-R1's template leaves it out, others
 *     may show it
 */
public record ChatMessage(
        String role, String content, @Nullable String reasoning) {
    /** Instructions. */
    public static ChatMessage system(String content) {
        return new ChatMessage("system", content, null);
    }

    /** What the user says. */
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content, null);
    }

    /** What the model answered before. */
    public static ChatMessage assistant(String content, @Nullable String reasoning) {
        return new ChatMessage("assistant", content, reasoning);
    }
}
