package dev.fathom.serve.http;

import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * Server-sent events: one write and one flush per event. A stream that is not completed is never ended as if it were: {@link #abort} leaves
 * the last chunk of the HTTP response unwritten and the connection closed, which every client sees as an error.
 */
public final class EventStream {
    private static final byte[] KEEP_ALIVE = ": keep-alive\n\n".getBytes(StandardCharsets.UTF_8);

    private final OutputStream out;
    private final StallGuard stalls;

    /** Begins the response: from now on nothing can be said but events. */
    public EventStream(ServerResponse response, StallGuard stalls) {
        response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8"));
        response.headers().set(HeaderValues.create(HeaderNames.CACHE_CONTROL, "no-cache"));
        // Asks proxies not to collect the stream before they pass it on.
        response.headers().set(HeaderValues.create("X-Accel-Buffering", "no"));
        this.out = response.outputStream();
        this.stalls = stalls;
    }

    /**
     * Writes an event.
     *
     * @param data one line
     * @throws UncheckedIOException if the client has gone
     */
    public void send(String data) {
        write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Says that the server is still there; clients skip it. */
    public void keepAlive() {
        write(KEEP_ALIVE);
    }

    /** Ends a complete stream. */
    public void complete() {
        stalls.guard(() -> {
            try {
                out.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return true;
        });
    }

    private void write(byte[] event) {
        stalls.guard(() -> {
            try {
                out.write(event);
                out.flush();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return true;
        });
    }
}
