package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.http.HttpRules;
import io.helidon.webserver.http.HttpService;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;

/** The chat page and the dashboard: files as they are, no build step, nothing from any other host. */
final class Pages implements HttpService {
    private static final Map<String, String> FILES = Map.of(
            "index.html", "text/html; charset=utf-8",
            "runs.html", "text/html; charset=utf-8",
            "style.css", "text/css; charset=utf-8",
            "theme.js", "text/javascript; charset=utf-8",
            "api.js", "text/javascript; charset=utf-8",
            "chat.js", "text/javascript; charset=utf-8",
            "markdown.js", "text/javascript; charset=utf-8",
            "mathml.js", "text/javascript; charset=utf-8",
            "charts.js", "text/javascript; charset=utf-8",
            "runs.js", "text/javascript; charset=utf-8");

    @Override
    public void routing(HttpRules rules) {
        rules.get("/", (request, response) -> send(response, "index.html"))
                .get("/runs", (request, response) -> send(response, "runs.html"))
                .get(
                        "/web/{name}",
                        (request, response) ->
                                send(response, request.path().pathParameters().get("name")));
    }

    private static void send(ServerResponse response, String name) {
        String type = FILES.get(name);
        if (type == null) {
            throw ApiException.notFound("There is no /web/" + name + " here.");
        }
        try (InputStream in = Pages.class.getResourceAsStream("web/" + name)) {
            if (in == null) {
                throw ApiException.internal(name + " is missing in this build.");
            }
            response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, type));
            response.headers().set(HeaderValues.create(HeaderNames.CACHE_CONTROL, "no-cache"));
            response.headers().set(HeaderValues.create("X-Content-Type-Options", "nosniff"));
            response.headers()
                    .set(HeaderValues.create(
                            "Content-Security-Policy",
                            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self';"
                                    + " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
            response.send(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
