package dev.fathom.serve;

import dev.fathom.serve.api.ReasoningInput;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How the server listens and what it lets clients do.
 *
 * @param host address to listen on
 * @param port 0 for any that is free
 * @param apiKey what clients must present, null for nothing
 * @param maxBody bytes of the largest request
 * @param clientPatience how long the server waits for a client that neither reads nor writes
 * @param keepAlive how long a stream may be silent before it says that it is still there
 * @param reasoningInput what becomes of {@code reasoning_content} in the messages of a request
 * @param runs directory whose runs the dashboard shows
 */
public record ServerOptions(
        String host,
        int port,
        @Nullable String apiKey,
        long maxBody,
        Duration clientPatience,
        Duration keepAlive,
        ReasoningInput reasoningInput,
        Path runs) {
    /** On this machine alone. */
    public static final ServerOptions DEFAULT = new ServerOptions(
            "127.0.0.1",
            8080,
            null,
            16 << 20,
            Duration.ofSeconds(60),
            Duration.ofSeconds(10),
            ReasoningInput.ACCEPT,
            Path.of("runs"));

    public ServerOptions withAddress(String newHost, int newPort) {
        return new ServerOptions(newHost, newPort, apiKey, maxBody, clientPatience, keepAlive, reasoningInput, runs);
    }

    public ServerOptions withApiKey(@Nullable String key) {
        return new ServerOptions(host, port, key, maxBody, clientPatience, keepAlive, reasoningInput, runs);
    }

    public ServerOptions withMaxBody(long bytes) {
        return new ServerOptions(host, port, apiKey, bytes, clientPatience, keepAlive, reasoningInput, runs);
    }

    public ServerOptions withClientPatience(Duration patience) {
        return new ServerOptions(host, port, apiKey, maxBody, patience, keepAlive, reasoningInput, runs);
    }

    public ServerOptions withReasoningInput(ReasoningInput rule) {
        return new ServerOptions(host, port, apiKey, maxBody, clientPatience, keepAlive, rule, runs);
    }

    public ServerOptions withRuns(Path directory) {
        return new ServerOptions(host, port, apiKey, maxBody, clientPatience, keepAlive, reasoningInput, directory);
    }
}
