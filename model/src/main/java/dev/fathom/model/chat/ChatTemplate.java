package dev.fathom.model.chat;

import dev.fathom.model.jinja.Template;
import dev.fathom.model.jinja.TemplateException;
import dev.fathom.model.tokenizer.SpecialTokens;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The chat template of a checkpoint. Rendered text has its special tokens written out and is encoded with {@code encode}, not
 * with {@code encodeDocument}: the template writes the token that begins a document itself.
 */
public final class ChatTemplate {
    private static final String THINKING_BEGINS = "<think>";
    private static final String THINKING_ENDS = "</think>";

    private static final Pattern ARGUMENTS_TO_JSON = Pattern.compile("arguments['\"]?\\]?\\s*\\|\\s*tojson");
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Template template;
    private final String source;
    private final String name;

    private ChatTemplate(Template template, String source, String name) {
        this.template = template;
        this.source = source;
        this.name = name;
    }

    /**
     * A rendered conversation.
     *
     * @param text for the tokenizer
     * @param opensThinking whether it ends in an open {@code <think>}: the model's first word is then a thought already
     */
    public record Prompt(String text, boolean opensThinking) {}

    /**
     * Reads a template.
     *
     * @param source the template's text
     * @param name what to call it in an error, usually the file it is from
     * @throws TemplateException naming the place and what is not supported
     */
    public static ChatTemplate parse(String source, String name) {
        try {
            return new ChatTemplate(Template.parse(source), source, name);
        } catch (TemplateException e) {
            throw named(name, e);
        }
    }

    /**
     * Renders a conversation up to where the model goes on.
     *
     * @param messages at least one, oldest first
     * @param special the tokens that the template calls {@code bos_token} and {@code eos_token}
     * @param thinking whether the model is to think first, null for what is usual with it; only for models whose template asks
     *     ({@link #choosesThinking})
     * @throws TemplateException if the template does not allow the conversation
     */
    public Prompt render(List<ChatMessage> messages, SpecialTokens special, @Nullable Boolean thinking) {
        return render(messages, List.of(), special, thinking);
    }

    /**
     * The same with functions that the model may ask to have called; only for models whose template shows them to it
     * ({@link #showsTools}).
     */
    public Prompt render(
            List<ChatMessage> messages, List<ToolDefinition> tools, SpecialTokens special, @Nullable Boolean thinking) {
        Map<String, @Nullable Object> variables = new HashMap<>();
        if (!tools.isEmpty()) {
            variables.put("tools", tools.stream().map(ChatTemplate::variables).toList());
        }
        List<@Nullable Object> list = new ArrayList<>();
        messages.forEach(message -> list.add(variables(message)));
        variables.put("messages", list);
        variables.put("bos_token", Objects.requireNonNullElse(special.bos(), ""));
        variables.put("eos_token", Objects.requireNonNullElse(special.eos(), ""));
        variables.put("add_generation_prompt", true);
        if (thinking != null) {
            variables.put("thinking", thinking); // DeepSeek-V3.1
            variables.put("enable_thinking", thinking); // Qwen3
        }
        try {
            String text = template.render(variables);
            return new Prompt(
                    text,
                    text.lastIndexOf(THINKING_BEGINS) > text.lastIndexOf(THINKING_ENDS)
                            && text.stripTrailing().endsWith(THINKING_BEGINS));
        } catch (TemplateException e) {
            throw named(name, e);
        }
    }

    /** Whether the template looks at whether the model is to think. */
    public boolean choosesThinking() {
        return source.contains("enable_thinking") || source.matches("(?s).*\\bthinking\\b.*");
    }

    /** Whether the template shows tools to the model. */
    public boolean showsTools() {
        return source.matches("(?s).*\\btools\\b.*");
    }

    /** The template's text. */
    public String source() {
        return source;
    }

    /** Thinking goes where templates look for it; where there is none, the key is missing rather than none. */
    private Map<String, @Nullable Object> variables(ChatMessage message) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("role", message.role());
        variables.put("content", message.content());
        if (message.reasoning() != null) {
            variables.put("reasoning_content", message.reasoning());
        }
        if (!message.toolCalls().isEmpty()) {
            variables.put(
                    "tool_calls",
                    message.toolCalls().stream().map(this::variables).toList());
        }
        if (message.toolCallId() != null) {
            variables.put("tool_call_id", message.toolCallId());
        }
        return variables;
    }

    /** Some templates print arguments as JSON themselves and want an object (Qwen's), some want the text (DeepSeek-R1's). */
    private Map<String, @Nullable Object> variables(ToolCall call) {
        Object arguments = ARGUMENTS_TO_JSON.matcher(source).find() ? parsed(call.arguments()) : call.arguments();
        Map<String, @Nullable Object> function = new LinkedHashMap<>();
        function.put("name", call.name());
        function.put("arguments", arguments);
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("id", call.id());
        variables.put("type", "function");
        variables.put("function", function);
        return variables;
    }

    private static Map<String, @Nullable Object> variables(ToolDefinition tool) {
        Map<String, @Nullable Object> function = new LinkedHashMap<>();
        function.put("name", tool.name());
        function.put("description", tool.description());
        function.put("parameters", value(tool.parameters()));
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("type", "function");
        variables.put("function", function);
        return variables;
    }

    /** A model may have written what is no JSON. */
    private static @Nullable Object parsed(String arguments) {
        try {
            return value(JSON.readTree(arguments));
        } catch (JacksonException e) {
            return arguments;
        }
    }

    private static @Nullable Object value(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT -> {
                Map<String, @Nullable Object> map = new LinkedHashMap<>();
                node.forEachEntry((name, value) -> map.put(name, value(value)));
                yield map;
            }
            case ARRAY -> {
                List<@Nullable Object> list = new ArrayList<>();
                node.forEach(element -> list.add(value(element)));
                yield list;
            }
            case NUMBER ->
                node.isIntegralNumber() && node.canConvertToLong() ? (Object) node.asLong() : node.asDouble();
            case BOOLEAN -> node.asBoolean();
            case STRING -> node.asString();
            case NULL, MISSING, BINARY, POJO -> null;
        };
    }

    private static TemplateException named(String name, TemplateException e) {
        return new TemplateException(name + ": " + e.getMessage(), e);
    }
}
