package dev.fathom.infer.tools;

import dev.fathom.infer.grammar.GrammarConstraint;
import dev.fathom.infer.grammar.TokenTable;
import dev.fathom.infer.grammar.ToolGrammar;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.chat.ToolDefinition;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** How a model writes down that it wants a function called. Found by the marks in its chat template. */
public enum ToolFormat {
    /** Qwen, Hermes: {@code <tool_call>\n{"name": "f", "arguments": {…}}\n</tool_call>}. */
    HERMES("", "<tool_call>", "</tool_call>", "", "\n{\"name\": \"", "\", \"arguments\": ", "}\n"),
    /** DeepSeek-V3 and R1: the arguments in a block of JSON. */
    DEEPSEEK_BLOCK(
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁calls▁end｜>",
            "function<｜tool▁sep｜>",
            "\n```json\n",
            "\n```"),
    /** DeepSeek-V3.1. */
    DEEPSEEK_PLAIN(
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁calls▁end｜>",
            "",
            "<｜tool▁sep｜>",
            "");

    private static final JsonMapper JSON = JsonMapper.shared();

    private final String sectionBegin;
    private final String callBegin;
    private final String callEnd;
    private final String sectionEnd;
    private final String beforeName;
    private final String beforeArguments;
    private final String behindArguments;

    ToolFormat(
            String sectionBegin,
            String callBegin,
            String callEnd,
            String sectionEnd,
            String beforeName,
            String beforeArguments,
            String behindArguments) {
        this.sectionBegin = sectionBegin;
        this.callBegin = callBegin;
        this.callEnd = callEnd;
        this.sectionEnd = sectionEnd;
        this.beforeName = beforeName;
        this.beforeArguments = beforeArguments;
        this.behindArguments = behindArguments;
    }

    /** The format that a template shows to its model; none if it shows no tools, or does it in a way not known here. */
    public static Optional<ToolFormat> of(ChatTemplate template) {
        String source = template.source();
        if (!template.showsTools()) {
            return Optional.empty();
        }
        if (source.contains(DEEPSEEK_BLOCK.callBegin)) {
            return Optional.of(source.contains("```json") ? DEEPSEEK_BLOCK : DEEPSEEK_PLAIN);
        }
        return source.contains(HERMES.callBegin) ? Optional.of(HERMES) : Optional.empty();
    }

    /** A constraint to exactly one call of one of the tools, with arguments that fulfil its schema. */
    public GrammarConstraint oneCall(List<ToolDefinition> tools, TokenTable table) {
        return ToolGrammar.oneCall(
                sectionBegin + callBegin + beforeName,
                beforeArguments,
                behindArguments + callEnd + sectionEnd,
                tools,
                table);
    }

    /** What no answer begins with but calls do. */
    List<String> marks() {
        return sectionBegin.isEmpty() ? List.of(callBegin) : List.of(sectionBegin, callBegin);
    }

    String callBegin() {
        return callBegin;
    }

    String callEnd() {
        return callEnd;
    }

    /** What stands between calls and means nothing. */
    List<String> between() {
        return sectionBegin.isEmpty() ? List.of() : List.of(sectionBegin, sectionEnd);
    }

    /** A call as it was written. @param arguments a JSON object */
    record Written(String name, String arguments) {}

    /** Reads what stands between the marks of a call; nothing if it is no call. */
    Optional<Written> read(String text) {
        try {
            if (this == HERMES) {
                JsonNode call = JSON.readTree(text);
                JsonNode arguments = call.path("arguments");
                boolean valid = call.path("name").isString() && (arguments.isObject() || arguments.isString());
                return valid
                        ? Optional.of(new Written(
                                call.path("name").asString(),
                                arguments.isString() ? arguments.asString() : arguments.toString()))
                        : Optional.empty();
            }
            int split = text.indexOf(beforeArguments.strip(), beforeName.length());
            if (!text.startsWith(beforeName) || split < 0) {
                return Optional.empty();
            }
            String arguments =
                    text.substring(split + beforeArguments.strip().length()).strip();
            String end = behindArguments.strip();
            if (!end.isEmpty() && arguments.endsWith(end)) {
                arguments = arguments
                        .substring(0, arguments.length() - end.length())
                        .strip();
            }
            return JSON.readTree(arguments).isObject()
                    ? Optional.of(new Written(
                            text.substring(beforeName.length(), split).strip(), arguments))
                    : Optional.empty();
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }
}
