package dev.fathom.cli.client;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.ResponseFormatJsonSchema;
import com.openai.models.ResponseFormatJsonSchema.JsonSchema;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionMessage;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** OpenAI's own library for Java. */
public final class OpenAiJavaClient implements Client {
    private final OpenAIClient client;
    private final String model;

    public OpenAiJavaClient(String url, String model) {
        this.client = OpenAIOkHttpClient.builder()
                .baseUrl(url + "/v1")
                .apiKey("none")
                .maxRetries(0)
                .build();
        this.model = model;
    }

    private ChatCompletionCreateParams request(Question question) {
        ChatCompletionCreateParams.Builder request = ChatCompletionCreateParams.builder()
                .model(model)
                .addUserMessage("Hello")
                .seed(Question.SEED)
                .maxTokens(Question.TOKENS)
                .putAdditionalBodyProperty(
                        "thinking", JsonValue.from(Map.of("type", "enabled", "budget_tokens", Question.THOUGHTS)));
        switch (question) {
            case PLAIN -> {}
            case TOOL ->
                request.addFunctionTool(FunctionDefinition.builder()
                                .name("weather")
                                .parameters(FunctionParameters.builder()
                                        .putAllAdditionalProperties(json(Question.PARAMETERS))
                                        .build())
                                .build())
                        .toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED);
            case SCHEMA ->
                request.responseFormat(ResponseFormatJsonSchema.builder()
                        .jsonSchema(JsonSchema.builder()
                                .name("age")
                                .strict(true)
                                .schema(JsonSchema.Schema.builder()
                                        .putAllAdditionalProperties(json(Question.AGE))
                                        .build())
                                .build())
                        .build());
        }
        return request.build();
    }

    private static Map<String, JsonValue> json(String text) {
        Map<String, JsonValue> members = new java.util.LinkedHashMap<>();
        JsonMapper.shared()
                .readTree(text)
                .propertyStream()
                .forEach(member -> members.put(
                        member.getKey(),
                        JsonValue.from(JsonMapper.shared().convertValue(member.getValue(), Object.class))));
        return members;
    }

    @Override
    public Answer ask(Question question, boolean streamed) {
        ChatCompletionCreateParams request = request(question);
        if (!streamed) {
            ChatCompletionMessage message = client.chat()
                    .completions()
                    .create(request)
                    .validate()
                    .choices()
                    .getFirst()
                    .message();
            JsonValue thinking = message._additionalProperties().get("reasoning_content");
            return answer(thinking == null ? "" : thinking.asStringOrThrow(), message);
        }
        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        StringBuilder thinking = new StringBuilder();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(request)) {
            stream.stream().forEach(chunk -> {
                whole.accumulate(chunk.validate());
                chunk.choices().forEach(choice -> {
                    JsonValue thought = choice.delta()._additionalProperties().get("reasoning_content");
                    thinking.append(thought == null ? "" : thought.asStringOrThrow());
                });
            });
        }
        return answer(
                thinking.toString(), whole.chatCompletion().choices().getFirst().message());
    }

    private static Answer answer(String thinking, ChatCompletionMessage message) {
        return Answer.of(
                thinking,
                message.content().orElse(""),
                message.toolCalls().orElse(List.of()).stream()
                        .map(call -> call.asFunction().function())
                        .map(function -> new Answer.Call(function.name(), function.arguments()))
                        .toList());
    }

    @Override
    public void close() {
        client.close();
    }
}
