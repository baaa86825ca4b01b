package dev.fathom.serve.api;

import dev.fathom.model.chat.ToolDefinition;
import java.util.List;

/** Whether the model may, must or must not ask for calls. */
public sealed interface ToolChoice {
    /** The model decides. */
    record Auto() implements ToolChoice {}

    /** No calls. */
    record None() implements ToolChoice {}

    /** At least one call, to one of these. */
    record Required(List<ToolDefinition> tools) implements ToolChoice {}

    /** Reads {@code tool_choice}. */
    static ToolChoice read(Fields request, List<ToolDefinition> tools) {
        if (!request.has("tool_choice")) {
            return tools.isEmpty() ? new None() : new Auto();
        }
        if (tools.isEmpty()) {
            throw ApiException.invalid("tool_choice", "tool_choice is only allowed when tools are specified");
        }
        if (request.isString("tool_choice")) {
            return switch (request.word("tool_choice", List.of("none", "auto", "required"))
                    .orElseThrow()) {
                case "none" -> new None();
                case "auto" -> new Auto();
                default -> new Required(tools);
            };
        }
        Fields choice = request.object("tool_choice").orElseThrow();
        choice.requireWord("type", "function");
        Fields function = choice.object("function").orElseThrow(() -> ApiException.missing(choice.path("function")));
        String name = function.requireString("name");
        List<ToolDefinition> named =
                tools.stream().filter(tool -> tool.name().equals(name)).toList();
        if (named.isEmpty()) {
            throw ApiException.expected(
                    function.path("name"),
                    "one of " + tools.stream().map(ToolDefinition::name).toList(),
                    "\"" + name + "\"");
        }
        return new Required(named);
    }
}
