package dev.fathom.serve.api;

import tools.jackson.databind.JsonNode;

/** What an answer has to be. */
public sealed interface ResponseFormat {
    /** Any text. */
    record Text() implements ResponseFormat {}

    /** Any JSON object. */
    record JsonObject() implements ResponseFormat {}

    /**
     * JSON that a schema describes.
     *
     * @param path of the schema in the request
     */
    record JsonSchema(JsonNode schema, String path) implements ResponseFormat {}

    /** Reads {@code response_format}. */
    static ResponseFormat read(Fields request) {
        Fields format = request.object("response_format").orElse(null);
        if (format == null) {
            return new Text();
        }
        String type = format.requireString("type");
        return switch (type) {
            case "text" -> new Text();
            case "json_object" -> new JsonObject();
            case "json_schema" -> {
                Fields described = format.object("json_schema")
                        .orElseThrow(() -> ApiException.missing(format.path("json_schema")));
                JsonNode schema =
                        described.any("schema").orElseThrow(() -> ApiException.missing(described.path("schema")));
                yield new JsonSchema(schema, described.path("schema"));
            }
            default ->
                throw ApiException.expected(
                        format.path("type"), "one of [text, json_object, json_schema]", "\"" + type + "\"");
        };
    }
}
