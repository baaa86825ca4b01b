package dev.fathom.langchain4j;

import dev.fathom.infer.EngineBusyException;
import dev.fathom.infer.Fathom;
import dev.fathom.infer.Generation;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.infer.Sampling;
import dev.fathom.infer.grammar.GrammarConstraint;
import dev.fathom.infer.grammar.SchemaCompiler;
import dev.fathom.infer.grammar.SchemaException;
import dev.fathom.infer.grammar.TokenTable;
import dev.fathom.infer.tools.ToolCallParser;
import dev.fathom.infer.tools.ToolFormat;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.chat.ToolCall;
import dev.fathom.model.chat.ToolDefinition;
import dev.fathom.model.jinja.TemplateException;
import dev.fathom.model.tokenizer.TokenizerException;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** LangChain4j's requests as the engine's. */
final class Requests {
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Fathom fathom;
    private final Sampling defaults;
    private @Nullable TokenTable table;

    Requests(Fathom fathom, Sampling defaults) {
        this.fathom = fathom;
        this.defaults = defaults;
    }

    String name() {
        return fathom.name();
    }

    /** Submits a request; {@code answer} hears what becomes of it. */
    Generation submit(ChatRequest request, Answer answer) {
        try {
            Prompt prompt = prompt(request);
            return fathom.engine().submit(prompt, sampling(request, prompt), answer);
        } catch (EngineBusyException e) {
            throw new RateLimitException(e);
        } catch (IllegalArgumentException | TemplateException | TokenizerException | SchemaException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
    }

    static ChatResponse await(CompletableFuture<ChatResponse> response) {
        try {
            return response.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    /** Separates calls from text, null if the request has no tools. */
    @Nullable
    ToolCallParser calls(ChatRequest request) {
        return tools(request).isEmpty() ? null : new ToolCallParser(format());
    }

    private Prompt prompt(ChatRequest request) {
        List<ChatMessage> messages =
                request.messages().stream().map(Requests::message).toList();
        List<ToolDefinition> tools = tools(request);
        ChatTemplate template = fathom.chatTemplate();
        if (tools.isEmpty() || template == null) {
            return fathom.prompt(messages, null);
        }
        format();
        ChatTemplate.Prompt rendered =
                template.render(messages, tools, fathom.tokenizer().specialTokens(), null);
        return new Prompt(
                fathom.tokenizer().encode(rendered.text()),
                rendered.opensThinking() ? ReasoningFormat.OPEN : ReasoningFormat.TAGGED);
    }

    private ToolFormat format() {
        ChatTemplate template = fathom.chatTemplate();
        if (template == null) {
            throw new UnsupportedFeatureException(name() + " was not taught to use tools");
        }
        return ToolFormat.of(template)
                .orElseThrow(() -> new UnsupportedFeatureException(name() + " was not taught to use tools"));
    }

    private static ChatMessage message(dev.langchain4j.data.message.ChatMessage message) {
        return switch (message) {
            case SystemMessage system -> ChatMessage.system(system.text());
            case UserMessage user -> {
                if (!user.hasSingleText()) {
                    throw new UnsupportedFeatureException("the model reads one text per message, nothing else");
                }
                yield ChatMessage.user(user.singleText());
            }
            case AiMessage ai ->
                ChatMessage.assistant(
                        Objects.requireNonNullElse(ai.text(), ""),
                        ai.thinking(),
                        ai.toolExecutionRequests().stream()
                                .map(call -> new ToolCall(
                                        Objects.requireNonNullElse(call.id(), ""), call.name(), call.arguments()))
                                .toList());
            case ToolExecutionResultMessage result ->
                ChatMessage.tool(Objects.requireNonNullElse(result.id(), ""), result.text());
            default -> throw new UnsupportedFeatureException("messages of type " + message.type());
        };
    }

    private static List<ToolDefinition> tools(ChatRequest request) {
        List<ToolSpecification> tools = request.toolSpecifications();
        if (tools == null || request.toolChoice() == ToolChoice.NONE) {
            return List.of();
        }
        return tools.stream()
                .map(tool -> new ToolDefinition(
                        tool.name(),
                        Objects.requireNonNullElse(tool.description(), ""),
                        tool.parameters() == null
                                ? JSON.createObjectNode().put("type", "object")
                                : (ObjectNode)
                                        JSON.<JsonNode>valueToTree(JsonSchemaElementUtils.toMap(tool.parameters()))))
                .toList();
    }

    private Sampling sampling(ChatRequest request, Prompt prompt) {
        Sampling sampling = defaults;
        sampling = request.temperature() == null ? sampling : sampling.withTemperature(request.temperature());
        sampling = request.topP() == null ? sampling : sampling.withTopP(request.topP());
        sampling = request.topK() == null ? sampling : sampling.withTopK(request.topK());
        sampling = request.frequencyPenalty() == null
                ? sampling
                : sampling.withFrequencyPenalty(request.frequencyPenalty());
        sampling =
                request.presencePenalty() == null ? sampling : sampling.withPresencePenalty(request.presencePenalty());
        sampling = request.maxOutputTokens() == null ? sampling : sampling.withMaxTokens(request.maxOutputTokens());
        List<String> stop = request.stopSequences();
        sampling = stop == null || stop.isEmpty() ? sampling : sampling.withStop(stop);
        GrammarConstraint grammar = grammar(request);
        if (grammar == null) {
            return sampling;
        }
        boolean thinks = prompt.format() != ReasoningFormat.NONE
                && fathom.tokenizer().id("</think>").isPresent();
        int room = Math.min(sampling.maxTokens(), fathom.contextLength() - prompt.tokens().length)
                - grammar.leastTokens()
                - (thinks ? 4 : 0);
        if (room < 0) {
            throw new InvalidRequestException(
                    "maxOutputTokens: the shortest answer of this form needs " + -room + " more");
        }
        sampling = sampling.withConstraint(grammar);
        Integer budget = defaults.thinkingBudget();
        return thinks ? sampling.withThinkingBudget(budget == null ? room : Math.min(budget, room)) : sampling;
    }

    private @Nullable GrammarConstraint grammar(ChatRequest request) {
        List<ToolDefinition> tools = tools(request);
        if (!tools.isEmpty() && request.toolChoice() == ToolChoice.REQUIRED) {
            return format().oneCall(tools, table());
        }
        ResponseFormat format = request.responseFormat();
        if (format == null || format.type() != ResponseFormatType.JSON) {
            return null;
        }
        return format.jsonSchema() == null
                ? SchemaCompiler.anyObject(table())
                : SchemaCompiler.compile(
                        JSON.valueToTree(
                                JsonSchemaElementUtils.toMap(format.jsonSchema().rootElement())),
                        table());
    }

    private synchronized TokenTable table() {
        if (table == null) {
            table = TokenTable.of(fathom.tokenizer());
        }
        return table;
    }
}
