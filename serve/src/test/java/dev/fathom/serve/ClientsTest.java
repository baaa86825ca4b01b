package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.openai.OpenAiChatOptions;
import tools.jackson.databind.JsonNode;

/** Clients that people use, as they use them: only the base URL is ours. */
class ClientsTest {
    private static TinyServer tiny;
    private static JsonNode expected;

    /** What all clients ask; the same seed gives all of them the same answer. */
    private static final String REQUEST =
            "{\"model\": \"tiny\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}],"
                    + " \"seed\": 7, \"max_tokens\": 60, \"thinking\": {\"type\": \"enabled\", \"budget_tokens\": 20}}";

    @BeforeAll
    static void start() {
        tiny = TinyServer.start();
        expected = tiny.chat(REQUEST).at("/choices/0/message");
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static String answer() {
        return expected.path("content").asString();
    }

    private static String thinking() {
        return expected.path("reasoning_content").asString();
    }

    @Test
    void openaiJava() {
        OpenAIClient client = OpenAIOkHttpClient.builder()
                .baseUrl(tiny.url() + "/v1")
                .apiKey("none")
                .maxRetries(0)
                .build();
        ChatCompletionCreateParams params = ChatCompletionCreateParams.builder()
                .model("tiny")
                .addUserMessage("Hello")
                .seed(7)
                .maxTokens(60)
                .putAdditionalBodyProperty("thinking", JsonValue.from(Map.of("type", "enabled", "budget_tokens", 20)))
                .build();
        ChatCompletion completion = client.chat().completions().create(params).validate();
        assertThat(completion.choices().getFirst().message().content()).contains(answer());
        assertThat(completion
                        .choices()
                        .getFirst()
                        .message()
                        ._additionalProperties()
                        .get("reasoning_content")
                        .asStringOrThrow())
                .isEqualTo(thinking());
        StringBuilder streamed = new StringBuilder();
        StringBuilder thoughts = new StringBuilder();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(params)) {
            stream.stream()
                    .forEach(chunk -> chunk.validate().choices().forEach(choice -> {
                        choice.delta().content().ifPresent(streamed::append);
                        JsonValue thought =
                                choice.delta()._additionalProperties().get("reasoning_content");
                        thoughts.append(thought == null ? "" : thought.asStringOrThrow());
                    }));
        }
        assertThat(streamed.toString()).isEqualTo(answer());
        assertThat(thoughts.toString()).isEqualTo(thinking());
        assertThat(client.models().list().data().getFirst().id()).isEqualTo("tiny");
        client.close();
    }

    @Test
    void langChain4jOverHttp() throws Exception {
        OpenAiChatModel model = OpenAiChatModel.builder()
                .baseUrl(tiny.url() + "/v1")
                .apiKey("none")
                .modelName("tiny")
                .seed(7)
                .maxTokens(60)
                .returnThinking(true)
                .customParameters(Map.of("thinking", Map.of("type", "enabled", "budget_tokens", 20)))
                .timeout(Duration.ofSeconds(120))
                .maxRetries(0)
                .build();
        ChatResponse response = model.chat(
                ChatRequest.builder().messages(UserMessage.from("Hello")).build());
        assertThat(response.aiMessage().text()).isEqualTo(answer());
        assertThat(response.aiMessage().thinking()).isEqualTo(thinking());
        OpenAiStreamingChatModel streaming = OpenAiStreamingChatModel.builder()
                .baseUrl(tiny.url() + "/v1")
                .apiKey("none")
                .modelName("tiny")
                .seed(7)
                .maxTokens(60)
                .returnThinking(true)
                .customParameters(Map.of("thinking", Map.of("type", "enabled", "budget_tokens", 20)))
                .timeout(Duration.ofSeconds(120))
                .build();
        StringBuilder thoughts = new StringBuilder();
        CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        streaming.chat("Hello", new StreamingChatResponseHandler() {
            @Override
            public void onPartialThinking(PartialThinking partial) {
                thoughts.append(partial.text());
            }

            @Override
            public void onCompleteResponse(ChatResponse complete) {
                done.complete(complete);
            }

            @Override
            public void onError(Throwable error) {
                done.completeExceptionally(error);
            }
        });
        assertThat(done.get(120, TimeUnit.SECONDS).aiMessage().text()).isEqualTo(answer());
        assertThat(thoughts.toString()).isEqualTo(thinking());
    }

