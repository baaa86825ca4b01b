package dev.fathom.serve;

import dev.fathom.infer.EngineStatus;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** {@code GET /metrics}: what the server counts, in the format of Prometheus. */
final class ServerMetrics implements Handler {
    /** Other paths count as one: whoever invents paths must not fill the memory. */
    private static final Set<String> PATHS =
            Set.of("/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/metrics", "/runs", "/");

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Server server;
    private final Timer firstToken;
    private final Counter clientsGone;

    ServerMetrics(Server server) {
        this.server = server;
        firstToken = Timer.builder("fathom.first.token")
                .description("From a request to the first token of its answer")
                .publishPercentiles(0.5, 0.99)
                .serviceLevelObjectives(
                        Duration.ofMillis(50), Duration.ofMillis(200), Duration.ofSeconds(1), Duration.ofSeconds(5))
                .register(registry);
        clientsGone = Counter.builder("fathom.clients.gone")
                .description("Clients that left before their answer was complete")
                .register(registry);
        gauge("fathom.requests.running", "Requests with tokens under way", EngineStatus::running);
        gauge("fathom.requests.queued", "Requests that wait", EngineStatus::queued);
        gauge("fathom.positions", "Positions that keys and values can be kept of", EngineStatus::positions);
        gauge("fathom.positions.used", "Those in use by running requests", EngineStatus::positionsInUse);
        gauge("fathom.positions.cached", "Those kept for prompts that begin the same", EngineStatus::positionsCached);
        counter("fathom.tokens.prompt", "Tokens of prompts", EngineStatus::promptTokens);
        counter("fathom.tokens.cached", "Tokens of prompts that were found in the cache", EngineStatus::cachedTokens);
        counter("fathom.tokens.completion", "Tokens sampled", EngineStatus::completionTokens);
        counter("fathom.preemptions", "Requests that had to begin again", EngineStatus::preemptions);
        counter("fathom.steps", "Forward passes", EngineStatus::steps);
    }

    private void gauge(String name, String description, ToDoubleFunction<EngineStatus> value) {
        Gauge.builder(name, server, each -> read(each, value))
                .description(description)
                .register(registry);
    }

    private void counter(String name, String description, ToDoubleFunction<EngineStatus> value) {
        FunctionCounter.builder(name, server, each -> read(each, value))
                .description(description)
                .register(registry);
    }

    private static double read(Server server, ToDoubleFunction<EngineStatus> value) {
        ServedModel model = server.modelOrNull();
        return model == null ? 0 : value.applyAsDouble(model.engine().status());
    }

    /** A request was answered. */
    void request(String path, int status, long nanos) {
        Timer.builder("fathom.http.requests")
                .description("Requests by path and status")
                .tag("path", PATHS.contains(path) ? path : "other")
                .tag("status", String.valueOf(status))
                .register(registry)
                .record(Duration.ofNanos(nanos));
    }

    /** The first token of an answer came. */
    void firstToken(long nanos) {
        firstToken.record(Duration.ofNanos(nanos));
    }

    /** A client left before its answer was complete. */
    void clientGone() {
        clientsGone.increment();
    }

    @Override
    public void handle(ServerRequest request, ServerResponse response) {
        response.headers()
                .set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"));
        response.send(registry.scrape());
    }
}
