package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.serve.api.ReasoningInput;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** {@code /v1/completions}, the rules for {@code reasoning_content} in what is sent, and a server without a model yet. */
class CompletionsTest {
    private static final String PATH = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";

    private static TinyServer tiny;

    @BeforeAll
    static void start() {
        tiny = TinyServer.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static JsonNode complete(String body) {
        HttpResponse<String> response = tiny.post(PATH, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return TinyServer.JSON.readTree(response.body());
    }

    private static JsonNode error(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        return TinyServer.JSON.readTree(response.body()).path("error");
    }

    @Test
    void textGoesOnWholeAndStreamed() {
        String body = "{\"prompt\": [\"the quick\", \"{\"], \"n\": 2, \"seed\": 5, \"max_tokens\": 20}";
        JsonNode whole = complete(body);
        assertThat(whole.path("object").asString()).isEqualTo("text_completion");
        assertThat(whole.path("choices")).hasSize(4);
        assertThat(whole.path("choices")
                        .valueStream()
                        .map(choice -> choice.path("index").asInt()))
                .containsExactly(0, 1, 2, 3);
        assertThat(whole.path("choices")
                        .valueStream()
                        .map(choice -> choice.path("text").asString())
                        .distinct())
                .hasSize(4);
        assertThat(whole.at("/usage/completion_tokens").asInt()).isBetween(4, 80);
        // A prompt counts once, however many answers it gets.
        int prompts = TinyServer.TOKENIZER.encodeDocument("the quick").length
                + TinyServer.TOKENIZER.encodeDocument("{").length;
        assertThat(whole.at("/usage/prompt_tokens").asInt()).isEqualTo(prompts);
        List<JsonNode> chunks = tiny.stream(
                PATH,
                body.substring(0, body.length() - 1)
                        + ", \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
        for (int i = 0; i < 4; i++) {
            int index = i;
            assertThat(chunks.stream()
                            .flatMap(chunk -> chunk.path("choices").valueStream())
                            .filter(choice -> choice.path("index").asInt() == index)
                            .map(choice -> choice.path("text").asString())
                            .collect(Collectors.joining()))
                    .isEqualTo(whole.at("/choices/" + i + "/text").asString());
        }
        assertThat(chunks.getLast().path("choices")).isEmpty();
        assertThat(chunks.getLast().at("/usage/prompt_tokens").asInt()).isEqualTo(prompts);
    }

    @Test
    void aGapIsFilled() {
        JsonNode filled =
                complete("{\"prompt\": \"the quick \", \"suffix\": \" fox\", \"seed\": 5, \"max_tokens\": 8}");
        assertThat(filled.at("/usage/prompt_tokens").asInt())
                .isEqualTo(
                        TinyServer.TOKENIZER.encodeDocument("<|fim_prefix|>the quick <|fim_suffix|> fox<|fim_middle|>")
                                .length);
        assertThat(filled.at("/choices/0/text"))
                .isNotEqualTo(complete("{\"prompt\": \"the quick \", \"seed\": 5, \"max_tokens\": 8}")
                        .at("/choices/0/text"));
    }

    @Test
    void logProbsAndEcho() {
        JsonNode choice = complete(
                        "{\"prompt\": \"fox\", \"seed\": 5, \"max_tokens\": 6, \"logprobs\": 2, \"temperature\": 0}")
                .at("/choices/0");
        JsonNode logProbs = choice.path("logprobs");
        int tokens = logProbs.path("tokens").size();
        assertThat(tokens).isPositive();
        assertThat(logProbs.path("token_logprobs")).hasSize(tokens);
        assertThat(logProbs.path("top_logprobs")).hasSize(tokens);
        assertThat(logProbs.path("text_offset")).hasSize(tokens);
        for (int i = 0; i < tokens; i++) {
            double chosen = logProbs.at("/token_logprobs/" + i).asDouble();
            // Greedy: no other is likelier.
            assertThat(logProbs.at("/top_logprobs/" + i).valueStream().mapToDouble(JsonNode::asDouble))
                    .allMatch(other -> other <= chosen);
        }
        JsonNode echoed = complete("{\"prompt\": \"fox\", \"seed\": 5, \"max_tokens\": 6, \"echo\": true}")
                .at("/choices/0");
        assertThat(echoed.path("text").asString()).startsWith("fox");
        assertThat(error(tiny.post(PATH, "{\"prompt\": \"fox\", \"echo\": true, \"logprobs\": 1}"), 400)
                        .path("param")
                        .asString())
                .isEqualTo("logprobs");
        assertThat(error(tiny.post(PATH, "{\"prompt\": \"fox\", \"best_of\": 3}"), 400)
                        .path("param")
                        .asString())
                .isEqualTo("best_of");
        assertThat(complete("{\"prompt\": \"\", \"max_tokens\": 2}")
                        .at("/usage/prompt_tokens")
                        .asInt())
                .isEqualTo(1);
        assertThat(error(tiny.post(PATH, "{}"), 400).path("param").asString()).isEqualTo("prompt");
    }

    private static final String HISTORY =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Weather?\"}, {\"role\": \"assistant\", \"content\": \"\", %s \"tool_calls\":"
                    + " [{\"id\": \"c\", \"type\": \"function\", \"function\": {\"name\": \"weather\", \"arguments\": \"{}\"}}]},"
                    + " {\"role\": \"tool\", \"tool_call_id\": \"c\", \"content\": \"sunny\"}], \"max_tokens\": 3%s}";
    private static final String THOUGHT = "\"reasoning_content\": \"I look outside.\",";
    private static final String TOOLS =
            ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"weather\"}}]";

    /** The rule since V3.2: with tools what was thought must come back, without them it is left out. */
    @Test
    void reasoningIsRequired() {
        try (TinyServer strict = TinyServer.start(
                options -> options.withReasoningInput(ReasoningInput.REQUIRE_WITH_TOOLS), options -> options)) {
            assertThat(error(strict.post(CHAT, HISTORY.formatted("", TOOLS)), 400)
                            .path("param")
                            .asString())
                    .isEqualTo("messages[1].reasoning_content");
            int with = strict.chat(HISTORY.formatted(THOUGHT, TOOLS))
                    .at("/usage/prompt_tokens")
                    .asInt();
            assertThat(with)
                    .isEqualTo(tiny.chat(HISTORY.formatted(THOUGHT, TOOLS))
                            .at("/usage/prompt_tokens")
                            .asInt());
            int without = strict.chat(HISTORY.formatted("", ""))
                    .at("/usage/prompt_tokens")
                    .asInt();
            assertThat(strict.chat(HISTORY.formatted(THOUGHT, ""))
                            .at("/usage/prompt_tokens")
                            .asInt())
                    .isEqualTo(without);
            // The usual rule leaves that to the template, and this one shows it.
            assertThat(tiny.chat(HISTORY.formatted(THOUGHT, ""))
                            .at("/usage/prompt_tokens")
                            .asInt())
                    .isGreaterThan(without);
        }
    }

    /** The rule of January 2025. */
    @Test
    void reasoningIsRejected() {
        try (TinyServer strict =
                TinyServer.start(options -> options.withReasoningInput(ReasoningInput.REJECT), options -> options)) {
            assertThat(error(strict.post(CHAT, HISTORY.formatted(THOUGHT, TOOLS)), 400)
                            .path("param")
                            .asString())
                    .isEqualTo("messages[1].reasoning_content");
            assertThat(strict.chat(HISTORY.formatted("", TOOLS)).path("choices"))
                    .hasSize(1);
        }
    }

    @Test
    void untilThereIsAModel() throws Exception {
        try (Server server = Server.start(ServerOptions.DEFAULT.withAddress("127.0.0.1", 0));
                HttpClient client = HttpClient.newHttpClient()) {
            HttpResponse<String> response = client.send(
                    HttpRequest.newBuilder(URI.create(server.url() + CHAT))
                            .POST(HttpRequest.BodyPublishers.ofString("{}"))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            assertThat(error(response, 503).path("message").asString()).contains("being loaded");
            assertThat(response.headers().firstValue("retry-after")).isPresent();
            HttpResponse<String> health = client.send(
                    HttpRequest.newBuilder(URI.create(server.url() + "/health")).build(),
                    HttpResponse.BodyHandlers.ofString());
            assertThat(health.statusCode()).isEqualTo(503);
            assertThat(health.body()).contains("\"loading\"");
        }
    }
}
