package dev.fathom.serve.http;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * Ends connections whose client neither reads nor writes: a thread that waits for a client longer than the limit is interrupted, which closes
 * its socket. Neither half-open connections nor readers that stopped reading pile up.
 */
public final class StallGuard implements AutoCloseable {
    private static final long SWEEPS_PER_LIMIT = 10;

    private final Duration limit;
    private final Map<Thread, Long> waitingSince = new ConcurrentHashMap<>();
    private final Thread sweeper;

    /** @param limit longest wait for a client */
    public StallGuard(Duration limit) {
        this.limit = limit;
        this.sweeper = Thread.ofVirtual().name("fathom-stall-guard").start(this::sweep);
    }

    /** Waits for a client. */
    public <T> T guard(Supplier<T> wait) {
        Thread thread = Thread.currentThread();
        waitingSince.put(thread, System.nanoTime());
        try {
            return wait.get();
        } finally {
            waitingSince.remove(thread);
        }
    }

    private void sweep() {
        try {
            while (true) {
                Thread.sleep(limit.dividedBy(SWEEPS_PER_LIMIT));
                long now = System.nanoTime();
                waitingSince.forEach((thread, since) -> {
                    if (now - since > limit.toNanos()) {
                        thread.interrupt();
                    }
                });
            }
        } catch (InterruptedException e) {
            // Closed.
        }
    }

    @Override
    public void close() {
        sweeper.interrupt();
    }
}
