package dev.fathom.serve;

import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.chat.ToolDefinition;
import dev.fathom.model.jinja.TemplateException;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerException;
import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.ChatRequest;
import dev.fathom.serve.api.ToolChoice;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A conversation as the tokens that a model goes on from. */
final class ChatPrompt {
    private static final String THINKING_ENDS = "</think>";

    private ChatPrompt() {}

    /** @throws ApiException if the model cannot read the conversation */
    static Prompt of(ServedModel model, ChatRequest request) {
        ChatTemplate template = model.template();
        Text text = template != null
                ? rendered(model, template, request)
                : model.hasAnswerTags() ? problem(model, request) : refuse(model);
        return new Prompt(encode(model.tokenizer(), text.text), text.format);
    }

    private record Text(String text, ReasoningFormat format) {}

    private static Text refuse(ServedModel model) {
        throw ApiException.invalid(
                "messages", "messages: the model \"" + model.name() + "\" has no chat template; use /v1/completions");
    }

    private static Text rendered(ServedModel model, ChatTemplate template, ChatRequest request) {
        Boolean thinking = template.choosesThinking() ? request.thinking().enabled() : null;
        ChatTemplate.Prompt prompt;
        try {
            prompt = template.render(
                    request.messages(), tools(model, request), model.tokenizer().specialTokens(), thinking);
        } catch (TemplateException e) {
            throw ApiException.invalid("messages", "messages: the chat template refuses them: " + e.getMessage());
        }
        String text = prompt.text();
        boolean open = prompt.opensThinking();
        if (open && request.thinking().disabled()) {
            // A template that always opens a thought: close it again.
            text = text.stripTrailing() + "\n\n" + THINKING_ENDS + "\n\n";
            open = false;
        }
        ChatMessage prefix = request.prefix();
        if (prefix != null) {
            return prefixed(text, open, prefix);
        }
        boolean mayThink =
                template.source().contains("<think>") && !request.thinking().disabled();
        return new Text(text, open ? ReasoningFormat.OPEN : mayThink ? ReasoningFormat.TAGGED : ReasoningFormat.NONE);
    }

    /** The answer begins as the client wrote it; with thoughts alone, the model goes on thinking. */
    private static Text prefixed(String text, boolean open, ChatMessage prefix) {
        String reasoning = prefix.reasoning();
        if (reasoning == null && !open) {
            return new Text(text + prefix.content(), ReasoningFormat.NONE);
        }
        String thoughts = text + (open ? "" : "<think>\n") + (reasoning == null ? "" : reasoning);
        return prefix.content().isEmpty() && reasoning != null
                ? new Text(thoughts, ReasoningFormat.OPEN)
                : new Text(thoughts + "\n" + THINKING_ENDS + "\n\n" + prefix.content(), ReasoningFormat.NONE);
    }

    private static List<ToolDefinition> tools(ServedModel model, ChatRequest request) {
        if (request.tools().isEmpty() || request.toolChoice() instanceof ToolChoice.None) {
            return List.of();
        }
        if (model.toolFormat().isEmpty()) {
            throw ApiException.invalid(
                    "tools", "tools: the model \"" + model.name() + "\" was not taught to use tools");
        }
        return request.tools();
    }

    /** A model of {@code fathom learn} was taught to solve problems, not to remember: the last one is what it gets. */
    private static Text problem(ServedModel model, ChatRequest request) {
        if (!request.tools().isEmpty()) {
            throw ApiException.invalid(
                    "tools", "tools: the model \"" + model.name() + "\" was not taught to use tools");
        }
        ChatMessage last = request.messages().getLast();
        if (!last.role().equals("user")) {
            throw ApiException.invalid("messages", "messages: the last must be the user's, found " + last.role());
        }
        ChatMessage prefix = request.prefix();
        if (prefix != null && prefix.reasoning() != null) {
            throw ApiException.invalid(
                    "messages",
                    "messages: the model \"" + model.name()
                            + "\" cannot go on from reasoning_content, only from content");
        }
        @Nullable String begin = model.tokenizer().specialTokens().bos();
        boolean thinks = prefix == null && !request.thinking().disabled();
        String text = (begin == null ? "" : begin)
                + model.problems().apply(last.content())
                + (thinks ? "" : "<think>" + THINKING_ENDS)
                + (prefix == null ? "" : "<answer>" + prefix.content());
        return new Text(text, ReasoningFormat.ANSWER_TAGS);
    }

    /** @throws ApiException if the model has no tokens for the text */
    private static int[] encode(Tokenizer tokenizer, String text) {
        try {
            return tokenizer.encode(text);
        } catch (TokenizerException e) {
            throw ApiException.invalid("messages", "messages: the model cannot read this: " + e.getMessage());
        }
    }
}
