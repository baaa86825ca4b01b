package dev.fathom.serve.api;

import dev.fathom.infer.Sampling;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ToolDefinition;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code POST /v1/chat/completions}.
 *
 * @param model which was asked for, null for the one there is
 * @param messages oldest first
 * @param prefix how the answer begins, null for the model's own beginning
 * @param n how many answers
 */
public record ChatRequest(
        @Nullable String model,
        List<ChatMessage> messages,
        @Nullable ChatMessage prefix,
        Sampling sampling,
        Thinking thinking,
        ResponseFormat format,
        List<ToolDefinition> tools,
        ToolChoice toolChoice,
        int n,
        Streaming streaming) {
    /** Most answers to one request. */
    static final int MOST_ANSWERS = 128;

    private static final int MOST_LOG_PROBS = 20;

    private static final Set<String> KNOWN = known(
            "model",
            "messages",
            "max_completion_tokens",
            "thinking",
            "reasoning_effort",
            "response_format",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "n",
            "stream",
            "stream_options",
            "logprobs",
            "top_logprobs",
            "modalities",
            "logit_bias");

    static Set<String> known(String... names) {
        Set<String> known = new HashSet<>(Set.of(names));
        known.addAll(SamplingFields.NAMES);
        known.addAll(SamplingFields.WITHOUT_EFFECT);
        return Set.copyOf(known);
    }

    /**
     * Reads and checks a request.
     *
     * @param defaults the model's sampling
     * @param contextLength what a share of is a thinking budget
     */
    public static ChatRequest read(ObjectNode body, Sampling defaults, ReasoningInput rule, int contextLength) {
        Fields fields = Fields.of(body);
        fields.requireKnown(KNOWN);
        refuseOtherModalities(fields);
        refuseLogitBias(fields);
        List<ToolDefinition> tools = Messages.tools(fields);
        Messages.Conversation conversation = Messages.read(fields, rule, !tools.isEmpty());
        return new ChatRequest(
                fields.string("model").orElse(null),
                conversation.messages(),
                conversation.prefix(),
                sampling(fields, defaults),
                Thinking.read(fields, contextLength),
                ResponseFormat.read(fields),
                tools,
                ToolChoice.read(fields, tools),
                fields.smallInteger("n", 1, MOST_ANSWERS).orElse(1),
                Streaming.read(fields));
    }

    private static Sampling sampling(Fields fields, Sampling defaults) {
        Sampling sampling = SamplingFields.read(fields, defaults);
        OptionalInt most = fields.smallInteger("max_completion_tokens", 1, Integer.MAX_VALUE);
        if (most.isPresent()) {
            if (fields.has("max_tokens") && sampling.maxTokens() != most.getAsInt()) {
                throw ApiException.invalid(
                        "max_completion_tokens", "max_completion_tokens and max_tokens are two names of one limit");
            }
            sampling = sampling.withMaxTokens(most.getAsInt());
        }
        OptionalInt top = fields.smallInteger("top_logprobs", 0, MOST_LOG_PROBS);
        if (top.isPresent() && !fields.isTrue("logprobs")) {
            throw ApiException.invalid("top_logprobs", "top_logprobs needs \"logprobs\": true");
        }
        return fields.isTrue("logprobs") ? sampling.withLogProbs(top.orElse(0)) : sampling;
    }

    private static void refuseOtherModalities(Fields fields) {
        List<String> modalities = fields.strings("modalities", 10);
        if (!modalities.isEmpty() && !modalities.equals(List.of("text"))) {
            throw ApiException.expected("modalities", "[text]", modalities);
        }
    }

    private static void refuseLogitBias(Fields fields) {
        if (fields.object("logit_bias").filter(bias -> !bias.object().isEmpty()).isPresent()) {
            throw ApiException.unknown("logit_bias", "logit_bias is not supported by this server");
        }
    }
}
