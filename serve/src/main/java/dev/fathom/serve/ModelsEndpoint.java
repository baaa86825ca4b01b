package dev.fathom.serve;

import dev.fathom.serve.api.Json;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import tools.jackson.databind.node.ObjectNode;

/** {@code GET /v1/models} and {@code GET /v1/models/NAME}. */
final class ModelsEndpoint {
    private final Server server;

    ModelsEndpoint(Server server) {
        this.server = server;
    }

    void list(ServerRequest request, ServerResponse response) {
        ObjectNode list = Json.MAPPER.createObjectNode().put("object", "list");
        list.putArray("data").add(describe(server.model()));
        send(response, list);
    }

    void one(ServerRequest request, ServerResponse response) {
        server.requireModel(request.path().pathParameters().get("id"));
        send(response, describe(server.model()));
    }

    private static ObjectNode describe(ServedModel model) {
        ObjectNode description = Json.MAPPER
                .createObjectNode()
                .put("id", model.name())
                .put("object", "model")
                .put("created", model.created())
                .put("owned_by", "fathom")
                .put("context_length", model.engine().contextLength());
        boolean conversational = model.template() != null || model.hasAnswerTags();
        description
                .putObject("capabilities")
                .put("chat", conversational)
                .put("thinking", model.has("</think>"))
                .put("tools", model.toolFormat().isPresent());
        return description;
    }

    static void send(ServerResponse response, ObjectNode body) {
        response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "application/json"));
        response.send(Json.MAPPER.writeValueAsBytes(body));
    }
}
