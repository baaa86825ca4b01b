package dev.fathom.cli.client;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatModel.ResponseFormat;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.definition.DefaultToolDefinition;
import org.springframework.ai.tool.definition.ToolDefinition;

/** Spring AI's OpenAI model, as its starter makes it. */
public final class SpringAiClient implements Client {
    private final String url;
    private final String name;

    public SpringAiClient(String url, String model) {
        this.url = url;
        this.name = model;
    }

    private OpenAiChatModel model(Question question) {
        var options = OpenAiChatOptions.builder()
                .baseUrl(url + "/v1")
                .apiKey("none")
                .model(name)
                .seed((int) Question.SEED)
                .maxTokens(Question.TOKENS)
                .extraBody(Map.of("thinking", Map.of("type", "enabled", "budget_tokens", Question.THOUGHTS)));
        switch (question) {
            case PLAIN -> {}
            case TOOL -> options.toolCallbacks(List.of(new Weather())).toolChoice("required");
            case SCHEMA ->
                options.responseFormat(ResponseFormat.builder()
                        .type(ResponseFormat.Type.JSON_SCHEMA)
                        .jsonSchema(Question.AGE)
                        .build());
        }
        return OpenAiChatModel.builder().options(options.build()).build();
    }

    /** Is announced, never called. */
    private static final class Weather implements ToolCallback {
        @Override
        public ToolDefinition getToolDefinition() {
            return DefaultToolDefinition.builder()
                    .name("weather")
                    .description("tells the weather")
                    .inputSchema(Question.PARAMETERS)
                    .build();
        }

        @Override
        public String call(String input) {
            throw new AssertionError("nobody asked to call it");
        }
    }

    @Override
    public Answer ask(Question question, boolean streamed) {
        Prompt prompt = new Prompt("Hello");
        if (!streamed) {
            return answer(model(question).call(prompt).getResult().getOutput());
        }
        StringBuilder thinking = new StringBuilder();
        StringBuilder content = new StringBuilder();
        List<Answer.Call> calls = new ArrayList<>();
        model(question).stream(prompt)
                .toStream()
                .flatMap(part -> part.getResults().stream())
                .map(Generation::getOutput)
                .map(SpringAiClient::answer)
                .forEach(part -> {
                    // Of the thinking each part has all there is so far, of the text what is new.
                    if (!part.thinking().isEmpty()) {
                        thinking.setLength(0);
                        thinking.append(part.thinking());
                    }
                    content.append(part.content());
                    calls.addAll(part.calls());
                });
        return new Answer(thinking.toString(), content.toString(), calls);
    }

    private static Answer answer(AssistantMessage message) {
        return Answer.of(
                (String) message.getMetadata().get("reasoningContent"),
                message.getText(),
                message.getToolCalls().stream()
                        .map(call -> new Answer.Call(call.name(), call.arguments()))
                        .toList());
    }
}
