package dev.fathom.serve.api;

import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ToolCall;
import dev.fathom.model.chat.ToolDefinition;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Reads {@code messages} and {@code tools}. */
final class Messages {
    private static final int MOST_TOOLS = 128;
    private static final Set<String> NAMES = Set.of(
            "role",
            "content",
            "name",
            "reasoning_content",
            "tool_calls",
            "tool_call_id",
            "prefix",
            "refusal",
            "audio",
            "annotations",
            "function_call",
            "reasoning");

    private Messages() {}

    /**
     * A conversation.
     *
     * @param messages complete ones, oldest first
     * @param prefix how the answer begins, the last message of the request if it says {@code "prefix": true}
     */
    record Conversation(
            List<ChatMessage> messages, @Nullable ChatMessage prefix) {}

    static Conversation read(Fields request, ReasoningInput rule, boolean hasTools) {
        List<Fields> list = request.objects("messages");
        if (list.isEmpty()) {
            throw request.has("messages")
                    ? ApiException.invalid("messages", "messages: found none, expected at least one")
                    : ApiException.missing("messages");
        }
        List<ChatMessage> messages = new ArrayList<>();
        int turn = 0;
        for (int i = 0; i < list.size(); i++) {
            turn = list.get(i).string("role").filter("user"::equals).isPresent() ? i : turn;
        }
        ChatMessage prefix = null;
        for (int i = 0; i < list.size(); i++) {
            Fields fields = list.get(i);
            fields.requireKnown(NAMES);
            boolean isPrefix = fields.isTrue("prefix");
            ChatMessage message = message(fields);
            if (isPrefix && (i < list.size() - 1 || !message.role().equals("assistant"))) {
                throw ApiException.invalid(
                        fields.path("prefix"), "prefix is for the last message, and that must be the assistant's");
            }
            if (isPrefix) {
                prefix = message;
            } else {
                messages.add(rule.apply(message, fields.path("reasoning_content"), hasTools, i > turn));
            }
        }
        if (messages.isEmpty()) {
            throw ApiException.invalid("messages", "messages: a prefix alone is no conversation");
        }
        return new Conversation(messages, prefix);
    }

    private static ChatMessage message(Fields fields) {
        String role = fields.requireString("role");
        return switch (role) {
            case "system", "developer" -> ChatMessage.system(content(fields));
            case "user" -> ChatMessage.user(content(fields));
            case "assistant" -> {
                List<ToolCall> calls = fields.objects("tool_calls").stream()
                        .map(Messages::toolCall)
                        .toList();
                boolean silent = !calls.isEmpty() || fields.isTrue("prefix");
                String content = fields.has("content") || !silent ? content(fields) : "";
                yield ChatMessage.assistant(
                        content, fields.string("reasoning_content").orElse(null), calls);
            }
            case "tool" -> ChatMessage.tool(fields.requireString("tool_call_id"), content(fields));
            default ->
                throw ApiException.expected(
                        fields.path("role"), "one of [system, developer, user, assistant, tool]", "\"" + role + "\"");
        };
    }

    /** A string, or parts that are all text. */
    private static String content(Fields fields) {
        if (!fields.isArray("content")) {
            return fields.requireString("content");
        }
        StringBuilder text = new StringBuilder();
        for (Fields part : fields.objects("content")) {
            String type = part.requireString("type");
            if (!type.equals("text")) {
                throw ApiException.expected(
                        part.path("type"), "\"text\" (the model reads nothing else)", "\"" + type + "\"");
            }
            text.append(part.requireString("text"));
        }
        return text.toString();
    }

    private static ToolCall toolCall(Fields fields) {
        Fields function = fields.object("function").orElseThrow(() -> ApiException.missing(fields.path("function")));
        return new ToolCall(
                fields.requireString("id"), function.requireString("name"), function.requireString("arguments"));
    }

    static List<ToolDefinition> tools(Fields request) {
        List<ToolDefinition> tools = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Fields tool : request.objects("tools")) {
            tool.requireWord("type", "function");
            Fields function = tool.object("function").orElseThrow(() -> ApiException.missing(tool.path("function")));
            String name = function.requireString("name");
            if (!name.matches("[A-Za-z0-9_.-]{1,64}")) {
                throw ApiException.expected(
                        function.path("name"),
                        "1 to 64 letters, digits, underscores, dots or dashes",
                        "\"" + name + "\"");
            }
            if (!names.add(name)) {
                throw ApiException.invalid(
                        function.path("name"), function.path("name") + ": \"" + name + "\" is there twice");
            }
            ObjectNode parameters = function.object("parameters")
                    .map(Fields::object)
                    .orElseGet(() -> Json.MAPPER.createObjectNode().put("type", "object"));
            tools.add(new ToolDefinition(name, function.string("description").orElse(""), parameters));
        }
        if (tools.size() > MOST_TOOLS) {
            throw ApiException.expected("tools", "at most " + MOST_TOOLS, tools.size());
        }
        return tools;
    }
}
