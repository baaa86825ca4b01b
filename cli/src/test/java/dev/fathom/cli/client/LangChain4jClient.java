package dev.fathom.cli.client;

import dev.fathom.infer.Fathom;
import dev.fathom.infer.Sampling;
import dev.fathom.langchain4j.FathomChatModel;
import dev.fathom.langchain4j.FathomStreamingChatModel;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** LangChain4j's interfaces, over HTTP or in this process. */
public final class LangChain4jClient implements Client {
    private final ChatModel whole;
    private final StreamingChatModel streaming;

    private LangChain4jClient(ChatModel whole, StreamingChatModel streaming) {
        this.whole = whole;
        this.streaming = streaming;
    }

    /** With its client for OpenAI. */
    public static LangChain4jClient overHttp(String url, String model) {
        Map<String, Object> thinking =
                Map.of("thinking", Map.of("type", "enabled", "budget_tokens", Question.THOUGHTS));
        return new LangChain4jClient(
                OpenAiChatModel.builder()
                        .baseUrl(url + "/v1")
                        .apiKey("none")
                        .modelName(model)
                        .seed((int) Question.SEED)
                        .maxTokens(Question.TOKENS)
                        .returnThinking(true)
                        .strictJsonSchema(true)
                        .customParameters(thinking)
                        .timeout(Duration.ofSeconds(120))
                        .maxRetries(0)
                        .build(),
                OpenAiStreamingChatModel.builder()
                        .baseUrl(url + "/v1")
                        .apiKey("none")
                        .modelName(model)
                        .seed((int) Question.SEED)
                        .maxTokens(Question.TOKENS)
                        .returnThinking(true)
                        .strictJsonSchema(true)
                        .customParameters(thinking)
                        .timeout(Duration.ofSeconds(120))
                        .build());
    }

    /** With module {@code langchain4j}, no server. */
    public static LangChain4jClient inProcess(Fathom fathom) {
        Sampling sampling = fathom.defaults()
                .withSeed(Question.SEED)
                .withMaxTokens(Question.TOKENS)
                .withThinkingBudget(Question.THOUGHTS);
        return new LangChain4jClient(
                new FathomChatModel(fathom, sampling), new FathomStreamingChatModel(fathom, sampling));
    }

    private static ChatRequest request(Question question) {
        ChatRequest.Builder request = ChatRequest.builder().messages(UserMessage.from("Hello"));
        switch (question) {
            case PLAIN -> {}
            case TOOL ->
                request.toolSpecifications(ToolSpecification.builder()
                                .name("weather")
                                .parameters(JsonObjectSchema.builder()
                                        .addProperty(
                                                "city",
                                                JsonEnumSchema.builder()
                                                        .enumValues("Rome", "Oslo")
                                                        .build())
                                        .required("city")
                                        .build())
                                .build())
                        .toolChoice(ToolChoice.REQUIRED);
            case SCHEMA ->
                request.responseFormat(ResponseFormat.builder()
                        .type(ResponseFormatType.JSON)
                        .jsonSchema(JsonSchema.builder()
                                .name("age")
                                .rootElement(JsonRawSchema.from(Question.AGE))
                                .build())
                        .build());
        }
        return request.build();
    }

    @Override
    public Answer ask(Question question, boolean streamed) throws Exception {
        if (!streamed) {
            return answer(whole.chat(request(question)).aiMessage());
        }
        StringBuilder thinking = new StringBuilder();
        StringBuilder content = new StringBuilder();
        CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        streaming.chat(request(question), new StreamingChatResponseHandler() {
            @Override
            public void onPartialThinking(PartialThinking partial) {
                thinking.append(partial.text());
            }

            @Override
            public void onPartialResponse(String partial) {
                content.append(partial);
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
                done.complete(response);
            }

            @Override
            public void onError(Throwable error) {
                done.completeExceptionally(error);
            }
        });
        List<Answer.Call> calls =
                answer(done.get(120, TimeUnit.SECONDS).aiMessage()).calls();
        return new Answer(thinking.toString(), content.toString(), calls);
    }

    private static Answer answer(AiMessage message) {
        return Answer.of(
                message.thinking(),
                message.text(),
                message.toolExecutionRequests().stream()
                        .map(call -> new Answer.Call(call.name(), call.arguments()))
                        .toList());
    }
}
