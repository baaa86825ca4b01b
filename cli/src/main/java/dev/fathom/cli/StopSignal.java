package dev.fathom.cli;

import java.util.concurrent.atomic.AtomicInteger;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;

/** Ctrl-C (SIGINT) and SIGTERM: the first asks the run to stop after its step and to save, the second ends the process at once. */
final class StopSignal implements AutoCloseable {
    /** What a shell calls the end by a signal: 128 plus its number. */
    private static final int INTERRUPTED = 130;

    private static final int TERMINATED = 143;

    private final AtomicInteger exitCode = new AtomicInteger();
    private final @Nullable Object previousInterrupt;
    private final @Nullable Object previousTerminate;

    private StopSignal(Screen screen) {
        previousInterrupt = Signals.register("INT", () -> request(INTERRUPTED, screen));
        previousTerminate = Signals.register("TERM", () -> request(TERMINATED, screen));
    }

    static StopSignal listen(Screen screen) {
        return new StopSignal(screen);
    }

    private void request(int code, Screen screen) {
        if (!exitCode.compareAndSet(0, code)) {
            Runtime.getRuntime().halt(code);
        }
        screen.note("Stopping after this step and saving. Once more stops at once; the run then goes on from its last"
                + " checkpoint.");
    }

    boolean isRequested() {
        return exitCode.get() != 0;
    }

    /** The exit code of a process that stopped for this signal. */
    int exitCode() {
        return exitCode.get();
    }

    @Override
    public void close() {
        if (previousInterrupt != null) {
            Signals.unregister("INT", previousInterrupt);
        }
        if (previousTerminate != null) {
            Signals.unregister("TERM", previousTerminate);
        }
    }
}
