package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.learn.Json;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code fathom serve} and {@code learn --watch} as a user types them, in processes of their own. */
class ServeCommandTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String BODY =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}], \"seed\": 3, \"max_tokens\": %d, \"n\": %d, \"stream\": %b}";

    @TempDir
    private static Path folder;

    private static Path model;

    @BeforeAll
    static void release() throws Exception {
        model = TinyChatModel.write(folder.resolve("tiny"));
    }

    @Test
    void optionsDoWhatTheySay() throws Exception {
        Path key = Files.writeString(folder.resolve("key"), "secret\n");
        try (ServerProcess server = ServerProcess.start(
                        folder,
                        model,
                        "--name",
                        "mine",
                        "--api-key",
                        "@" + key,
                        "--max-body-mb",
                        1,
                        "--running",
                        1,
                        "--queue",
                        1,
                        "--cache-mb",
                        1,
                        "--reasoning-input",
                        "reject",
                        "--threads",
                        1);
                ExecutorService threads = Executors.newCachedThreadPool()) {
            String hello = BODY.formatted("Hello", 5, 1, false);
            String[] bearer = {"Authorization", "Bearer secret"};
            assertThat(server.get("/health").body()).contains("\"status\":\"ok\"");
            assertThat(server.post(CHAT, hello).statusCode()).isEqualTo(401);
            HttpResponse<String> answer = server.post(CHAT, hello, bearer);
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            assertThat(Json.MAPPER.readTree(answer.body()).path("model").asString())
                    .isEqualTo("mine");
            assertThat(error(server.post(CHAT, BODY.formatted("x".repeat(1_100_000), 5, 1, false), bearer), 413))
                    .contains("1048576");
            assertThat(error(
                            server.post(
                                    CHAT,
                                    "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\","
                                            + " \"reasoning_content\": \"c\"}, {\"role\": \"user\", \"content\": \"d\"}]}",
                                    bearer),
                            400))
                    .contains("messages[1].reasoning_content");
            List<Future<HttpResponse<String>>> many = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                many.add(threads.submit(() -> server.post(CHAT, BODY.formatted("Hello", 300, 1, false), bearer)));
            }
            int refused = 0;
            for (Future<HttpResponse<String>> each : many) {
                int status = each.get().statusCode();
                assertThat(status).isIn(200, 429);
                refused += status == 429 ? 1 : 0;
                assertThat(each.get().headers().firstValue("retry-after").isPresent())
                        .isEqualTo(status == 429);
            }
            assertThat(refused).isPositive();
        }
    }

    /** What {@code kill}, {@code docker stop} and a service manager do. */
    @Test
    void afterSigtermAnswersUnderWayComeToTheirEnd() throws Exception {
        try (ServerProcess server = ServerProcess.start(folder, model, "--threads", 1);
                ExecutorService threads = Executors.newCachedThreadPool()) {
            Future<HttpResponse<String>> stream =
                    threads.submit(() -> server.post(CHAT, BODY.formatted("Hello", 900, 24, true)));
            while (!server.get("/metrics").body().matches("(?s).*fathom_requests_running [1-9].*")) {
                Thread.sleep(5);
            }
            server.signal("TERM");
            Fathom.Result result = server.await();
            assertThat(stream.get().statusCode()).isEqualTo(200);
            assertThat(stream.get().body()).endsWith("data: [DONE]\n\n");
            assertThat(stream.get()
                            .body()
                            .lines()
                            .filter(line -> line.contains("\"finish_reason\":\"length\"")
                                    || line.contains("\"finish_reason\":\"stop\"")))
                    .hasSize(24);
            assertThat(result.exitCode()).isZero();
            assertThat(result.out()).isEmpty();
            assertThat(result.err())
                    .contains("No more requests", "All answers are complete.")
                    .doesNotContain("helidon", "channels", "INFO", "\tat ");
        }
    }

    @Test
    void mistakesAreNamed() throws Exception {
        refused("does not exist", "serve", folder.resolve("none"));
        refused("--port must be between 0 and 65535, was 70000", "serve", model, "--port", 70000);
        refused("--running must be at least 1", "serve", model, "--running", 0);
        refused("--queue must be at least 1", "serve", model, "--queue", 0);
        refused("--reasoning-input must be accept, reject or require", "serve", model, "--reasoning-input", "maybe");
        refused("--api-key: cannot read", "serve", model, "--api-key", "@" + folder.resolve("none"));
        refused(
                "cannot listen on nowhere.invalid, port 8080",
                "serve",
                model,
                "--host",
                "nowhere.invalid",
                "--api-key",
                "k");
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            refused(
                    "cannot listen on 127.0.0.1, port " + taken.getLocalPort(),
                    "serve",
                    model,
                    "--port",
                    taken.getLocalPort());
            refused(
                    "cannot listen on 127.0.0.1, port " + taken.getLocalPort(),
                    "learn",
                    "--watch",
                    taken.getLocalPort());
        }
        refused("--watch must be between 0 and 65535", "learn", "--watch", -1);
        Path empty = Files.createDirectories(folder.resolve("empty"));
        assertThat(Fathom.run("serve", empty, "--port", 0).err())
                .contains("config.json")
                .doesNotContain("\tat ");
    }

    private static void refused(String message, Object... words) {
        Fathom.Result result = Fathom.run(words);
        assertThat(result.exitCode()).as(result.err()).isEqualTo(2);
        assertThat(result.err()).contains(message).doesNotContain("\tat ");
    }

    private static String error(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        return Json.MAPPER.readTree(response.body()).path("error").toString();
    }

    /** The dashboard while a run learns, and then its model behind the server, asked as people ask. */
    @Test
    void aRunIsWatchedAndServed() throws Exception {
        Path runs = Files.createDirectories(folder.resolve("runs"));
        Path run = runs.resolve("mine");
        Process learning = Fathom.process(
                        "", "learn", "--recipe", Fathom.tinyRecipe(folder), "--out", run, "--watch", 0)
                .redirectErrorStream(true)
                .start();
        try (var out = learning.inputReader()) {
            String line = out.readLine();
            while (line != null && !line.startsWith("watch the run: ")) {
                line = out.readLine();
            }
            assertThat(line).isNotNull();
            String url = line.substring("watch the run: ".length(), line.length() - "/runs".length());
            while (line != null && !line.startsWith("pretrain  2/20")) {
                line = out.readLine();
            }
            assertThat(ServerProcess.get(url, "/runs").body()).contains("<!doctype html>");
            assertThat(ServerProcess.get(url, "/runs/list").body()).contains("mine", "running");
            assertThat(ServerProcess.get(url, "/runs/file/metrics?run=mine").body())
                    .contains("\"step\"");
            assertThat(ServerProcess.get(url, "/v1/models").statusCode()).isEqualTo(503);
            assertThat(out.lines().filter(each -> each.contains("helidon") || each.startsWith("INFO")))
                    .isEmpty();
            assertThat(learning.waitFor()).isZero();
        } finally {
            learning.destroyForcibly();
        }
        try (ServerProcess server = ServerProcess.start(folder, run, "--threads", 1)) {
            JsonNode typed = answer(server, "12 * 3");
            assertThat(typed).isEqualTo(answer(server, "12*3="));
            assertThat(typed.path("message"))
                    .isNotEqualTo(answer(server, "12*4=").path("message"));
            assertThat(error(server.post(CHAT, BODY.formatted("What is 12 times 3?", 30, 1, false)), 400))
                    .contains("the model cannot read this");
        }
        try (dev.fathom.infer.Fathom fathom = dev.fathom.infer.Fathom.load(run)) {
            assertThat(fathom.problem("12 * 3")).isEqualTo("12*3=");
            assertThat(fathom.problem("no problem")).isEqualTo("no problem");
        }
    }

    private static JsonNode answer(ServerProcess server, String problem) {
        HttpResponse<String> response = server.post(CHAT, BODY.formatted(problem, 30, 1, false));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        JsonNode body = Json.MAPPER.readTree(response.body());
        assertThat(body.at("/usage/prompt_tokens").asInt()).isEqualTo(6);
        return body.at("/choices/0");
    }
}
