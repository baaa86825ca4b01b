package dev.fathom.serve.http;

import io.helidon.common.buffers.DataReader;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ConnectionContext;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * The connection that a request came over, which notices that the client has gone while the request is being answered: before a token is
 * written, and where nothing is written at all because the request waits or is not streamed.
 *
 * <p>A client that goes away ends the stream of its bytes, and only a read sees that. So while a request is being answered another thread
 * reads ahead, one piece at most: the end of the stream is the client's farewell, and bytes are the beginning of its next request, which
 * the connection's own thread finds here when it asks for them.
 */
public final class ClientConnection {
    private static final ScopedValue<ClientConnection> CURRENT = ScopedValue.newInstance();

    private final DataReader socket;
    private final StallGuard stalls;
    private @Nullable CompletableFuture<byte[]> readAhead;
    private volatile @Nullable Runnable farewell;

    ClientConnection(ConnectionContext context, StallGuard stalls) {
        this.socket = context.dataReader();
        this.stalls = stalls;
    }

    /** The connection of the request that this thread handles. */
    public static ClientConnection current() {
        return CURRENT.get();
    }

    /** Runs what handles the connection. */
    void run(Runnable handler) {
        ScopedValue.where(CURRENT, this).run(handler);
    }

    /** What the web server reads from. */
    DataReader reader() {
        return DataReader.create(this::next);
    }

    /**
     * From now on, until the next request is read, {@code gone} is called (once, on another thread) if the client goes away.
     *
     * @return ends the watch; what was read ahead is kept
     */
    public Watch whenGone(Runnable gone) {
        farewell = gone;
        if (readAhead == null) {
            CompletableFuture<byte[]> future = new CompletableFuture<>();
            readAhead = future;
            Thread.ofVirtual().name("fathom-client-watch").start(() -> watch(future));
        } else if (readAhead.isDone()) {
            // The end came in between two requests of a pipeline.
            notifyIfEnded(readAhead);
        }
        return () -> farewell = null;
    }

    private void watch(CompletableFuture<byte[]> future) {
        try {
            future.complete(read());
        } catch (RuntimeException e) {
            future.completeExceptionally(e);
        }
        notifyIfEnded(future);
    }

    private void notifyIfEnded(CompletableFuture<byte[]> future) {
        Runnable gone = farewell;
        if (future.isCompletedExceptionally() && gone != null) {
            farewell = null;
            gone.run();
        }
    }

    /** Called by the connection's thread alone. */
    private byte[] next() {
        CompletableFuture<byte[]> ahead = readAhead;
        readAhead = null;
        try {
            return stalls.guard(() -> ahead == null ? read() : await(ahead));
        } catch (DataReader.InsufficientDataAvailableException | UncheckedIOException e) {
            // Wherever in a request a client leaves, that is no error of the server.
            throw new CloseConnectionException("the client has gone", e);
        }
    }

    private static byte[] await(CompletableFuture<byte[]> ahead) {
        try {
            return ahead.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            // Nobody came; the end of this thread closes the socket, and with it the read that is under way.
            throw new UncheckedIOException(new InterruptedIOException("the client was silent for too long"));
        }
    }

    private byte[] read() {
        socket.ensureAvailable();
        return socket.readBuffer(socket.available()).readBytes();
    }

    /** An answer that is being watched over. */
    public interface Watch extends AutoCloseable {
        @Override
        void close();
    }
}
