package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.Filter;
import io.helidon.webserver.http.FilterChain;
import io.helidon.webserver.http.RoutingRequest;
import io.helidon.webserver.http.RoutingResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Optional;

/** Stands before every endpoint: who may come in, and who is inside. */
final class Guard implements Filter {
    private static final String BEARER = "Bearer ";

    private final Server server;

    Guard(Server server) {
        this.server = server;
    }

    @Override
    public void filter(FilterChain chain, RoutingRequest request, RoutingResponse response) {
        String path = request.path().path();
        server.underWay().incrementAndGet();
        long begun = System.nanoTime();
        try {
            requireOwnPage(request);
            // Pages, health and metrics show no answers; what they load does.
            if (path.startsWith("/v1/") || path.endsWith("/completions") || path.startsWith("/runs/")) {
                requireKey(request);
            }
            chain.proceed();
        } finally {
            server.underWay().decrementAndGet();
            server.metrics().request(path, response.status().code(), System.nanoTime() - begun);
        }
    }

    /** A page of another site must not use a visitor's browser to talk to a server on the visitor's machine. */
    private static void requireOwnPage(RoutingRequest request) {
        Optional<String> origin = request.headers().first(HeaderNames.ORIGIN);
        String host = request.headers().first(HeaderNames.HOST).orElse("");
        if (origin.isPresent() && !origin.get().replaceFirst("^https?://", "").equals(host)) {
            throw ApiException.ofStatus(
                    403, "Pages of " + origin.get() + " may not talk to this server; they would need a proxy.");
        }
    }

    private void requireKey(RoutingRequest request) {
        String key = server.options().apiKey();
        if (key == null) {
            return;
        }
        String header = request.headers().first(HeaderNames.AUTHORIZATION).orElse("");
        if (!header.startsWith(BEARER)) {
            throw ApiException.unauthorized("You didn't provide an API key: Authorization: Bearer YOUR_KEY");
        }
        // Takes the same time wherever the keys differ.
        boolean equal = MessageDigest.isEqual(
                header.substring(BEARER.length()).strip().getBytes(StandardCharsets.UTF_8),
                key.getBytes(StandardCharsets.UTF_8));
        if (!equal) {
            throw ApiException.unauthorized("Incorrect API key provided.");
        }
    }
}
