package dev.fathom.serve.api;

import dev.fathom.model.chat.ChatMessage;

/** What becomes of {@code reasoning_content} in the messages of a request. DeepSeek has published two rules that exclude each other. */
public enum ReasoningInput {
    /** It goes to the template, which leaves it out or shows it; whoever has none sends none. */
    ACCEPT,
    /** The rule of DeepSeek-R1's API (January 2025): only answers are sent back, thoughts are an error. */
    REJECT,
    /**
     * The rule since V3.2: ignored where there are no tools; where there are, what the model thought since the user last spoke must come
     * back beside its calls.
     */
    REQUIRE_WITH_TOOLS;

    /** @param inTurn whether the message is younger than the last of the user's */
    ChatMessage apply(ChatMessage message, String path, boolean hasTools, boolean inTurn) {
        return switch (this) {
            case ACCEPT -> message;
            case REJECT -> {
                if (message.reasoning() != null) {
                    throw ApiException.invalid(
                            path,
                            path + ": reasoning_content must not be sent back, only content (this server runs with"
                                    + " --reasoning-input reject)");
                }
                yield message;
            }
            case REQUIRE_WITH_TOOLS -> {
                if (!hasTools) {
                    yield message.reasoning() == null
                            ? message
                            : ChatMessage.assistant(message.content(), null, message.toolCalls());
                }
                if (inTurn && !message.toolCalls().isEmpty() && message.reasoning() == null) {
                    throw ApiException.invalid(
                            path,
                            path + ": the reasoning_content of a message with tool_calls must be sent back (this server"
                                    + " runs with --reasoning-input require)");
                }
                yield message;
            }
        };
    }
}
