package dev.fathom.infer.grammar;

import dev.fathom.model.chat.ToolDefinition;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Calls of functions as shapes. */
public final class ToolGrammar {
    private ToolGrammar() {}

    /**
     * One call of one of several tools, its arguments as the schema says.
     *
     * @param before what stands before the name; special tokens in it are written out
     * @param between what stands between name and arguments
     * @param behind what stands behind the arguments
     */
    public static GrammarConstraint oneCall(
            String before, String between, String behind, List<ToolDefinition> tools, TokenTable table) {
        List<Shape> calls = new ArrayList<>();
        for (ToolDefinition tool : tools) {
            calls.add(new Shape.Sequence(
                    new Shape.Literal(tool.name().getBytes(StandardCharsets.UTF_8)),
                    new Shape.Literal(table.encode(between)),
                    arguments(tool),
                    new Shape.Literal(table.encode(behind))));
        }
        return new GrammarConstraint(
                new Shape.Sequence(new Shape.Literal(table.encode(before)), Shape.Choice.of(calls)), table);
    }

    private static Shape arguments(ToolDefinition tool) {
        try {
            return SchemaCompiler.shape(tool.parameters());
        } catch (SchemaException e) {
            throw new SchemaException(
                    ".function.parameters" + e.path(), "tool \"" + tool.name() + "\": " + e.getMessage());
        }
    }
}
