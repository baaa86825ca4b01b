package dev.fathom.serve.api;

/**
 * Whether the answer comes as it is made.
 *
 * @param includeUsage whether a last chunk tells the usage
 */
public record Streaming(boolean stream, boolean includeUsage) {
    static Streaming read(Fields request) {
        boolean stream = request.isTrue("stream");
        Fields options = request.object("stream_options").orElse(null);
        if (options != null && !stream) {
            throw ApiException.invalid("stream_options", "stream_options needs \"stream\": true");
        }
        return new Streaming(stream, options != null && options.isTrue("include_usage"));
    }
}
