package dev.fathom.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.infer.Fathom;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.LoadedModel;
import dev.fathom.infer.Sampling;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** LangChain4j's interfaces over a tiny model in this process. */
class FathomChatModelTest {
    private static final Tokenizer TOKENIZER = new BytePairTrainer(300, SpecialTokens.REASONING)
            .add("{\"name\": \"value\"} ".repeat(4))
            .train();
    private static final ChatTemplate TEMPLATE = ChatTemplate.parse(
            "{{ bos_token }}{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}{% for message in messages %}{{ message.content }}"
                    + "{% endfor %}<think>",
            "tiny.jinja");

    private static Engine kernels;
    private static Fathom fathom;

    @BeforeAll
    static void load() {
        kernels = Engine.vector(Precision.F32, 1);
        DeepseekModel model = DeepseekModel.random(
                DeepseekConfig.builder()
                        .vocabSize(TOKENIZER.vocabularySize())
                        .hiddenSize(32)
                        .intermediateSize(32)
                        .moeIntermediateSize(16)
                        .numHiddenLayers(2)
                        .numAttentionHeads(2)
                        .queryLoraRank(null)
                        .keyValueLoraRank(16)
                        .nopeHeadDim(8)
                        .ropeHeadDim(8)
                        .valueHeadDim(8)
                        .numRoutedExperts(4)
                        .numExpertsPerToken(2)
                        .initializerRange(0.3)
                        .maxPositionEmbeddings(512)
                        .build(),
                kernels,
                5);
        LoadedModel loaded = new LoadedModel(
                "tiny",
                model,
                TOKENIZER,
                TEMPLATE,
                Sampling.DEFAULT.withSeed(3L).withThinkingBudget(10),
                List.of(TOKENIZER.eosId().orElseThrow()));
        fathom = Fathom.of(loaded, GenerationEngine.Options.withPositions(4096));
    }

    @AfterAll
    static void close() {
        fathom.close();
        kernels.close();
    }

    private static ChatRequest.Builder hello() {
        return ChatRequest.builder().messages(UserMessage.from("Hello")).maxOutputTokens(40);
    }

    private record Heard(List<String> order, StringBuilder thinking, StringBuilder text, ChatResponse whole) {}

    private static Heard stream(ChatRequest request) throws Exception {
        List<String> order = new ArrayList<>();
        StringBuilder thinking = new StringBuilder();
        StringBuilder text = new StringBuilder();
        CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        new FathomStreamingChatModel(fathom).chat(request, new StreamingChatResponseHandler() {
            @Override
            public void onPartialThinking(PartialThinking partial) {
                order.add("thinking");
                thinking.append(partial.text());
            }

            @Override
            public void onPartialResponse(String partial) {
                order.add("text");
                text.append(partial);
            }

            @Override
            public void onCompleteToolCall(CompleteToolCall call) {
                order.add("call");
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
        return new Heard(order, thinking, text, done.get(60, TimeUnit.SECONDS));
    }

    @Test
    void thinkingAndAnswerWholeAndStreamed() throws Exception {
        ChatResponse response = new FathomChatModel(fathom).chat(hello().build());
        assertThat(response.aiMessage().thinking()).isNotEmpty();
        assertThat(response.aiMessage().text()).isNotEmpty();
        assertThat(response.metadata().tokenUsage().outputTokenCount()).isBetween(11, 40);
        Heard heard = stream(hello().build());
        assertThat(heard.thinking.toString()).isEqualTo(response.aiMessage().thinking());
        assertThat(heard.text.toString()).isEqualTo(response.aiMessage().text());
        assertThat(heard.whole.aiMessage()).isEqualTo(response.aiMessage());
        assertThat(heard.order.lastIndexOf("thinking")).isLessThan(heard.order.indexOf("text"));
    }

    @Test
    void aSchemaIsFulfilled() {
        ResponseFormat format = ResponseFormat.builder()
                .type(ResponseFormatType.JSON)
                .jsonSchema(JsonSchema.builder()
                        .name("person")
                        .rootElement(JsonObjectSchema.builder()
                                .addIntegerProperty("age")
                                .addEnumProperty("mood", List.of("good", "bad"))
                                .required("age", "mood")
                                .build())
                        .build())
                .build();
        ChatResponse response = new FathomChatModel(fathom)
                .chat(hello().maxOutputTokens(150).responseFormat(format).build());
        assertThat(JsonMapper.shared()
                        .readTree(response.aiMessage().text())
                        .path("mood")
                        .asString())
                .isIn("good", "bad");
        assertThatThrownBy(() -> new FathomChatModel(fathom)
                        .chat(hello().maxOutputTokens(5).responseFormat(format).build()))
                .isInstanceOf(InvalidRequestException.class);
    }

    @Test
    void aCall() throws Exception {
        ChatRequest request = hello().maxOutputTokens(200)
                .toolSpecifications(ToolSpecification.builder()
                        .name("weather")
                        .parameters(JsonObjectSchema.builder()
                                .addEnumProperty("city", List.of("Rome"))
                                .required("city")
                                .build())
                        .build())
                .toolChoice(ToolChoice.REQUIRED)
                .build();
        ChatResponse response = new FathomChatModel(fathom).chat(request);
        assertThat(response.finishReason()).isEqualTo(FinishReason.TOOL_EXECUTION);
        assertThat(response.aiMessage().toolExecutionRequests().getFirst().arguments())
                .contains("Rome");
        assertThat(stream(request).order).contains("call").doesNotContain("text");
    }
}
