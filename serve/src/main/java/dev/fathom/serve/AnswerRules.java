package dev.fathom.serve;

import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.infer.Sampling;
import dev.fathom.infer.grammar.GrammarConstraint;
import dev.fathom.infer.grammar.SchemaCompiler;
import dev.fathom.infer.grammar.SchemaException;
import dev.fathom.infer.tools.ToolFormat;
import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.ChatRequest;
import dev.fathom.serve.api.ResponseFormat;
import dev.fathom.serve.api.ToolChoice;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What an answer has to be, added to how it is sampled: JSON, a call, so many thoughts. Grammars are kept: clients send the same schema again and again. */
final class AnswerRules {
    private static final int MOST_GRAMMARS = 64;

    /** {@code </think>} and the white space around it. */
    private static final int END_OF_THINKING = 4;

    private final ServedModel model;
    private final SequencedMap<Object, GrammarConstraint> grammars = new LinkedHashMap<>(16, 0.75f, true);

    AnswerRules(ServedModel model) {
        this.model = model;
    }

    /** @throws ApiException naming the field that cannot be fulfilled */
    Sampling apply(ChatRequest request, Prompt prompt) {
        int room = room(model, prompt.tokens().length, "messages");
        Sampling sampling = request.sampling();
        int most = Math.min(sampling.maxTokens(), room);
        GrammarConstraint grammar = grammar(request);
        Integer budget = request.thinking().budget();
        boolean thinks = prompt.format() != ReasoningFormat.NONE && model.has("</think>");
        if (grammar != null) {
            int reserved = grammar.leastTokens() + (thinks ? END_OF_THINKING : 0);
            if (most < reserved) {
                throw ApiException.invalid(
                        "max_tokens",
                        "max_tokens: found room for " + most + " tokens, and the shortest answer of this form may need "
                                + reserved);
            }
            int left = most - reserved;
            budget = budget == null || budget > left ? Integer.valueOf(left) : budget;
            sampling = sampling.withConstraint(grammar);
        }
        return thinks ? sampling.withThinkingBudget(budget) : sampling;
    }

    /** Tokens that a response to such a prompt may have. */
    static int room(ServedModel model, int promptTokens, String param) {
        int room = model.engine().contextLength() - promptTokens;
        if (room < 1) {
            throw ApiException.tooLong(
                    param,
                    param + ": found " + promptTokens + " tokens, and prompt and response together may have "
                            + model.engine().contextLength());
        }
        return room;
    }

    private @Nullable GrammarConstraint grammar(ChatRequest request) {
        try {
            if (request.toolChoice() instanceof ToolChoice.Required(var tools)) {
                ToolFormat format = model.toolFormat().orElseThrow();
                return kept(tools, () -> format.oneCall(tools, model.table().get()));
            }
            return switch (request.format()) {
                case ResponseFormat.Text text -> null;
                case ResponseFormat.JsonObject object ->
                    kept(object, () -> SchemaCompiler.anyObject(model.table().get()));
                case ResponseFormat.JsonSchema(var schema, var path) ->
                    kept(
                            schema,
                            () -> SchemaCompiler.compile(schema, model.table().get()));
            };
        } catch (SchemaException e) {
            String param = request.format() instanceof ResponseFormat.JsonSchema schema
                    ? schema.path() + e.path()
                    : request.toolChoice() instanceof ToolChoice.Required ? "tools" + e.path() : "response_format";
            throw ApiException.invalid(param, param + ": " + Objects.toString(e.getMessage()));
        }
    }

    private synchronized GrammarConstraint kept(Object key, Supplier<GrammarConstraint> make) {
        GrammarConstraint grammar = grammars.get(key);
        if (grammar == null) {
            grammar = make.get();
            grammars.put(key, grammar);
            if (grammars.size() > MOST_GRAMMARS) {
                grammars.pollFirstEntry();
            }
        }
        return grammar;
    }
}
