package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Philox;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Clients that go away, read slowly or say nothing, and more of them than there is room for. */
class FaultsTest {
    private static final String BODY =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi %d\"}], \"seed\": %d, \"max_tokens\": %d, \"stream\": %b}";

    private static String http(String body) {
        return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                + body.getBytes(StandardCharsets.UTF_8).length + "\r\n\r\n" + body;
    }

    @Test
    void clientsThatGoAwayFreeTheirSlots() throws Exception {
        disconnect(60);
    }

    @Tag("long")
    @Test
    void tenThousandClientsThatGoAwayFreeTheirSlots() throws Exception {
        disconnect(10_000);
    }

    /** At any moment: in the middle of the request, while it waits, before and between tokens, streamed or not. */
    private static void disconnect(int clients) throws Exception {
        try (TinyServer tiny = TinyServer.start();
                ExecutorService threads = Executors.newFixedThreadPool(16)) {
            List<Future<?>> done = new ArrayList<>();
            for (int i = 0; i < clients; i++) {
                int number = i;
                done.add(threads.submit((Callable<Void>) () -> {
                    byte[] request = http(BODY.formatted(number, number, 900, number % 3 != 0))
                            .getBytes(StandardCharsets.UTF_8);
                    float when = Philox.uniform(1, 2, number, 0);
                    int bytes = when < 0.2 ? (int) (when * 5 * request.length) : request.length;
                    try (Socket socket = new Socket("127.0.0.1", tiny.server.port())) {
                        if (number % 2 == 0) {
                            socket.setSoLinger(true, 0); // a reset instead of a farewell
                        }
                        socket.getOutputStream().write(request, 0, bytes);
                        socket.getOutputStream().flush();
                        if (number % 3 == 1 && bytes == request.length) {
                            socket.setSoTimeout(120_000);
                            socket.getInputStream().readNBytes((int) (when * 2000));
                        } else {
                            Thread.sleep((long) (when * 40));
                        }
                    }
                    return null;
                }));
            }
            for (Future<?> each : done) {
                each.get();
            }
            tiny.awaitIdle();
            // 900 tokens for each would be the price of not noticing.
            assertThat(tiny.engine.status().completionTokens()).isLessThan(450L * clients);
            assertThat(tiny.chat(
                                    "{\"messages\": [{\"role\": \"user\", \"content\": \"still there?\"}], \"max_tokens\": 3}")
                            .path("choices"))
                    .hasSize(1);
            assertThat(tiny.get("/metrics").body()).contains("fathom_clients_gone_total");
        }
    }

    @Test
    void aClientThatNeitherReadsNorWritesIsLetGo() throws Exception {
        try (TinyServer tiny = TinyServer.start(
                        options -> options.withClientPatience(Duration.ofMillis(700)), options -> options);
                Socket silent = new Socket("127.0.0.1", tiny.server.port());
                Socket half = new Socket("127.0.0.1", tiny.server.port())) {
            silent.setSoTimeout(30_000);
            half.setSoTimeout(30_000);
            half.getOutputStream()
                    .write("POST /v1/chat/completions HTTP/1.1\r\nContent-Le".getBytes(StandardCharsets.UTF_8));
            assertThat(readToEnd(silent)).isEmpty();
            readToEnd(half);
            tiny.awaitIdle();
        }
    }

    private static String readToEnd(Socket socket) throws IOException {
        try (InputStream in = socket.getInputStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void moreRequestsThanThereIsRoomForAreToldToComeBack() throws Exception {
        try (TinyServer tiny = TinyServer.start(
                        options -> options, options -> options.withMaxRunning(1).withMaxQueued(1));
                ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<HttpResponse<String>>> responses = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                String body = BODY.formatted(i, i, 150, false);
                responses.add(threads.submit(() -> tiny.post("/v1/chat/completions", body)));
            }
            int refused = 0;
            for (Future<HttpResponse<String>> each : responses) {
                HttpResponse<String> response = each.get();
                if (response.statusCode() == 429) {
                    refused++;
                    assertThat(response.headers().firstValue("retry-after")).isPresent();
                } else {
                    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
                }
            }
            assertThat(refused).isBetween(1, 11);
            tiny.awaitIdle();
        }
    }

    /** A hundred requests, some sampled, some greedy, some with a schema: each alone, and then all at once, whole or streamed. */
    @Test
    void theSameAnswersAloneAndUnderLoad() throws Exception {
        try (TinyServer tiny = TinyServer.start(
                        options -> options,
                        options -> options.withMaxRunning(64).withMaxQueued(512));
                ExecutorService threads = Executors.newCachedThreadPool()) {
            List<String> alone = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                alone.add(answer(tiny, i));
            }
            assertThat(alone.stream().distinct().count()).isGreaterThan(90);
            List<Future<String>> crowd = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                int number = i;
                crowd.add(threads.submit(() -> answer(tiny, number)));
            }
            int same = 0;
            for (int i = 0; i < 100; i++) {
                same += crowd.get(i).get().equals(alone.get(i)) ? 1 : 0;
            }
            assertThat(same).isEqualTo(100);
            tiny.awaitIdle();
        }
    }

    /** What the request of this number is answered. */
    private static String answer(TinyServer tiny, int number) {
        boolean streamed = number % 2 == 0;
        String body = BODY.formatted(number, number, 30 + number % 40, streamed);
        String more = number % 5 == 1
                ? ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": {\"type\": \"integer\"}}}"
                : number % 5 == 2
                        ? ", \"temperature\": 0"
                        : number % 5 == 3 ? ", \"top_p\": 0.8, \"presence_penalty\": 0.5" : "";
        String request = body.substring(0, body.length() - 1) + more + "}";
        if (streamed) {
            return text(tiny.stream("/v1/chat/completions", request));
        }
        JsonNode message = tiny.chat(request).at("/choices/0/message");
        return message.path("reasoning_content").asString("")
                + message.path("content").asString("");
    }

    private static String text(List<JsonNode> chunks) {
        StringBuilder text = new StringBuilder();
        for (JsonNode chunk : chunks) {
            text.append(chunk.at("/choices/0/delta/reasoning_content").asString(""))
                    .append(chunk.at("/choices/0/delta/content").asString(""));
        }
        return text.toString();
    }

    @Test
    void atTheEndAnswersUnderWayComeToTheirs() throws Exception {
        try (TinyServer tiny = TinyServer.start();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            String body = BODY.formatted(1, 1, 200, true);
            Future<List<JsonNode>> answer = threads.submit(() -> tiny.stream("/v1/chat/completions", body));
            while (tiny.engine.status().completionTokens() == 0) {
                Thread.sleep(1);
            }
            Future<Boolean> drained = threads.submit(() -> tiny.server.drain(Duration.ofSeconds(60)));
            while (!tiny.server.isDraining()) {
                Thread.sleep(1);
            }
            assertThat(tiny.post("/v1/chat/completions", body).statusCode()).isEqualTo(503);
            assertThat(tiny.get("/health").statusCode()).isEqualTo(503);
            assertThat(answer.get()).isNotEmpty();
            assertThat(drained.get()).isTrue();
        }
    }
}
