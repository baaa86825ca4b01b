package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.Json;
import dev.fathom.serve.api.Origin;
import dev.fathom.serve.http.StallGuard;
import dev.fathom.serve.http.WatchedHttp1;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http1.Http1Config;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * The server: starts at once, answers when it has a model, and at the end lets the answers under way come to theirs.
 *
 * <pre>{@code
 * try (Server server = Server.start(ServerOptions.DEFAULT)) {
 *     server.serve(model);
 *     ...
 *     server.drain(Duration.ofSeconds(30));
 * }
 * }</pre>
 */
public final class Server implements AutoCloseable {
    /** Most of a request line with its headers. */
    private static final int MOST_HEADERS = 64 << 10;

    private final ServerOptions options;
    private final StallGuard stalls;
    private final ServerMetrics metrics;
    /** Bytes of too large a request that are read before it is refused; a larger one is cut off. */
    private static final long READ_TO_REFUSE = 16 << 20;

    private final WebServer web;
    private final AtomicInteger underWay = new AtomicInteger();
    private volatile @Nullable Loaded loaded;
    private volatile boolean draining;

    private record Loaded(ServedModel model, AnswerRules rules, String fingerprint) {}

    private Server(ServerOptions options) {
        this.options = options;
        this.stalls = new StallGuard(options.clientPatience());
        this.metrics = new ServerMetrics(this);
        Http1Config http = Http1Config.builder()
                .maxHeadersSize(MOST_HEADERS)
                .maxPrologueLength(MOST_HEADERS)
                .build();
        this.web = WebServer.builder()
                .address(address(options.host()))
                .port(options.port())
                .shutdownHook(false)
                .maxPayloadSize(options.maxBody() + READ_TO_REFUSE)
                .idleConnectionTimeout(Duration.ofHours(1))
                .shutdownGracePeriod(Duration.ofMillis(200))
                // The only one, so that it sees a connection before its first byte: clients that say nothing are let
                // go, too.
                .protocolsDiscoverServices(false)
                .addConnectionSelector(new WatchedHttp1(http, stalls))
                .directHandlers(Errors.directHandlers(options.maxBody()))
                .routing(this::route)
                .build();
    }

    /**
     * Opens the port. Until there is a model, requests for answers get a 503.
     *
     * @throws UncheckedIOException if the address cannot be used
     */
    public static Server start(ServerOptions options) {
        Server server = new Server(options);
        server.web.start();
        if (!server.web.isRunning()) {
            server.close();
            throw new UncheckedIOException(whyNot(options));
        }
        return server;
    }

    /** The web server logs why it did not start and throws nothing; the network says it again. */
    private static IOException whyNot(ServerOptions options) {
        try (ServerSocket socket = new ServerSocket(options.port(), 1, address(options.host()))) {
            return new IOException("the web server did not start on port " + socket.getLocalPort());
        } catch (IOException e) {
            return e;
        }
    }

    private static InetAddress address(String host) {
        try {
            return InetAddress.getByName(host);
        } catch (UnknownHostException e) {
            throw new UncheckedIOException("there is no address " + host, e);
        }
    }

    private void route(HttpRouting.Builder routes) {
        Errors.handleIn(routes);
        routes.addFilter(new Guard(this))
                .post("/v1/chat/completions", new ChatEndpoint(this))
                .post("/chat/completions", new ChatEndpoint(this))
                .post("/v1/completions", new CompletionEndpoint(this))
                .post("/completions", new CompletionEndpoint(this))
                .get("/v1/models", new ModelsEndpoint(this)::list)
                .get("/v1/models/{+id}", new ModelsEndpoint(this)::one)
                .get("/health", new HealthEndpoint(this))
                .get("/metrics", metrics)
                .register("/", new Pages())
                .register("/", new RunsEndpoint(options.runs()));
    }

    /** From now on there is a model. */
    public void serve(ServedModel model) {
        String origin = model.name() + "\n" + model.kernels().split(", \\d+ thread", -1)[0];
        loaded = new Loaded(model, new AnswerRules(model), "fp_" + Integer.toHexString(origin.hashCode()));
    }

    /** The port that is open. */
    public int port() {
        return web.port();
    }

    /** Where a browser finds the server. */
    public String url() {
        return "http://" + options.host() + ":" + port();
    }

    ServerOptions options() {
        return options;
    }

    StallGuard stalls() {
        return stalls;
    }

    ServerMetrics metrics() {
        return metrics;
    }

    AtomicInteger underWay() {
        return underWay;
    }

    boolean isDraining() {
        return draining;
    }

    @Nullable
    ServedModel modelOrNull() {
        Loaded now = loaded;
        return now == null ? null : now.model;
    }

    /** @throws ApiException if there is none yet, or no more */
    ServedModel model() {
        return loaded().model;
    }

    AnswerRules rules() {
        return loaded().rules;
    }

    private Loaded loaded() {
        if (draining) {
            throw ApiException.unavailable("The server is shutting down.", 5);
        }
        Loaded now = loaded;
        if (now == null) {
            throw ApiException.unavailable("The model is being loaded.", 2);
        }
        return now;
    }

    /** @throws ApiException if another model than the one that is served was asked for */
    void requireModel(@Nullable String name) {
        String served = model().name();
        if (name != null && !name.equals(served)) {
            throw ApiException.noSuchModel(name, served);
        }
    }

    /** What all parts of a response will say of themselves. */
    Origin origin(String prefix) {
        Loaded now = loaded();
        return new Origin(
                prefix + UUID.randomUUID().toString().replace("-", ""),
                Instant.now().getEpochSecond(),
                now.model.name(),
                now.fingerprint);
    }

    /** The body of a request. */
    ObjectNode body(ServerRequest request) {
        return Json.parse(request.content().hasEntity() ? body(request.content().inputStream()) : new byte[0]);
    }

    /** Reads on for a while before it refuses: a connection closed with bytes unread is reset, and the client may never see why. */
    private byte[] body(InputStream in) {
        try (in) {
            byte[] body = in.readNBytes(Math.toIntExact(options.maxBody()) + 1);
            if (body.length > options.maxBody()) {
                in.skip(READ_TO_REFUSE);
                throw ApiException.tooLarge(options.maxBody());
            }
            return body;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Takes no more requests and waits until those under way are answered.
     *
     * @return whether they are, within this time
     */
    public boolean drain(Duration patience) {
        draining = true;
        long end = System.nanoTime() + patience.toNanos();
        ServedModel model = modelOrNull();
        boolean done = model == null || model.engine().drain(patience);
        try {
            while (underWay.get() > 0 && System.nanoTime() < end) {
                Thread.sleep(5);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
        return done && underWay.get() == 0;
    }

    /** Ends at once; {@link #drain} before it lets answers come to their end. The engine is the caller's to close. */
    @Override
    public void close() {
        draining = true;
        web.stop();
        stalls.close();
    }
}
