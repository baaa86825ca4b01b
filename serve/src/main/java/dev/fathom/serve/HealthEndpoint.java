package dev.fathom.serve;

import dev.fathom.infer.EngineStatus;
import dev.fathom.serve.api.Json;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import tools.jackson.databind.node.ObjectNode;

/** {@code GET /health}: 200 if requests are answered, 503 while the model is loaded and when the server is shutting down. */
final class HealthEndpoint implements Handler {
    private final Server server;

    HealthEndpoint(Server server) {
        this.server = server;
    }

    @Override
    public void handle(ServerRequest request, ServerResponse response) {
        ServedModel model = server.modelOrNull();
        ObjectNode health = Json.MAPPER.createObjectNode();
        health.put("status", server.isDraining() ? "draining" : model == null ? "loading" : "ok");
        if (model != null) {
            EngineStatus status = model.engine().status();
            health.put("model", model.name())
                    .put("kernels", model.kernels())
                    .put("context_length", model.engine().contextLength())
                    .put("running", status.running())
                    .put("queued", status.queued());
        }
        if (model == null || server.isDraining()) {
            response.status(Status.SERVICE_UNAVAILABLE_503);
        }
        ModelsEndpoint.send(response, health);
    }
}