    @Test
    void springAi() {
        OpenAiChatOptions options = OpenAiChatOptions.builder()
                .baseUrl(tiny.url() + "/v1")
                .apiKey("none")
                .model("tiny")
                .seed(7)
                .maxTokens(60)
                .extraBody(Map.of("thinking", Map.of("type", "enabled", "budget_tokens", 20)))
                .build();
        var model = org.springframework.ai.openai.OpenAiChatModel.builder()
                .options(options)
                .build();
        var message = model.call(new Prompt("Hello")).getResult().getOutput();
        assertThat(message.getText()).isEqualTo(answer());
        String streamed = model.stream(new Prompt("Hello"))
                .toStream()
                .flatMap(part -> part.getResults().stream())
                .map(part -> part.getOutput().getText())
                .filter(text -> text != null)
                .collect(Collectors.joining());
        assertThat(streamed).isEqualTo(answer());
    }

    @Test
    void curl(@TempDir Path folder) throws Exception {
        Path curl = onPath("curl");
        assumeTrue(curl != null, "curl is not there");
        String whole = run(
                folder,
                List.of(
                        curl.toString(),
                        "-sS",
                        "--max-time",
                        "100",
                        tiny.url() + "/v1/chat/completions",
                        "-H",
                        "Content-Type: application/json",
                        "-d",
                        REQUEST));
        assertThat(TinyServer.JSON.readTree(whole).at("/choices/0/message")).isEqualTo(expected);
        String stream = run(
                folder,
                List.of(
                        curl.toString(),
                        "-sSN",
                        "--max-time",
                        "100",
                        tiny.url() + "/v1/chat/completions",
                        "-H",
                        "Content-Type: application/json",
                        "-d",
                        REQUEST.substring(0, REQUEST.length() - 1) + ", \"stream\": true}"));
        assertThat(stream).contains("reasoning_content").endsWith("data: [DONE]\n\n");
    }

    /** The package is looked for where a global installation or FATHOM_NODE_PATH has it; the build downloads nothing for it. */
    @Test
    void openaiNpm(@TempDir Path folder) throws Exception {
        Path node = onPath("node");
        assumeTrue(node != null, "node is not there");
        String modules = System.getenv("FATHOM_NODE_PATH");
        assumeTrue(modules != null, "FATHOM_NODE_PATH names no node_modules folder with the package openai");
        Files.createSymbolicLink(folder.resolve("node_modules"), Path.of(modules));
        Path script = folder.resolve("openai.mjs");
        try (var in = ClientsTest.class.getResourceAsStream("/clients/openai.mjs")) {
            Files.copy(in, script);
        }
        JsonNode got = TinyServer.JSON.readTree(run(folder, List.of(node.toString(), script.toString(), tiny.url())));
        assertThat(got.at("/whole/content").asString()).isEqualTo(answer());
        assertThat(got.at("/whole/reasoning_content").asString()).isEqualTo(thinking());
        assertThat(got.path("content").asString()).isEqualTo(answer());
        assertThat(got.path("thinking").asString()).isEqualTo(thinking());
        assertThat(got.at("/call/name").asString()).isEqualTo("weather");
        assertThat(TinyServer.JSON
                        .readTree(got.path("json").asString())
                        .path("age")
                        .isInt())
                .isTrue();
        assertThat(got.path("models").get(0).asString()).isEqualTo("tiny");
    }

    private static Path onPath(String name) {
        for (String folder : System.getenv("PATH").split(":", -1)) {
            Path file = Path.of(folder, name);
            if (Files.isExecutable(file)) {
                return file;
            }
        }
        return null;
    }

    private static String run(Path folder, List<String> command) throws IOException, InterruptedException {
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        assertThat(process.waitFor(180, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue())
                .as(Files.readString(err, StandardCharsets.UTF_8))
                .isZero();
        return Files.readString(out, StandardCharsets.UTF_8);
    }
}
