package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.cli.client.Answer;
import dev.fathom.cli.client.Client;
import dev.fathom.cli.client.LangChain4jClient;
import dev.fathom.cli.client.OpenAiJavaClient;
import dev.fathom.cli.client.ProgramClient;
import dev.fathom.cli.client.Question;
import dev.fathom.cli.client.SpringAiClient;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.learn.Json;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * The client matrix: every client that people use against {@code fathom serve} in a process of its own, each with a plain answer, a tool and a
 * JSON schema, whole and streamed, the reasoning always apart. The same seed gives all of them the same answer.
 */
class ClientsTest {
    private static final String MODEL = "tiny";

    @TempDir
    private static Path folder;

    private static ServerProcess server;
    private static Engine engine;
    private static dev.fathom.infer.Fathom inProcess;
    private static JsonNode expected;

    @BeforeAll
    static void start() throws Exception {
        Path model = TinyChatModel.write(folder.resolve(MODEL));
        server = ServerProcess.start(folder, model, "--precision", "f32", "--threads", 1);
        engine = Engine.vector(Precision.F32, 1);
        inProcess = dev.fathom.infer.Fathom.load(model, engine, new dev.fathom.infer.Fathom.Options(null, 4, 4));
        HttpResponse<String> response = server.post(
                "/v1/chat/completions",
                ProgramClient.request(MODEL, Question.PLAIN, false).toString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        expected = Json.MAPPER.readTree(response.body()).at("/choices/0/message");
    }

    @AfterAll
    static void stop() {
        if (inProcess != null) {
            inProcess.close();
        }
        if (engine != null) {
            engine.close();
        }
        if (server != null) {
            server.close();
        }
    }

    static Stream<Arguments> matrix() {
        return Stream.of(
                        "openai-java",
                        "openai npm",
                        "langchain4j over HTTP",
                        "langchain4j in process",
                        "spring-ai",
                        "curl")
                .flatMap(client -> Stream.of(Question.values())
                        .flatMap(question -> Stream.of(false, true)
                                .map(streamed -> Arguments.of(client, question, streamed ? "streamed" : "whole"))));
    }

    private static Client client(String name) throws Exception {
        return switch (name) {
            case "openai-java" -> new OpenAiJavaClient(server.url(), MODEL);
            case "openai npm" -> openAiNpm();
            case "langchain4j over HTTP" -> LangChain4jClient.overHttp(server.url(), MODEL);
            case "langchain4j in process" -> LangChain4jClient.inProcess(inProcess);
            case "spring-ai" -> new SpringAiClient(server.url(), MODEL);
            case "curl" -> {
                Path curl = ProgramClient.find("curl");
                assumeTrue(curl != null, "curl is not there");
                yield ProgramClient.curl(newFolder(), curl, server.url(), MODEL);
            }
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** The build downloads nothing for it. */
    private static Client openAiNpm() throws Exception {
        Path node = ProgramClient.find("node");
        assumeTrue(node != null, "node is not there");
        @Nullable String modules = System.getenv("FATHOM_NODE_PATH");
        assumeTrue(
                modules != null && Files.isDirectory(Path.of(modules, "openai")),
                "FATHOM_NODE_PATH names no folder node_modules with the package openai");
        return ProgramClient.openAiNpm(newFolder(), node, Path.of(modules), server.url(), MODEL);
    }

    private static Path newFolder() throws Exception {
        return Files.createTempDirectory(folder, "client");
    }

    @ParameterizedTest(name = "{0}: {1}, {2}")
    @MethodSource("matrix")
    void understands(String name, Question question, String how) throws Exception {
        try (Client client = client(name)) {
            Answer answer = client.ask(question, how.equals("streamed"));
            assertThat(answer.thinking()).isNotEmpty().doesNotContain("</think>");
            switch (question) {
                case PLAIN -> {
                    assertThat(answer.thinking())
                            .isEqualTo(expected.path("reasoning_content").asString());
                    assertThat(answer.content())
                            .isNotEmpty()
                            .isEqualTo(expected.path("content").asString());
                    assertThat(answer.calls()).isEmpty();
                }
                case TOOL -> {
                    assertThat(answer.calls()).singleElement().satisfies(call -> {
                        assertThat(call.name()).isEqualTo("weather");
                        assertThat(Json.MAPPER
                                        .readTree(call.arguments())
                                        .path("city")
                                        .asString())
                                .isIn("Rome", "Oslo");
                    });
                    assertThat(answer.content()).isBlank();
                }
                case SCHEMA -> {
                    JsonNode json = Json.MAPPER.readTree(answer.content());
                    assertThat(json.propertyNames()).containsExactly("age");
                    assertThat(json.path("age").asInt(-1)).isBetween(0, 3);
                    assertThat(answer.calls()).isEmpty();
                }
            }
        }
    }
}
