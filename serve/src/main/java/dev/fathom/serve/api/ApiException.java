package dev.fathom.serve.api;

import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** A request that is not answered, as the client is told: OpenAI's error object with its HTTP status. */
public final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private static final String INVALID_REQUEST = "invalid_request_error";
    private static final String SERVER_ERROR = "server_error";

    private final int status;
    private final String type;
    private final @Nullable String param;
    private final @Nullable String code;
    private final int retryAfter;

    private ApiException(
            int status, String type, @Nullable String param, @Nullable String code, String message, int retryAfter) {
        super(message);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.retryAfter = retryAfter;
    }

    /**
     * 400: a field has a value it cannot have.
     *
     * @param param the path of the field, such as {@code messages[2].content}
     */
    public static ApiException invalid(String param, String message) {
        return new ApiException(400, INVALID_REQUEST, param, "invalid_value", message, 0);
    }

    /** 400: a field has a value other than expected. */
    public static ApiException expected(String param, Object expected, Object found) {
        return invalid(param, param + ": found " + found + ", expected " + expected);
    }

    /** 400: a field that must be there is not. */
    public static ApiException missing(String param) {
        return new ApiException(
                400, INVALID_REQUEST, param, "missing_required_parameter", "Missing required parameter: " + param, 0);
    }

    /** 400: a field that nobody knows, or that this server does not do. */
    public static ApiException unknown(String param, String why) {
        return new ApiException(400, INVALID_REQUEST, param, "unknown_parameter", why, 0);
    }

    /** 400: the body is no JSON object in UTF-8. */
    public static ApiException malformed(String why) {
        return new ApiException(400, INVALID_REQUEST, null, "invalid_json", why, 0);
    }

    /** 400: prompt and response do not fit the model. */
    public static ApiException tooLong(String param, String message) {
        return new ApiException(400, INVALID_REQUEST, param, "context_length_exceeded", message, 0);
    }

    /** 401. */
    public static ApiException unauthorized(String message) {
        return new ApiException(401, INVALID_REQUEST, null, "invalid_api_key", message, 0);
    }

    /** 404: another model than the one that is served. */
    public static ApiException noSuchModel(String asked, String served) {
        return new ApiException(
                404,
                INVALID_REQUEST,
                "model",
                "model_not_found",
                "The model '" + asked + "' does not exist; this server has '" + served + "'.",
                0);
    }

    /** 404: another thing. */
    public static ApiException notFound(String message) {
        return new ApiException(404, INVALID_REQUEST, null, "not_found", message, 0);
    }

    /** 413. */
    public static ApiException tooLarge(long limit) {
        return new ApiException(
                413,
                INVALID_REQUEST,
                null,
                "request_too_large",
                "The request is larger than the " + limit + " bytes that this server accepts.",
                0);
    }

    /** 429: too many requests wait already. */
    public static ApiException busy(String message, int retryAfterSeconds) {
        return new ApiException(429, "rate_limit_error", null, "rate_limit_exceeded", message, retryAfterSeconds);
    }

    /** 503: not yet or no longer. */
    public static ApiException unavailable(String message, int retryAfterSeconds) {
        return new ApiException(503, SERVER_ERROR, null, "service_unavailable", message, retryAfterSeconds);
    }

    /** 500: our fault. */
    public static ApiException internal(String message) {
        return new ApiException(500, SERVER_ERROR, null, "internal_error", message, 0);
    }

    /** What the web server found wrong before a request was read: its status with its reason. */
    public static ApiException ofStatus(int status, String reason) {
        return new ApiException(
                status, status < 500 ? INVALID_REQUEST : SERVER_ERROR, null, "http_" + status, reason, 0);
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    /** The path of the field that is wrong. */
    public Optional<String> param() {
        return Optional.ofNullable(param);
    }

    /** Seconds after which to try again. */
    public OptionalInt retryAfter() {
        return retryAfter > 0 ? OptionalInt.of(retryAfter) : OptionalInt.empty();
    }

    /** {@code {"error": {"message", "type", "param", "code"}}}. */
    public ObjectNode toJson() {
        ObjectNode body = Json.MAPPER.createObjectNode();
        body.putObject("error")
                .put("message", getMessage())
                .put("type", type)
                .put("param", param)
                .put("code", code);
        return body;
    }
}
