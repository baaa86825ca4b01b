package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** What is wrong is said in OpenAI's form, with the field that is wrong. */
class ErrorsTest {
    private static TinyServer tiny;

    @BeforeAll
    static void start() {
        tiny = TinyServer.start(options -> options.withApiKey("secret").withMaxBody(100_000), options -> options);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> post(String path, String body) {
        return tiny.post(path, body, "Authorization", "Bearer secret");
    }

    private static final String HELLO = "\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{}|messages",
                "{\"messages\": []}|messages",
                "{\"messages\": 7}|messages",
                "{\"messages\": [{\"role\": \"king\", \"content\": \"Hi\"}]}|messages[0].role",
                "{\"messages\": [{\"role\": \"user\"}]}|messages[0].content",
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}|messages[0].content[0].type",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}|messages",
                "{H, \"temperature\": 3}|temperature",
                "{H, \"temperature\": \"hot\"}|temperature",
                "{H, \"top_p\": -1}|top_p",
                "{H, \"n\": 0}|n",
                "{H, \"max_tokens\": 1.5}|max_tokens",
                "{H, \"max_tokens\": 5, \"max_completion_tokens\": 6}|max_completion_tokens",
                "{H, \"stop\": [\"\"]}|stop",
                "{H, \"stop\": {}}|stop",
                "{H, \"seed\": 1e30}|seed",
                "{H, \"top_logprobs\": 2}|top_logprobs",
                "{H, \"logprobs\": true, \"top_logprobs\": 21}|top_logprobs",
                "{H, \"stream_options\": {}}|stream_options",
                "{H, \"thinking\": {\"type\": \"maybe\"}}|thinking.type",
                "{H, \"reasoning_effort\": \"enormous\"}|reasoning_effort",
                "{H, \"response_format\": {\"type\": \"xml\"}}|response_format.type",
                "{H, \"response_format\": {\"type\": \"json_schema\"}}|response_format.json_schema",
                "{H, \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"array\", \"uniqueItems\": true}}}}|response_format.json_schema.schema.uniqueItems",
                "{H, \"response_format\": {\"type\": \"json_object\"}, \"max_tokens\": 2}|max_tokens",
                "{H, \"tools\": [{\"type\": \"function\"}]}|tools[0].function",
                "{H, \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a b\"}}]}|tools[0].function.name",
                "{H, \"tool_choice\": \"auto\"}|tool_choice",
                "{H, \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}], \"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"g\"}}}|tool_choice.function.name",
                "{H, \"logit_bias\": {\"1\": 5}}|logit_bias",
                "{H, \"temprature\": 1}|temprature",
            })
    void theFieldIsNamed(String body, String param) {
        HttpResponse<String> response = post("/v1/chat/completions", body.replace("{H,", "{" + HELLO + ","));
        JsonNode error = TinyServer.JSON.readTree(response.body()).path("error");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(error.path("param").asString()).isEqualTo(param);
        assertThat(error.path("type").asString()).isEqualTo("invalid_request_error");
        assertThat(error.path("message").asString()).isNotEmpty();
    }

    @Test
    void otherErrors() {
        assertError(tiny.post("/v1/chat/completions", "{}"), 401, "invalid_api_key");
        assertError(tiny.post("/v1/chat/completions", "{}", "Authorization", "Bearer wrong"), 401, "invalid_api_key");
        assertError(post("/v1/chat/completions", "{\"model\": \"gpt-9\", " + HELLO + "}"), 404, "model_not_found");
        assertError(post("/v1/nothing", "{}"), 404, "not_found");
        assertError(tiny.get("/nothing"), 404, "not_found");
        assertError(tiny.get("/web/../Server.class"), 404, "not_found");
        assertError(post("/v1/chat/completions", "x".repeat(200_000)), 413, "request_too_large");
        assertError(post("/v1/chat/completions", "not json"), 400, "invalid_json");
        assertError(post("/v1/chat/completions", "[]"), 400, "invalid_json");
        assertError(post("/v1/chat/completions", "{} {}"), 400, "invalid_json");
        assertError(post("/v1/chat/completions", "{\"a\": 1, \"a\": 2}"), 400, "invalid_json");
        assertError(post("/v1/chat/completions", "[".repeat(50_000)), 400, "invalid_json");
        assertError(post("/v1/chat/completions", "{\"a\": " + "[".repeat(5_000)), 400, "invalid_json");
        assertError(post("/v1/chat/completions", ""), 400, "invalid_json");
        assertError(
                tiny.send(HttpRequest.newBuilder(URI.create(tiny.url() + "/v1/chat/completions"))
                        .header("Authorization", "Bearer secret")
                        .POST(HttpRequest.BodyPublishers.ofByteArray(new byte[] {'{', '"', (byte) 0xc3, '"', '}'}))),
                400,
                "invalid_json");
        assertError(
                post(
                        "/v1/chat/completions",
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"" + "a b ".repeat(2000) + "\"}]}"),
                400,
                "context_length_exceeded");
        assertError(
                tiny.post(
                        "/v1/chat/completions",
                        "{}",
                        "Authorization",
                        "Bearer secret",
                        "Origin",
                        "https://evil.example"),
                403,
                "http_403");
        // Health needs no key.
        assertThat(tiny.get("/health").statusCode()).isEqualTo(200);
    }

    private static void assertError(HttpResponse<String> response, int status, String code) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.headers().firstValue("content-type").orElse("")).startsWith("application/json");
        assertThat(TinyServer.JSON.readTree(response.body()).at("/error/code").asString())
                .as(response.body())
                .isEqualTo(code);
    }

    /** Not even HTTP: a proper response all the same, or a closed connection; and the server goes on. */
    @ParameterizedTest
    @CsvSource({"GARBAGE", "GET / HTTP/9.9", "POST /v1/chat/completions HTTP/1.1"})
    void garbage(String line) throws IOException {
        String answer = raw(line + "\r\nContent-Length: -5\r\n\r\n\u0000\u0001\u0002");
        if (!answer.isEmpty()) {
            assertThat(answer).startsWith("HTTP/1.1 4");
        }
        assertThat(tiny.get("/health").statusCode()).isEqualTo(200);
    }

    private static String raw(String text) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", tiny.server.port())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
            socket.shutdownOutput();
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            InputStream in = socket.getInputStream();
            in.transferTo(all);
            return all.toString(StandardCharsets.UTF_8);
        }
    }
}
