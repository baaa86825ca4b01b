package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import io.helidon.http.DirectHandler;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.HttpException;
import io.helidon.http.NotFoundException;
import io.helidon.http.ServerResponseHeaders;
import io.helidon.http.Status;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.DirectHandlers;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerResponse;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** The one place where errors become responses, all in OpenAI's form. */
final class Errors {
    private static final System.Logger LOGGER = System.getLogger(Errors.class.getName());

    private Errors() {}

    /** For what goes wrong in an endpoint. */
    static void handleIn(HttpRouting.Builder routes) {
        routes.error(ApiException.class, (request, response, e) -> send(response, e));
        routes.error(
                NotFoundException.class,
                (request, response, e) -> send(
                        response,
                        ApiException.notFound(
                                "There is no " + request.prologue().method() + " "
                                        + request.path().path() + " here.")));
        routes.error(
                HttpException.class,
                (request, response, e) -> send(
                        response,
                        ApiException.ofStatus(e.status().code(), Objects.requireNonNullElse(e.getMessage(), ""))));
        routes.error(RuntimeException.class, (request, response, e) -> {
            if (e instanceof CloseConnectionException) {
                throw e;
            }
            LOGGER.log(System.Logger.Level.ERROR, "an error in the server itself", e);
            send(response, ApiException.internal("An error in the server itself: " + e));
        });
    }

    private static void send(ServerResponse response, ApiException e) {
        response.status(Status.create(e.status()));
        response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "application/json"));
        e.retryAfter()
                .ifPresent(seconds ->
                        response.headers().set(HeaderValues.create(HeaderNames.RETRY_AFTER, String.valueOf(seconds))));
        if (e.status() == 401) {
            response.headers().set(HeaderValues.create(HeaderNames.WWW_AUTHENTICATE, "Bearer"));
        }
        response.send(e.toJson().toString().getBytes(StandardCharsets.UTF_8));
    }

    /** For what the web server finds wrong before an endpoint is reached. */
    static DirectHandlers directHandlers(long maxBody) {
        DirectHandlers.Builder handlers = DirectHandlers.builder();
        for (DirectHandler.EventType type : DirectHandler.EventType.values()) {
            handlers.addHandler(type, (request, event, status, headers, message) -> {
                ApiException error = status.code() == 413
                        ? ApiException.tooLarge(maxBody)
                        : ApiException.ofStatus(
                                status.code(), message == null || message.isBlank() ? status.reasonPhrase() : message);
                ServerResponseHeaders all = ServerResponseHeaders.create(headers);
                all.set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "application/json"));
                return DirectHandler.TransportResponse.builder()
                        .status(status)
                        .headers(all)
                        .keepAlive(false)
                        .entity(error.toJson().toString().getBytes(StandardCharsets.UTF_8))
                        .build();
            });
        }
        return handlers.build();
    }
}
