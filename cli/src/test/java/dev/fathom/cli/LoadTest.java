package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.learn.Json;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Many streams at once, again and again, against {@code fathom serve} in a process of its own: 64 answers under way, 192 requests that wait, and sixteen
 * clients more than there is room for. Every stream must be what the same request is answered alone, to the character, and complete.
 *
 * <p>{@code -Dfathom.load.seconds=300} says how long (20), {@code -Dfathom.load.model=FILE} with which model (a tiny one).
 */
@Tag("long")
class LoadTest {
    private static final int RUNNING = 64;
    private static final int QUEUE = 192;
    private static final int CLIENTS = RUNNING + QUEUE + 16;

    /** Different requests; each is asked alone first. */
    private static final int REQUESTS = 32;

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Queue<Long> firstTokens = new ConcurrentLinkedQueue<>();
    private final AtomicLong complete = new AtomicLong();
    private final AtomicLong refused = new AtomicLong();
    private final AtomicLong tokens = new AtomicLong();
    private String url = "";

    @Test
    void everyStreamIsWholeAndItsOwn(@TempDir Path folder) throws Exception {
        int seconds = Integer.getInteger("fathom.load.seconds", 20);
        String named = System.getProperty("fathom.load.model");
        Path model = named == null ? TinyChatModel.write(folder.resolve("tiny")) : Path.of(named);
        try (ServerProcess server = ServerProcess.start(folder, model, "--running", RUNNING, "--queue", QUEUE);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            url = server.url();
            List<String> alone = new ArrayList<>();
            for (int i = 0; i < REQUESTS; i++) {
                alone.add(ask(body(i)).text());
            }
            firstTokens.clear();
            tokens.set(0);
            long begin = System.nanoTime();
            long end = begin + Duration.ofSeconds(seconds).toNanos();
            List<Future<?>> clients = new ArrayList<>();
            for (int client = 0; client < CLIENTS; client++) {
                int first = client;
                clients.add(threads.submit(() -> {
                    for (int i = first; System.nanoTime() < end; i++) {
                        Heard heard = ask(body(i % REQUESTS));
                        if (heard.refused) {
                            Thread.sleep(200);
                        } else {
                            assertThat(heard.text).isEqualTo(alone.get(i % REQUESTS));
                            complete.incrementAndGet();
                        }
                    }
                    return null;
                }));
            }
            List<Long> memory = new ArrayList<>();
            while (System.nanoTime() < end) {
                memory.add(residentMegabytes(server));
                Thread.sleep(1000);
            }
            for (Future<?> client : clients) {
                client.get();
            }
            double took = (System.nanoTime() - begin) * 1e-9;
            assertThat(server.get("/metrics").body()).contains("fathom_requests_running 0", "fathom_requests_queued 0");
            assertThat(server.errors()).doesNotContain("\tat ");
            report(took, memory);
            assertThat(complete.get()).isGreaterThanOrEqualTo(CLIENTS);
            assertThat(refused.get()).isPositive();
            if (seconds >= 60) {
                // Flat. In less time the JVM is still taking what it may have.
                assertThat(memory.getLast()).isLessThan(memory.get(memory.size() / 3) * 11 / 10 + 50);
            }
        }
    }

    private void report(double seconds, List<Long> memory) {
        long[] first = firstTokens.stream().mapToLong(Long::longValue).sorted().toArray();
        System.out.println(String.format(
                "%.0f s: %d streams complete and equal to the lone answer, %d refused with 429; %.0f tokens/s;"
                        + " time to first token p50 %d ms, p99 %d ms; resident memory %d MB after a third, %d MB at the end, %d MB at most",
                seconds,
                complete.get(),
                refused.get(),
                tokens.get() / seconds,
                first[first.length / 2],
                first[first.length * 99 / 100],
                memory.get(memory.size() / 3),
                memory.getLast(),
                memory.stream().flatMapToLong(LongStream::of).max().orElseThrow()));
    }

    private static String body(int request) {
        return "{\"messages\": [{\"role\": \"user\", \"content\": \"Question %d\"}], \"seed\": %d, \"max_tokens\": %d, \"stream\": true,"
                        .formatted(request, request, 20 + 5 * request)
                + " \"stream_options\": {\"include_usage\": true}}";
    }

    private record Heard(boolean refused, String text) {}

    /** Reads a stream to its end, which must be one. */
    private Heard ask(String body) throws IOException, InterruptedException {
        long begin = System.nanoTime();
        HttpResponse<java.util.stream.Stream<String>> response = http.send(
                HttpRequest.newBuilder(URI.create(url + "/v1/chat/completions"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofLines());
        if (response.statusCode() == 429) {
            assertThat(response.headers().firstValue("retry-after")).isPresent();
            // Read to its end: a body closed before lets the JDK's client close a connection that another request has
            // just been given.
            assertThat(response.body().collect(Collectors.joining())).contains("\"error\"");
            refused.incrementAndGet();
            return new Heard(true, "");
        }
        assertThat(response.statusCode()).isEqualTo(200);
        StringBuilder text = new StringBuilder();
        boolean done = false;
        boolean first = true;
        try (var lines = response.body()) {
            for (Iterator<String> each = lines.iterator(); each.hasNext(); ) {
                String line = each.next();
                assertThat(done && !line.isEmpty()).as("after [DONE]: " + line).isFalse();
                if (line.equals("data: [DONE]")) {
                    done = true;
                } else if (line.startsWith("data: ")) {
                    JsonNode chunk = Json.MAPPER.readTree(line.substring(6));
                    String piece =
                            chunk.at("/choices/0/delta/reasoning_content").asString("")
                                    + chunk.at("/choices/0/delta/content").asString("");
                    if (first && !piece.isEmpty()) {
                        first = false;
                        firstTokens.add((System.nanoTime() - begin) / 1_000_000);
                    }
                    text.append(piece);
                    tokens.addAndGet(chunk.at("/usage/completion_tokens").asLong(0));
                }
            }
        }
        assertThat(done).as("a stream without [DONE]").isTrue();
        return new Heard(false, text.toString());
    }

    private static long residentMegabytes(ServerProcess server) throws IOException {
        Path status = Path.of("/proc", Long.toString(server.handle().pid()), "status");
        if (!Files.exists(status)) {
            return 0;
        }
        return Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                .findFirst()
                .orElse(0);
    }
}
